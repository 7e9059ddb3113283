//! A track: what one thread writes into its ring. Each call is a handful of plain stores.
//!
//! A track belongs to one thread at a time: a worker, or a thread that submits tasks from outside.
//!
//! # When it looks at the clock
//! A look costs 7 to 30 ns, the latter a percent of a task of 3 us. So the end of a task is the beginning of
//! the next, if nothing comes between, and where tasks are small the track saves looks:
//! - *Ends.* While tasks of one label take less than [`SHORT_GROUP`], ends share looks: so many, up to
//!   [`MOST_ENDS`], that a look comes about every four microseconds. The reader divides the time in between.
//! - *Submissions to the own deque.* After a task of [`LARGE_TASK`] or more, and for some tasks more, each
//!   has a time of its own. Else they are counted, and the end of the task tells how many they were.
//! - *Submissions from outside.* While they follow each other quickly, [`MOST_GROUPED`] at most share a time,
//!   and a record.
//!
//! What has no time of its own is marked as such by its kind, and the analysis says how much that is.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use super::clock::{Clock, ROUGH_TICKS_PER_US, Ticks};
use super::ring::{ANCHOR, BLOCK, LONGEST, Ring};
use crate::record::{EndArg, Kind, MAX_BATCH, MAX_DELTA, MAX_LABEL, MAX_SPAWNED, Outcome, Source, Word};

/// Ticks of a group of tasks that share a look: more tasks share the next one if it took less (some 3 us).
pub const SHORT_GROUP: u64 = 3 * ROUGH_TICKS_PER_US;
/// None shares it if it took more (some 8 us).
const LONG_GROUP: u64 = 8 * ROUGH_TICKS_PER_US;
/// Ticks from which on the submissions of the next task have times: some 4 us.
pub const LARGE_TASK: u64 = 4 * ROUGH_TICKS_PER_US;
/// For so many tasks after a large one submissions have times.
const AFTER_LARGE: u8 = 4;
/// Ticks between two submissions from outside that follow quickly: some 250 ns.
const QUICK: u64 = ROUGH_TICKS_PER_US / 4;
/// Small tasks that share a look at the clock.
pub const MOST_ENDS: u32 = 16;
/// Submissions from outside that share a look at the clock.
pub const MOST_GROUPED: u32 = MAX_BATCH as u32;

/// How exact times are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Small tasks share looks at the clock, see the module's text.
    #[default]
    Adaptive,
    /// Each boundary of a task has a time of its own.
    Exact,
}

/// A task that has begun: given back to [`Track::end`].
#[derive(Debug)]
#[must_use = "a task that begins also ends"]
pub struct Begun {
    source: Source,
    /// What the track was at before, and the label of the task beneath.
    before: State,
    label: u16,
}

/// What a track is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No task runs.
    Idle,
    /// A task runs.
    Running,
    /// A task waits.
    Waiting,
}

/// The submissions that share the last record of the track.
#[derive(Debug, Default)]
struct Group {
    /// The number of the record's word.
    at: Cell<u64>,
    /// Its kind and delta.
    head: Cell<u64>,
    first: Cell<u32>,
    worker: Cell<u32>,
    count: Cell<u32>,
    /// How many may share a time.
    limit: Cell<u32>,
    /// How many more may follow the last look at the clock.
    left: Cell<u32>,
    /// When that was.
    since: Cell<u64>,
}

/// See the module's text.
pub struct Track<C = Ticks> {
    ring: Arc<Ring>,
    number: u32,
    precision: Precision,
    /// The number of the next word.
    position: Cell<u64>,
    /// The time of the last record that has one.
    last: Cell<u64>,
    /// Submissions to the own deque that no record counts yet.
    spawned: Cell<u32>,
    /// Forks so far, and how many of them a record counts.
    forks: Cell<u32>,
    counted_forks: Cell<u32>,
    label: Cell<u16>,
    previous_label: Cell<u16>,
    state: Cell<State>,
    /// Tasks that others are on top of.
    depth: Cell<u16>,
    /// Which of these wait, from the bottom up.
    waiting: Cell<u64>,
    ended: Cell<u64>,
    /// For so many tasks more submissions to the own deque have times.
    timed: Cell<u8>,
    /// How many ends share a look.
    stride: Cell<u32>,
    /// Ends since the last look.
    unstamped: Cell<u32>,
    group: Group,
    clock: C,
}

/// The track itself: words and times.
impl<C: Clock> Track<C> {
    pub(super) fn new(ring: Arc<Ring>, number: u32, precision: Precision, is_worker: bool, clock: C) -> Self {
        let head = ring.head();
        let track = Track {
            number,
            precision,
            position: Cell::new(head),
            last: Cell::new(clock.now()),
            spawned: Cell::new(0),
            forks: Cell::new(0),
            counted_forks: Cell::new(0),
            label: Cell::new(0),
            previous_label: Cell::new(0),
            // A thread from outside always does something of its own.
            state: Cell::new(if is_worker { State::Idle } else { State::Running }),
            depth: Cell::new(0),
            waiting: Cell::new(0),
            ended: Cell::new(ring.ended()),
            timed: Cell::new(AFTER_LARGE),
            stride: Cell::new(1),
            unstamped: Cell::new(0),
            group: Group::default(),
            ring,
            clock,
        };
        // A track that goes on with a ring begins a block of its own.
        track.pad();
        track.anchor();
        track
    }

