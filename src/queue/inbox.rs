//! The inbox of one worker: a bounded queue that any thread pushes into and any thread takes from, in batches.
//!
//! The dispatcher pushes; the owner drains; thieves take from it exactly as the owner does, so a task is reachable
//! from the moment it is in, whatever its worker does. The ring is Dmitry Vyukov's bounded multi-producer
//! multi-consumer queue (1024cores.net, "Bounded MPMC queue"), with three changes: both ends work in batches with
//! one compare-and-swap, the queue can be closed, and a contended taker gives up instead of spinning.
//!
//! # How it works
//! Position `p` belongs to slot `p % capacity`. The slot's `turn` says whose move it is:
//!
//! | `turn`         | state of the slot for position `p`                 | who may touch the value      |
//! |----------------|----------------------------------------------------|------------------------------|
//! | `p`            | free                                               | the producer that claims `p` |
//! | `p + 1`        | full                                               | the taker that claims `p`    |
//! | `p + capacity` | free again, for position `p + capacity`            | the producer of the next lap |
//!
//! A producer claims positions by moving `tail`, a taker by moving `head`; each then hands its slots over by
//! storing `turn`. Between claim and hand-over a slot belongs to one thread alone.

use std::fmt;
use std::mem::MaybeUninit;

use crossbeam_utils::CachePadded;

use crate::base::facade::{AtomicU64, Ordering, UninitCell, spin_loop, thread};

/// Set in `tail` once the inbox is closed; positions use the bits below it. At a billion pushes a second they last
/// for 292 years.
const CLOSED: u64 = 1 << 63;

/// Why a push was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No slot is free.
    Full,
    /// [`Inbox::close`] came first.
    Closed,
}

/// What a look into the inbox brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// Nothing is ready: empty, or a producer is between claim and hand-over (it will notify afterwards).
    Nothing,
    /// Another taker was faster; there may be more.
    Contended,
    /// One value or more.
    Some,
}

struct InboxSlot<T> {
    turn: AtomicU64,
    value: UninitCell<T>,
}

/// A position that the holder has claimed and must fill. (Lost, it would block the inbox for ever; that the holder
/// does nothing that could panic or wait in between is his business.)
#[must_use]
pub struct Reserved<'a, T> {
    slot: &'a InboxSlot<T>,
    position: u64,
}

impl<T> Reserved<'_, T> {
    /// Writes the value and hands the slot to the takers.
    #[inline(always)]
    pub fn fill(self, value: T) {
        // SAFETY: the closure initialises the place.
        unsafe {
            self.fill_in_place(|place| {
                place.write(value);
            });
        }
    }

    /// As [`Reserved::fill`], with a value that `write` puts together in its place: a value built elsewhere and moved
    /// here at once would stall the processor, which cannot load what was just stored in smaller pieces.
    ///
    /// # Safety
    /// `write` initialises the place it is given. It must not panic.
    #[inline(always)]
    pub unsafe fn fill_in_place(self, write: impl FnOnce(&mut MaybeUninit<T>)) {
        // SAFETY: the turn equals the position and we alone have claimed it, so nobody else touches the value until
        // the store below.
        unsafe { self.slot.value.write_with(write) };
        // Release pairs with the Acquire in `ready`: the taker sees the value.
        self.slot.turn.store(self.position + 1, Ordering::Release);
    }
}

impl<T> fmt::Debug for Reserved<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").field("position", &self.position).finish_non_exhaustive()
    }
}

/// See the module's text.
pub struct Inbox<T> {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    slots: Box<[InboxSlot<T>]>,
}

// SAFETY: values move between threads through the slots (hence `T: Send`); a slot's value is touched only by the
// thread that claimed its position, as the table above says.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Inbox<T> {}

impl<T> Inbox<T> {
    /// An open, empty inbox for `capacity` values, which must be a power of two and at least 2.
    pub fn new(capacity: usize) -> Self {
        Self::starting_at(0, capacity)
    }

