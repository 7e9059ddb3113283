//! The inbox of one worker: a bounded queue into which any thread pushes and from which any thread takes, in
//! batches.
//!
//! The dispatcher pushes and the owner drains. Thieves take from it exactly as the owner does, so a task can
//! be stolen from the moment it is pushed, whatever the owner does. The ring is Dmitry Vyukov's bounded
//! multi-producer multi-consumer queue (1024cores.net, "Bounded MPMC queue") with three changes: both ends
//! move batches with one compare-and-swap, the queue can be closed, and a contended taker gives up instead of
//! spinning.
//!
//! # How it works
//! Position `p` belongs to cell `p % capacity`. The cell's `turn` says which thread may use it:
//!
//! | `turn`         | state of the cell for position `p`         | the value may be accessed by |
//! |----------------|--------------------------------------------|------------------------------|
//! | `p`            | free                                       | the producer that claims `p` |
//! | `p + 1`        | full                                       | the taker that claims `p`    |
//! | `p + capacity` | free again, for position `p + capacity`    | the producer of the next lap |
//!
//! A producer claims positions by moving `tail`, a taker by moving `head`. Each then hands its cells over by
//! storing `turn`. Between claim and hand-over a cell belongs to one thread alone.
//!
//! A worker's remote half (`push/shared.rs`) owns the inbox. Guarded by the model `inbox`, the unit tests
//! here and `tests/stress/push.rs`.

use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicU64, Ordering, UninitCell, spin_loop, thread};

/// Set in `tail` when the inbox is closed. Positions use the bits below it. At a billion pushes per second
/// they last for 292 years.
const CLOSED: u64 = 1 << 63;

/// Why a push was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No cell is free.
    Full,
    /// The inbox is closed.
    Closed,
}

/// The result of an attempt to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// No value is ready: the inbox is empty, or a producer is between claim and hand-over and will notify
    /// later.
    Nothing,
    /// Another taker was faster; more values may be ready.
    Contended,
    /// At least one value was taken.
    Some,
}

struct InboxCell<T> {
    turn: AtomicU64,
    value: UninitCell<T>,
}

/// A claimed position, which the holder must fill. A lost claim blocks the inbox forever, so the holder must
/// do nothing between claim and hand-over that can panic or wait.
#[must_use]
pub struct Reserved<'a, T> {
    cell: &'a InboxCell<T>,
    position: u64,
}

impl<T> Reserved<'_, T> {
    /// The position in the inbox.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Stores the value and hands the cell to the takers.
    #[inline(always)]
    pub fn fill(self, value: T) {
        // SAFETY: the closure initialises the cell, and a move does not panic.
        unsafe {
            self.fill_in_place(|cell| {
                cell.write(value);
            });
        }
    }

    /// Lets `write` build the value in its cell, and hands the cell to the takers. A value that is built
    /// elsewhere and moved here at once would stall the processor, which cannot load what it has just stored
    /// in smaller pieces.
    ///
    /// # Safety
    /// `write` initialises the memory that it is given. It does not panic.
    #[inline(always)]
    pub unsafe fn fill_in_place(self, write: impl FnOnce(&mut MaybeUninit<T>)) {
        // SAFETY: the turn equals the position, and only this thread has claimed it. So no other thread
        // accesses the value before the store below.
        unsafe { self.cell.value.write_with(write) };
        // Release pairs with the Acquire in `ready`: the taker sees the value.
        self.cell.turn.store(self.position + 1, Ordering::Release);
    }
}

