//! The ring: the last records of one track, in blocks that can each be read alone.
//!
//! One thread writes at a time, and never waits. Any thread may take a copy at any moment, also while the
//! writer goes on.
//!
//! # Layout
//! Words are counted from the first that the track ever wrote; word `i` is stored at `i % capacity`. A block
//! is [`BLOCK`] words. Its first [`ANCHOR`] words are an anchor, which says the absolute time and the number
//! of tasks so far, so that decoding can begin at any block.
//!
//! # Why a copy holds no word that was overwritten
//! This is a seqlock whose sequence number is `head`, the count of words written. The writer stores word `i`
//! only after it has published `head = i`. A reader
//! 1. loads `head` as `h` (Acquire): all words below `h` are visible to it;
//! 2. copies the words from `h - capacity` to `h`;
//! 3. has an Acquire fence, and loads `head` again as `g`.
//!
//! Suppose that the copy of word `i` really is word `j = i + n * capacity`, with `n > 0`. The writer's store
//! of word `j` is a Release store after its store `head = j`, the reader's load of it is followed by the
//! Acquire fence, so the two synchronise, and `g >= j`. The reader keeps only words with `i > g - capacity`,
//! that is `g < i + capacity <= j`. This is a contradiction, so a word that is kept is the word that it
//! should be. (The last word may be written once more in its place, to count one submission more; either
//! value is right.)

use std::fmt;

pub use super::atomics::BLOCK;
use super::atomics::{AtomicBool, AtomicU64, Ordering, fence};
use super::file::Signal;
use crate::record::Word;

/// Words of an anchor: head, ticks, tasks ended, which of the tasks beneath wait.
pub const ANCHOR: u64 = 4;
/// The longest record: a time, the record, its extra word.
pub const LONGEST: u64 = 3;

/// See the module's text.
pub struct Ring {
    words: Box<[AtomicU64]>,
    /// Words written so far.
    head: AtomicU64,
    /// Whether a track writes it.
    is_taken: AtomicBool,
    /// Tasks that the tracks before the present one have ended.
    ended: AtomicU64,
    /// Told when a block is full.
    signal: Option<Signal>,
}

/// A copy of what a ring holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the first word.
    pub first: u64,
    /// The words.
    pub words: Vec<u64>,
}

impl Ring {
    /// A ring of at least `bytes` bytes: a power of two of blocks, 4 at least.
    pub fn new(bytes: usize, signal: Option<Signal>) -> Self {
        let blocks = bytes.div_ceil(BLOCK as usize * 8).max(4).next_power_of_two();
        let words = (0..blocks * BLOCK as usize).map(|_| AtomicU64::new(0)).collect();
        Ring {
            words,
            head: AtomicU64::new(0),
            is_taken: AtomicBool::new(true),
            ended: AtomicU64::new(0),
            signal,
        }
    }

    /// Words that it holds.
    pub fn capacity(&self) -> u64 {
        self.words.len() as u64
    }

    /// Words written so far.
    pub fn head(&self) -> u64 {
        // Acquire pairs with the Release in `publish`: the words below are visible.
        self.head.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn place(&self, index: u64) -> &AtomicU64 {
        // The capacity is a power of two.
        &self.words[(index & (self.words.len() as u64 - 1)) as usize]
    }

    /// Stores a word. For the writer, which publishes it afterwards.
    #[inline(always)]
    pub fn store(&self, index: u64, word: Word) {
        // Release pairs with the fence in `snapshot`: a thread that reads this word sees that `head` had come
        // so far (module's text).
        self.place(index).store(word.0, Ordering::Release);
    }

    /// Makes all words below `head` readable. For the writer.
    #[inline(always)]
    pub fn publish(&self, head: u64) {
        // Release pairs with the Acquire in `head`: without it a reader could copy words that are not there
        // yet.
        self.head.store(head, Ordering::Release);
    }

    /// Tells that a block is full. For the writer.
    pub(super) fn block_is_full(&self) {
        if let Some(signal) = &self.signal {
            signal.call();
        }
    }

    /// Copies the words from number `from` on that are still there, beginning with a block.
    pub fn snapshot(&self, from: u64) -> Snapshot {
        let head = self.head();
        let oldest = (head + BLOCK).saturating_sub(self.capacity()); // leaves the writer a block of time
        let first = from.max(oldest.next_multiple_of(BLOCK)).min(head);
        // Acquire is given by the fence below.
        let words: Vec<u64> = (first..head).map(|i| self.place(i).load(Ordering::Relaxed)).collect();
        fence(Ordering::Acquire); // pairs with the Release in `store`, see the module's text
        let later = self.head.load(Ordering::Relaxed); // ordered by the fence
        let kept = (later + 1).saturating_sub(self.capacity());
        if kept <= first {
            return Snapshot { first, words };
        }
        let kept = kept.next_multiple_of(BLOCK).min(head);
        Snapshot { first: kept, words: words[(kept - first) as usize..].to_vec() }
    }

    /// Takes the ring for a new writer, if it has none.
    pub(super) fn take(&self) -> bool {
        // Acquire pairs with the Release in `give_back`: the next writer sees where the one before has
        // stopped.
        self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Tasks that the writers before have ended. For the writer.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed) // ordered by `take`
    }

    /// The writer has ended, and so have so many tasks in all.
    pub(super) fn give_back(&self, ended: u64) {
        self.ended.store(ended, Ordering::Relaxed); // ordered by the next line
        self.is_taken.store(false, Ordering::Release); // see `take`
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.capacity())
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A writer runs at full speed while a reader takes copies: each word says its own number.
    #[test]
    fn a_copy_holds_the_right_words_while_the_writer_goes_on() {
        let ring = Arc::new(Ring::new(4 * 4096, None));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (ring, stop) = (ring.clone(), stop.clone());
            move || {
                let mut index = 0;
                while !stop.load(Ordering::Relaxed) || index < 100_000 {
                    ring.store(index, Word(index));
                    index += 1;
                    ring.publish(index);
                }
            }
        });
        let mut seen = 0;
        let begun = std::time::Instant::now();
        while seen < 200 && begun.elapsed().as_secs() < 30 {
            let copy = ring.snapshot(0);
            assert!(copy.words.is_empty() || copy.first % BLOCK == 0);
            for (i, word) in copy.words.iter().enumerate() {
                assert_eq!(*word, copy.first + i as u64);
            }
            seen += usize::from(!copy.words.is_empty());
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer does not panic");
        assert!(seen > 0, "some copies hold words");
    }

    #[test]
    fn a_copy_goes_on_where_the_last_one_ended() {
        let ring = Ring::new(1, None);
        let write = |range: std::ops::Range<u64>| {
            range.for_each(|i| {
                ring.store(i, Word(i));
                ring.publish(i + 1);
            });
        };
        write(0..700);
        assert_eq!(ring.snapshot(0).words.len(), 700);
        let rest = ring.snapshot(600);
        assert_eq!((rest.first, rest.words.len()), (600, 100));
        write(700..5000);
        assert_eq!(ring.snapshot(700).first, (5000 + BLOCK - 2048).next_multiple_of(BLOCK));
    }
}