    /// Its number in the recording.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The time of the last record that has one, in ticks.
    #[inline]
    pub fn last_time(&self) -> u64 {
        self.last.get()
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Writes a word without a look at the room that is left in the block.
    #[inline(always)]
    fn put_here(&self, word: Word) {
        let at = self.position.get();
        self.ring.store(at, word);
        self.position.set(at + 1);
    }

    /// Makes sure that the longest record fits into the block.
    #[inline(always)]
    fn make_room(&self) {
        if self.position.get() & (BLOCK - 1) > BLOCK - LONGEST {
            self.begin_block();
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_block(&self) {
        self.pad();
        self.anchor();
        self.ring.block_is_full();
    }

    /// Fills the block.
    fn pad(&self) {
        while self.position.get() & (BLOCK - 1) != 0 {
            self.put_here(Word::new(Kind::Pad, 0, 0));
        }
    }

    fn anchor(&self) {
        let depth = u32::from(self.depth.get()) | (self.state.get() as u32) << 16;
        self.put_here(Word::new(Kind::Anchor, 0, depth));
        self.put_here(Word(self.last.get()));
        self.put_here(Word(self.ended.get()));
        self.put_here(Word(self.waiting.get()));
        debug_assert_eq!(self.position.get() & (BLOCK - 1), ANCHOR);
        self.ring.publish(self.position.get());
    }

    /// Writes a record without a time.
    #[inline(always)]
    fn note(&self, kind: Kind, arg: u32) {
        self.make_room();
        self.put_here(Word::new(kind, 0, arg));
        self.ring.publish(self.position.get());
    }

    /// Writes a record with the time. Returns how many ticks have passed since the last one.
    #[inline(always)]
    fn stamp(&self, kind: Kind, arg: u32) -> u64 {
        let delta = self.time();
        self.put_here(Word::new(kind, delta & MAX_DELTA, arg));
        self.ring.publish(self.position.get());
        delta
    }

    /// As `stamp`, with an extra word.
    fn stamp_with(&self, kind: Kind, arg: u32, extra: u64) {
        self.count_spawned();
        let delta = self.time();
        self.put_here(Word::new(kind, delta & MAX_DELTA, arg));
        self.put_here(Word::extra(extra));
        self.ring.publish(self.position.get());
    }

    /// Looks at the clock, for a record that is written next.
    #[inline(always)]
    fn time(&self) -> u64 {
        let now = self.clock.now();
        let delta = now.saturating_sub(self.last.get()); // counters of two processors may differ a little
        self.make_room();
        self.last.set(self.last.get() + delta);
        self.unstamped.set(0);
        if delta > MAX_DELTA {
            self.long_time(delta);
        }
        delta
    }

    #[cold]
    fn long_time(&self, delta: u64) {
        let steps = (delta >> 27).min(u64::from(u32::MAX));
        self.put_here(Word::new(Kind::Time, 0, steps as u32));
    }

    /// As `stamp`, after what has no record yet.
    #[inline]
    fn event(&self, kind: Kind, arg: u32) {
        self.count_spawned();
        self.stamp(kind, arg);
    }

    /// Writes a record that counts submissions, if there are any that no record counts.
    #[inline]
    fn count_spawned(&self) {
        let spawned = self.spawned.replace(0);
        if spawned > 0 {
            self.note(Kind::Spawned, spawned);
        }
    }
}

/// Tasks.
impl<C: Clock> Track<C> {
    /// A task begins. Costs a look at the clock only if another one is interrupted that does not wait: else
    /// the task has begun at the last record with a time. So a worker that has looked for a task writes that
    /// down before ([`Track::searches`] and the records of queues).
    #[inline]
    pub fn begin(&self, source: Source) -> Begun {
        match self.state.replace(State::Running) {
            State::Idle => Begun { source, before: State::Idle, label: 0 },
            before => self.begin_on_top(source, before),
        }
    }

    #[cold]
    fn begin_on_top(&self, source: Source, before: State) -> Begun {
        let label = self.label.replace(0);
        let depth = self.depth.get();
        let bit = 1u64.checked_shl(depth.into()).unwrap_or(0);
        if before == State::Waiting {
            self.waiting.set(self.waiting.get() | bit);
        } else {
            self.waiting.set(self.waiting.get() & !bit);
            self.count_forks();
            let spawned = self.few_spawned();
            self.stamp(Kind::Begin, EndArg { label, source, outcome: Outcome::Completed, spawned }.pack());
        }
        self.depth.set(depth.saturating_add(1));
        Begun { source, before, label }
    }

    /// The submissions that no record counts, of which what is too many for an end gets a record of its own.
    fn few_spawned(&self) -> u32 {
        let spawned = self.spawned.replace(0);
        if spawned > MAX_SPAWNED {
            self.note(Kind::Spawned, spawned - MAX_SPAWNED);
        }
        spawned.min(MAX_SPAWNED)
    }

    /// The task that began last ends. Returns the ticks since the last look at the clock, or 0 if this end
    /// shares the next look.
    #[inline]
    pub fn end(&self, task: Begun, outcome: Outcome) -> u64 {
        let spawned = self.spawned.get();
        if task.before != State::Idle || spawned > MAX_SPAWNED || self.has_uncounted_forks() {
            return self.end_slowly(task, outcome);
        }
        self.spawned.set(0);
        self.state.set(State::Idle);
        self.write_end(task.source, outcome, spawned)
    }

    #[cold]
    #[inline(never)]
    fn end_slowly(&self, task: Begun, outcome: Outcome) -> u64 {
        self.count_forks();
        let spawned = self.few_spawned();
        let took = if task.before != State::Running {
            self.state.set(task.before);
            self.write_end(task.source, outcome, spawned)
        } else {
            self.stride.set(1);
            let took = self.write_end(task.source, outcome, spawned);
            self.stride.set(1); // what goes on now has its own end
            took
        };
        if task.before != State::Idle {
            self.label.set(task.label);
            self.depth.set(self.depth.get().saturating_sub(1));
        }
        took
    }

    #[inline(always)]
    fn write_end(&self, source: Source, outcome: Outcome, spawned: u32) -> u64 {
        let label = self.label.replace(0);
        let arg = EndArg { label, source, outcome, spawned }.pack();
        let took = self.put_end(arg, label);
        // After the record: it may begin a block, whose anchor says how many have ended before.
        self.ended.set(self.ended.get() + 1);
        took
    }

    #[inline(always)]
    fn put_end(&self, arg: u32, label: u16) -> u64 {
        let timed = self.timed.get();
        if timed > 0 {
            self.timed.set(timed - 1);
        }
        let shared = self.unstamped.get() + 1;
        if shared < self.stride.get() && label == self.previous_label.get() {
            self.unstamped.set(shared);
            self.note(Kind::Ended, arg);
            return 0;
        }
        let took = self.stamp(Kind::End, arg);
        self.previous_label.set(label);
        if took >= LARGE_TASK {
            self.timed.set(AFTER_LARGE);
        }
        let stride = self.stride.get();
        self.stride.set(match took {
            _ if took >= LONG_GROUP || self.precision == Precision::Exact => 1,
            // If they really shared it: a look may have come between for another reason.
            _ if took < SHORT_GROUP && shared == stride => (stride * 2).min(MOST_ENDS),
            _ => stride,
        });
        took
    }

    /// Gives the task at hand a label, an id from [`Recorder::label`](super::Recorder::label).
    #[inline]
    pub fn label(&self, label: u16) {
        self.label.set(label.min(MAX_LABEL));
    }

    /// How many tasks have ended here: the number of the one that ends next (if none begins on top of it).
    pub fn ended(&self) -> u64 {
        self.ended.get()
    }

    /// The task at hand puts a task into its worker's deque.
    #[inline]
    pub fn spawned(&self) {
        if self.timed.get() > 0 || self.precision == Precision::Exact {
            self.event(Kind::Spawn, 1);
        } else {
            self.spawned.set(self.spawned.get().saturating_add(1));
        }
    }

    /// As [`Track::spawned`], of `count` tasks at once, of which no record tells the times.
    #[inline]
    pub fn spawned_some(&self, count: u32) {
        self.spawned.set(self.spawned.get().saturating_add(count));
    }

    /// Says that the last of the tasks that [`Track::spawned_some`] has counted is put into the deque now.
    pub fn spawns_now(&self) {
        let spawned = self.spawned.replace(0);
        if spawned > 1 {
            self.note(Kind::Spawned, spawned - 1);
        }
        if spawned > 0 {
            self.stamp(Kind::Spawn, 1);
        }
    }

    /// As [`Track::forked`], of `count` forks at once.
    #[inline]
    pub fn forked_some(&self, count: u32) {
        self.forks.set(self.forks.get().wrapping_add(count));
    }

    /// The task at hand forks. Costs an addition; what is never taken leaves no other trace. Returns a number
    /// for [`Track::offered`].
    #[inline(always)]
    pub fn forked(&self) -> u32 {
        let forks = self.forks.get().wrapping_add(1);
        self.forks.set(forks);
        forks
    }

    #[inline(always)]
    fn has_uncounted_forks(&self) -> bool {
        self.forks.get() != self.counted_forks.get()
    }

    /// Writes how many forks there were since this was last said.
    fn count_forks(&self) {
        let forks = self.forks.get().wrapping_sub(self.counted_forks.replace(self.forks.get()));
        if forks > 0 {
            self.count_spawned();
            self.note(Kind::Forks, forks);
        }
    }
}

impl<C> Drop for Track<C> {
    fn drop(&mut self) {
        self.ring.give_back(self.ended.get());
    }
}

impl<C> fmt::Debug for Track<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track")
            .field("number", &self.number)
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

#[path = "track_events.rs"]
mod events;
#[path = "track_queues.rs"]
mod queues;