impl_debug! { Reserved<'a, T> {} }

/// A bounded queue of one worker; see the module's text.
pub struct Inbox<T> {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    cells: Box<[InboxCell<T>]>,
}

// SAFETY: values move between threads through the cells, hence `T: Send`. Only the thread that claimed a
// position accesses the value of its cell, as the table in the module's text says.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: the methods on `&Inbox` hand values from thread to thread, hence `T: Send`, and never give out a
// shared reference to a value. Only the thread that claimed a position accesses the value of its cell.
unsafe impl<T: Send> Sync for Inbox<T> {}

impl<T> Inbox<T> {
    /// An open, empty inbox for `capacity` values, which must be a power of two and at least 2.
    pub fn new(capacity: usize) -> Self {
        Self::starting_at(0, capacity)
    }

    /// An open, empty inbox whose first position is `start`: tests start near the end of the positions with
    /// it.
    pub fn starting_at(start: u64, capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= 2, "inbox capacity {capacity}");
        let mask = capacity as u64 - 1;
        assert!(start & mask == 0, "the first position {start} must be a multiple of the capacity");
        let cell = |index| InboxCell { turn: AtomicU64::new(start + index), value: UninitCell::empty() };
        Inbox {
            tail: CachePadded::new(AtomicU64::new(start)),
            head: CachePadded::new(AtomicU64::new(start)),
            cells: (0..capacity as u64).map(cell).collect(),
        }
    }

    /// The number of values that fit in.
    pub fn capacity(&self) -> usize {
        self.cells.len()
    }

    #[inline(always)]
    fn cell(&self, position: u64) -> &InboxCell<T> {
        // The capacity is a power of two, so this mask also makes the bounds check unnecessary.
        &self.cells[(position & (self.cells.len() as u64 - 1)) as usize]
    }

    /// Pushes one value, or returns it with the reason. For tests: the dispatcher reserves and fills in two
    /// steps.
    #[cfg(any(test, longshore_loom))]
    pub fn push(&self, value: T) -> Result<(), (T, Refusal)> {
        match self.reserve() {
            Ok(reserved) => {
                reserved.fill(value);
                Ok(())
            }
            Err(refusal) => Err((value, refusal)),
        }
    }

    /// Claims the next position. The caller must fill it at once, because takers cannot pass it.
    #[inline]
    pub fn reserve(&self) -> Result<Reserved<'_, T>, Refusal> {
        // Relaxed: the position is a guess that the cell's turn and the CAS below verify.
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            let cell = self.cell(tail);
            // Acquire pairs with the taker's Release in `empty`: the taker's read of the old value happens
            // before this thread's write of the new one. Without it the taker could read the new value.
            let turn = cell.turn.load(Ordering::Acquire);
            if turn == tail {
                // Release: a thread that closes the inbox and reads the final tail (`close`, AcqRel) knows of
                // this claim. Acquire is not needed, because the turn has validated the cell.
                match self.tail.compare_exchange_weak(tail, tail + 1, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return Ok(Reserved { cell, position: tail }),
                    Err(current) => tail = current,
                }
            } else if turn < tail {
                // The cell still holds a value of the last lap, or `tail` is out of date: look again.
                let current = self.tail.load(Ordering::Relaxed);
                if current == tail {
                    return Err(Refusal::Full);
                }
                tail = current;
            } else {
                tail = self.tail.load(Ordering::Relaxed); // another producer was faster
            }
        }
    }

    /// Claims up to `wanted` positions with one compare-and-swap and fills them from `next`.
    ///
    /// Returns how many were pushed, at least 1. `next` is called once for each of them, and must not panic.
    pub fn push_batch(&self, wanted: usize, next: impl FnMut() -> T) -> Result<usize, Refusal> {
        self.push_batch_noting(wanted, next, |_, _| ())
    }

    /// As [`Inbox::push_batch`]. Calls `note` with the first position and the number of positions that were
    /// claimed, before they are filled. `note` must not panic, and should be short, because takers wait.
    pub fn push_batch_noting(
        &self,
        wanted: usize,
        mut next: impl FnMut() -> T,
        note: impl FnOnce(u64, usize),
    ) -> Result<usize, Refusal> {
        debug_assert!(wanted > 0);
        let wanted = wanted.min(self.cells.len()) as u64;
        let mut tail = self.tail.load(Ordering::Relaxed); // a guess that the turns and the CAS below verify
        loop {
            if tail & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            // Acquire pairs with the taker's Release in `empty`, for each cell. A free cell stays free until
            // a thread claims its position, which moves the tail and makes the CAS below fail.
            let free = |i: &u64| self.cell(tail + i).turn.load(Ordering::Acquire) == tail + i;
            let n = (0..wanted).take_while(free).count() as u64;
            if n == 0 {
                let current = self.tail.load(Ordering::Relaxed);
                if current == tail && self.cell(tail).turn.load(Ordering::Acquire) < tail {
                    return Err(Refusal::Full);
                }
                tail = current;
                continue;
            }
            // Release: a thread that closes the inbox and reads the final tail knows of this claim.
            match self.tail.compare_exchange_weak(tail, tail + n, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    note(tail, n as usize);
                    for position in tail..tail + n {
                        Reserved { cell: self.cell(position), position }.fill(next());
                    }
                    return Ok(n as usize);
                }
                Err(current) => tail = current,
            }
        }
    }

    /// The number of values, out of up to `limit` from `head` on, that are ready to be taken.
    #[inline]
    fn ready(&self, head: u64, limit: u64) -> u64 {
        // Acquire pairs with the Release in `fill_in_place`: the value is visible.
        let full = |i: &u64| self.cell(head + i).turn.load(Ordering::Acquire) == head + i + 1;
        (0..limit).take_while(full).count() as u64
    }

    /// Moves up to `limit` values (at least 1) with one compare-and-swap to the end of `batch`, the oldest
    /// first.
    ///
    /// Any thread may call this. `batch` must have enough capacity, and should have it before the call,
    /// because producers wait between the claim and the hand-over.
    #[inline]
    pub fn take(&self, limit: usize, batch: &mut impl Extend<T>) -> Taken {
        self.take_noting(limit, batch, |_| ())
    }

    /// As [`Inbox::take`]. Calls `note` with the position of the first value that was taken.
    #[inline]
    pub fn take_noting(&self, limit: usize, batch: &mut impl Extend<T>, note: impl FnOnce(u64)) -> Taken {
        // Acquire pairs with the Release of another taker's CAS below. The values do not need it, because
        // their turns publish them; it makes the view of the queue's progress monotonic.
        let head = self.head.load(Ordering::Acquire);
        let n = self.ready(head, limit.clamp(1, self.cells.len()) as u64);
        if n == 0 {
            return Taken::Nothing;
        }
        // AcqRel: see the load of `head`. Strong, because a spurious failure would be reported as contention.
        if self.head.compare_exchange(head, head + n, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Taken::Contended;
        }
        batch.extend((head..head + n).map(|position| self.empty(position)));
        note(head);
        Taken::Some
    }

    /// Moves the value out of a position that the caller has claimed, and hands the cell to the next lap.
    #[inline(always)]
    fn empty(&self, position: u64) -> T {
        let cell = self.cell(position);
        // SAFETY: the turn was `position + 1`, so the cell holds a value, whose write the Acquire in `ready`
        // has made visible. Only the caller has claimed the position. The value is read once, because the
        // cell is free after the store below.
        let value = unsafe { cell.value.read() };
        // Release pairs with the Acquire in `reserve`: this read happens before the write of the next lap.
        cell.turn.store(position + self.cells.len() as u64, Ordering::Release);
        value
    }

    /// Whether a value is ready to be taken. A worker calls this before it parks, after a sequentially
    /// consistent fence.
    #[inline]
    pub fn has_ready(&self) -> bool {
        // Relaxed head: a head that is out of date (smaller) finds the turn of a later lap, which counts as
        // ready.
        let head = self.head.load(Ordering::Relaxed);
        self.cell(head).turn.load(Ordering::Acquire) > head // pairs with the Release in `fill_in_place`
    }

    /// The number of values, including those whose producer is between claim and hand-over. Exact if no
    /// thread is pushing or taking.
    pub fn len(&self) -> usize {
        // Head first: the tail, which is read later, cannot be behind it. Acquire keeps the two loads in this
        // order.
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire) & !CLOSED;
        tail.saturating_sub(head) as usize
    }

    /// The number of values ever pushed, if the first position was 0.
    pub fn pushed(&self) -> u64 {
        // A statistic. Acquire, so that a snapshot that reads it last sees every push whose effect it has
        // seen.
        self.tail.load(Ordering::Acquire) & !CLOSED
    }

    /// Refuses every later push. A push and a close agree on their order, because both change `tail`.
    pub fn close(&self) {
        // Acquire pairs with the Release of the CAS in `reserve` and `push_batch`: claims made before the
        // close are known here. A later CAS fails, because it expects a tail without the bit. No reader needs
        // the Release half.
        self.tail.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Accepts pushes again. The inbox must be closed, and must have been drained since.
    pub fn reopen(&self) {
        // Release pairs with nothing that a producer needs: it reads only the position from the tail, and the
        // cells carry their own order. A read-modify-write, because refused producers have not changed the
        // tail.
        self.tail.fetch_and(!CLOSED, Ordering::Release);
    }

    /// Takes out everything that was pushed before [`Inbox::close`]. Waits for producers that are between
    /// claim and hand-over: a few instructions, unless their thread is preempted there.
    pub fn drain_closed(&self, mut sink: impl FnMut(T)) {
        debug_assert!(self.tail.load(Ordering::Relaxed) & CLOSED != 0, "drain_closed before close");
        let mut failures = 0;
        let mut batch = Vec::with_capacity(self.cells.len());
        while self.len() > 0 {
            match self.take(self.cells.len(), &mut batch) {
                Taken::Some => batch.drain(..).for_each(&mut sink),
                Taken::Nothing | Taken::Contended if failures < 64 => {
                    failures += 1;
                    spin_loop();
                }
                Taken::Nothing | Taken::Contended => thread::yield_now(),
            }
        }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        let mut left = Vec::new();
        while self.take(self.cells.len(), &mut left) == Taken::Some {}
    }
}