    /// As [`Inbox::new`], with the first position at `start`: tests begin near a wrap with it.
    pub fn starting_at(start: u64, capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= 2, "inbox capacity {capacity}");
        let mask = capacity as u64 - 1;
        assert!(start & mask == 0, "the first position {start} must be a multiple of the capacity");
        let slot = |index| InboxSlot { turn: AtomicU64::new(start + index), value: UninitCell::empty() };
        Inbox {
            tail: CachePadded::new(AtomicU64::new(start)),
            head: CachePadded::new(AtomicU64::new(start)),
            slots: (0..capacity as u64).map(slot).collect(),
        }
    }

    /// How many values it can hold.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline(always)]
    fn slot(&self, position: u64) -> &InboxSlot<T> {
        // The capacity is a power of two, so this mask also spares the bounds check.
        &self.slots[(position & (self.slots.len() as u64 - 1)) as usize]
    }

    /// Pushes one value, or hands it back with the reason. (The dispatcher goes in two steps.)
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

    /// Claims the next position. Whoever gets one must fill it at once: takers cannot pass it.
    #[inline]
    pub fn reserve(&self) -> Result<Reserved<'_, T>, Refusal> {
        // Relaxed: the position is only a proposal; the slot's turn and the CAS below validate it.
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            let slot = self.slot(tail);
            // Acquire pairs with the taker's Release in `empty`: its read of the old value happens before our write
            // of the new one. Without it the taker could read what we write.
            let turn = slot.turn.load(Ordering::Acquire);
            if turn == tail {
                // Release: whoever closes the inbox and reads the final tail (`close`, AcqRel) knows of this claim.
                // Acquire is not needed: the slot was validated by its turn.
                match self.tail.compare_exchange_weak(tail, tail + 1, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return Ok(Reserved { slot, position: tail }),
                    Err(current) => tail = current,
                }
            } else if turn < tail {
                // The slot still holds last lap's value. If `tail` is stale that says nothing, so look again.
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

    /// Claims room for up to `wanted` values with one compare-and-swap and fills it from `next`.
    ///
    /// Returns how many were pushed: at least 1. `next` is called exactly that often; it must not panic.
    pub fn push_batch(&self, wanted: usize, mut next: impl FnMut() -> T) -> Result<usize, Refusal> {
        debug_assert!(wanted > 0);
        let wanted = wanted.min(self.slots.len()) as u64;
        let mut tail = self.tail.load(Ordering::Relaxed); // as in `push`
        loop {
            if tail & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            // Acquire as in `push`, for each slot. A free slot stays free until someone claims its position, and
            // claiming it moves the tail, which fails our CAS.
            let free = |i: &u64| self.slot(tail + i).turn.load(Ordering::Acquire) == tail + i;
            let n = (0..wanted).take_while(free).count() as u64;
            if n == 0 {
                let current = self.tail.load(Ordering::Relaxed);
                if current == tail && self.slot(tail).turn.load(Ordering::Acquire) < tail {
                    return Err(Refusal::Full);
                }
                tail = current;
                continue;
            }
            match self.tail.compare_exchange_weak(tail, tail + n, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    for position in tail..tail + n {
                        Reserved { slot: self.slot(position), position }.fill(next());
                    }
                    return Ok(n as usize);
                }
                Err(current) => tail = current,
            }
        }
    }

    /// How many of up to `limit` values from `head` on are ready to be taken.
    #[inline]
    fn ready(&self, head: u64, limit: u64) -> u64 {
        // Acquire pairs with the Release in `fill`.
        let full = |i: &u64| self.slot(head + i).turn.load(Ordering::Acquire) == head + i + 1;
        (0..limit).take_while(full).count() as u64
    }

    /// Moves up to `limit` values (at least 1) with one compare-and-swap to the end of `batch`, the oldest first.
    ///
    /// Any thread may call it. `batch` must have room (and should have it already: between claim and hand-over the
    /// producers wait).
    #[inline]
    pub fn take(&self, limit: usize, batch: &mut impl Extend<T>) -> Taken {
        // Acquire pairs with the Release of another taker's CAS below: not needed for the values (their turns carry
        // them) but for a monotonic view of the queue's progress.
        let head = self.head.load(Ordering::Acquire);
        let n = self.ready(head, limit.clamp(1, self.slots.len()) as u64);
        if n == 0 {
            return Taken::Nothing;
        }
        // AcqRel as above. Strong: a spurious failure would be reported as contention.
        if self.head.compare_exchange(head, head + n, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Taken::Contended;
        }
        batch.extend((head..head + n).map(|position| self.empty(position)));
        Taken::Some
    }

    /// Moves the value out of a position that the caller has claimed and hands the slot to the next lap.
    #[inline(always)]
    fn empty(&self, position: u64) -> T {
        let slot = self.slot(position);
        // SAFETY: the turn was `position + 1` (full, its write visible by Acquire) and the caller alone has claimed it;
        // the value is read once, then the slot counts as free.
        let value = unsafe { slot.value.read() };
        // Release pairs with the Acquire in `push`: our read happens before the next lap's write.
        slot.turn.store(position + self.slots.len() as u64, Ordering::Release);
        value
    }

    /// Whether a value is ready to be taken. Used after a sequentially consistent fence by whoever wants to sleep.
    #[inline]
    pub fn has_ready(&self) -> bool {
        // Relaxed head: a stale (smaller) head finds a turn from a later lap, which must count as "look again".
        let head = self.head.load(Ordering::Relaxed);
        self.slot(head).turn.load(Ordering::Acquire) > head
    }

    /// Values inside, those included whose producer is between claim and hand-over. Exact when nobody is at work.
    pub fn len(&self) -> usize {
        // Head first: the tail read afterwards cannot be behind it. Acquire keeps the two loads in this order.
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire) & !CLOSED;
        tail.saturating_sub(head) as usize
    }

    /// How many values were ever pushed (an inbox that started at 0).
    pub fn pushed(&self) -> u64 {
        self.tail.load(Ordering::Acquire) & !CLOSED // statistics; Acquire as in `Counter::get`
    }

    /// Refuses every push from now on. A push and a close agree on which came first: both change `tail`.
    pub fn close(&self) {
        // AcqRel: see the CAS in `push`.
        self.tail.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Accepts pushes again. Only of a closed inbox that has been drained since.
    pub fn reopen(&self) {
        // Release pairs with the look at the tail in `reserve` only in so far as nothing but the position is read by it;
        // the slots carry their own order. A read-modify-write, for a producer that was refused leaves no trace.
        self.tail.fetch_and(!CLOSED, Ordering::Release);
    }

    /// Takes out everything that was pushed before [`Inbox::close`], waiting for producers that are between claim
    /// and hand-over (a few instructions, unless their thread is preempted there).
    pub fn drain_closed(&self, mut sink: impl FnMut(T)) {
        debug_assert!(self.tail.load(Ordering::Relaxed) & CLOSED != 0, "drain_closed before close");
        let mut failures = 0;
        let mut batch = Vec::with_capacity(self.slots.len());
        while self.len() > 0 {
            match self.take(self.slots.len(), &mut batch) {
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
        while self.take(self.slots.len(), &mut left) == Taken::Some {}
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

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
    fn a_batch_takes_the_places_that_are_free() {
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
                        let pushed = if left.is_multiple_of(2) {
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