impl_debug! { Inbox<T> { len, capacity } }

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn take_all(inbox: &Inbox<u64>, limit: usize) -> Vec<u64> {
        let mut batch = Vec::new();
        let _ = inbox.take(limit, &mut batch);
        batch
    }

    #[test]
    fn values_come_out_in_order_over_many_laps_and_near_the_end_of_the_positions() {
        for start in [0, CLOSED - 64] {
            let inbox = Inbox::starting_at(start, 8);
            let (mut sent, mut seen) = (0, 0);
            while seen < 40 {
                while inbox.push(sent).is_ok() {
                    sent += 1;
                }
                assert_eq!(inbox.len(), 8);
                for value in take_all(&inbox, 5) {
                    assert_eq!(value, seen);
                    seen += 1;
                }
                sent = sent.max(seen);
            }
        }
    }

    #[test]
    fn a_full_or_closed_inbox_hands_the_value_back() {
        let inbox = Inbox::new(2);
        inbox.push(1).expect("room");
        inbox.push(2).expect("room");
        assert_eq!(inbox.push(3), Err((3, Refusal::Full)));
        inbox.close();
        assert_eq!(inbox.push(4), Err((4, Refusal::Closed)));
        assert_eq!(inbox.push_batch(1, || 5), Err(Refusal::Closed));
        let mut left = Vec::new();
        inbox.drain_closed(|v| left.push(v));
        assert_eq!(left, [1, 2]);
        assert_eq!(inbox.pushed(), 2);
    }

    #[test]
    fn a_batch_takes_the_cells_that_are_free() {
        let inbox = Inbox::new(4);
        inbox.push(0).expect("room");
        let mut numbers = 1..;
        assert_eq!(inbox.push_batch(9, || numbers.next().expect("endless")), Ok(3));
        assert_eq!(inbox.push_batch(9, || numbers.next().expect("endless")), Err(Refusal::Full));
        assert_eq!(numbers.next(), Some(4), "nothing was drawn for a refused batch");
        assert_eq!(take_all(&inbox, 64), [0, 1, 2, 3]);
        assert!(!inbox.has_ready());
    }

    #[test]
    fn dropping_it_drops_what_is_inside() {
        let count = Arc::new(AtomicUsize::new(0));
        struct Tick(Arc<AtomicUsize>);
        impl Drop for Tick {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let inbox = Inbox::new(4);
        for _ in 0..3 {
            assert!(inbox.push(Tick(count.clone())).is_ok());
        }
        drop(inbox);
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn every_value_is_taken_exactly_once_by_competing_threads() {
        const EACH: u64 = 40_000;
        let inbox = Inbox::new(64);
        let hits: Vec<AtomicUsize> = (0..3 * EACH).map(|_| AtomicUsize::new(0)).collect();
        let taken = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for producer in 0..3 {
                let inbox = &inbox;
                s.spawn(move || {
                    let mut values = producer * EACH..(producer + 1) * EACH;
                    while !values.is_empty() {
                        let left = (values.end - values.start) as usize;
                        let pushed = if left % 2 == 0 {
                            inbox.push_batch(left.min(7), || values.next().expect("left")).is_ok()
                        } else {
                            inbox.push(values.start).is_ok_and(|()| values.next().is_some())
                        };
                        if !pushed {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            for limit in [1, 16] {
                let (inbox, hits, taken) = (&inbox, &hits, &taken);
                s.spawn(move || {
                    while taken.load(Ordering::Relaxed) < hits.len() {
                        let batch = take_all(inbox, limit);
                        for value in &batch {
                            hits[*value as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        taken.fetch_add(batch.len(), Ordering::Relaxed);
                        if batch.is_empty() {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 1));
    }
}
