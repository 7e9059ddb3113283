//! The slot: closure, result and waiter of a task that has a handle, in one allocation.
//!
//! Two parties share a slot: the [`SlotTask`] travels through the queues (packed into a [`Task`]) and the
//! [`SlotHandle`] stays with whoever wants the result. Either may go first; the last one frees the memory.
//!
//! # The state word
//! | bit         | meaning                                                 | set by               | cleared by          |
//! |-------------|---------------------------------------------------------|----------------------|---------------------|
//! | `RUNNING`   | the closure belongs to whoever set this, who calls it   | either, from pending | -                   |
//! | `CANCELLED` | the closure belongs to whoever set this, who drops it   | either, from pending | -                   |
//! | `COMPLETE`  | the outcome is final (and written, unless unstarted)    | owner of the closure | -                   |
//! | `REFUSED`, `EXPIRED`, `DROPPED` | why it is unstarted | with `CANCELLED`, or by the owner with `COMPLETE` | -      |
//! | `WAITING`   | the waiter cell holds a waiter, to be woken             | handle               | handle, or `publish`|
//! | `TASK`      | the task side still uses the memory                     | creation             | task                |
//! | `HANDLE`    | the handle still uses the memory                        | creation             | handle              |
//!
//! `RUNNING` and `CANCELLED` exclude each other: both are set by a compare-and-swap that requires neither. *Unstarted* is a
//! complete slot with `CANCELLED` or one of the three that say why: it has no outcome. (Who has set `RUNNING` may find that
//! the work must not begin any more.)
//! Who may touch what:
//! - the closure: the creator, then the one who set `RUNNING` or `CANCELLED`;
//! - the outcome: who set `RUNNING`, before `COMPLETE`; afterwards the handle, or, if `HANDLE` was gone at that moment, the
//!   task side;
//! - the waiter: the handle while `WAITING` is clear and it has seen the slot incomplete since; whoever *cleared* `WAITING` owns the
//!   waiter that was in it. `publish` clears it in the same step that sets `COMPLETE`.
//! - the memory: a party that has cleared its own bit touches nothing any more; the one that finds the other's bit
//!   already clear frees.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::base::debug::impl_debug;
use crate::sync::waiter::Waiter;
pub use crate::task::outcome::Outcome;
use crate::task::outcome::{
    CANCELLED, COMPLETE, HANDLE, RUNNING, TASK, UNSTARTED, WAITING, reason, reason_in,
};

use crate::base::facade::{AtomicU32, Ordering, Tomb, UninitCell};
use crate::base::unwind::{self, Payload};
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, Words};
use crate::task::recycle;
use crate::task::work::{Unstarted, Work};

/// The part of a slot that does not depend on the closure's type.
struct Header<T> {
    state: AtomicU32,
    /// The pool that the task was submitted to, by number.
    pool: u32,
    /// What freeing or cancelling needs to know of the closure's type.
    table: &'static SlotTable,
    waiter: UninitCell<Waiter>,
    outcome: UninitCell<Result<T, Payload>>,
    tomb: Tomb,
}

/// Takes the address of the slot.
struct SlotTable {
    /// Calls the closure, counts it and writes the outcome, or finds that it must not begin. Only for the closure's owner.
    /// Returns what is to be published with the outcome: nothing, or why there is none.
    call_closure: unsafe fn(NonNull<()>, &TaskCounts) -> u32,
    /// Drops the closure in place. Only for its owner.
    drop_closure: unsafe fn(NonNull<()>) -> Result<(), Payload>,
    /// Frees the memory of a slot in which nothing lives any more.
    free: unsafe fn(NonNull<()>),
}

/// What a publisher that leaves the slot has to clean up.
#[must_use]
enum Cleanup {
    /// Nothing: the handle is there, or the caller keeps its own bit.
    Nothing,
    /// The outcome and the memory: the handle had gone before the outcome came.
    OutcomeAndMemory,
    /// The memory: there is no outcome, or the handle was woken, took it and went before the publisher did.
    Memory,
}

/// Header first, so that a pointer to the slot is a pointer to its header.
#[repr(C)]
struct ResultSlot<F, T> {
    header: Header<T>,
    closure: UninitCell<F>,
}

/// As [`new_in`], of no pool in particular: for the models.
#[cfg(longshore_loom)]
pub fn new<F, T>(f: F) -> (SlotTask<F, T>, SlotHandle<T>)
where
    F: Work<Output = T>,
    T: Send,
{
    new_in(0, f)
}

/// A new slot for `f`, submitted to the pool of number `pool`: the task to queue and the handle on its outcome.
#[inline]
pub fn new_in<F, T>(pool: u32, f: F) -> (SlotTask<F, T>, SlotHandle<T>)
where
    F: Work<Output = T>,
    T: Send,
{
    let place = recycle::alloc::<ResultSlot<F, T>>();
    let slot = ResultSlot {
        header: Header {
            state: AtomicU32::new(TASK | HANDLE),
            pool,
            table: const {
                &SlotTable {
                    call_closure: call_closure::<F, T>,
                    drop_closure: drop_closure::<F, T>,
                    free: free::<F, T>,
                }
            },
            waiter: UninitCell::empty(),
            outcome: UninitCell::empty(),
            tomb: Tomb::new(),
        },
        closure: UninitCell::holding(f),
    };
    // SAFETY: the block is ours, large enough and aligned.
    unsafe { place.write(slot) };
    (SlotTask { slot: place }, SlotHandle { header: place.cast(), taken: false, _result: PhantomData })
}

#[inline]
unsafe fn call_closure<F: Work<Output = T>, T>(slot: NonNull<()>, counts: &TaskCounts) -> u32 {
    // SAFETY: the caller's reference bit keeps the slot, which is of this very type, alive.
    let slot = unsafe { slot.cast::<ResultSlot<F, T>>().as_ref() };
    // SAFETY: the caller owns the closure (RUNNING); it is read once.
    let closure = unsafe { slot.closure.read() };
    if let Some(why) = closure.refusal() {
        counts.unstarted(why);
        unwind::drop_silently(closure);
        return reason(why);
    }
    counts.begin();
    let result = unwind::catch(|| closure.call());
    counts.end(match &result {
        Ok(output) if F::has_failed(output) => TaskEnd::Failed,
        Ok(_) => TaskEnd::Completed,
        Err(_) => TaskEnd::Panicked,
    });
    // SAFETY: before COMPLETE the outcome belongs to the closure's owner.
    unsafe { slot.header.outcome.write(result) };
    0
}

unsafe fn drop_closure<F, T>(slot: NonNull<()>) -> Result<(), Payload> {
    // SAFETY: the caller's reference bit keeps the slot, which is of this very type, alive.
    let slot = unsafe { slot.cast::<ResultSlot<F, T>>().as_ref() };
    unwind::catch(|| {
        // SAFETY: the caller owns the closure (table in the module's text) and drops it once.
        unsafe { slot.closure.drop_in_place() }
    })
}

unsafe fn free<F, T>(slot: NonNull<()>) {
    #[cfg(longshore_loom)]
    {
        // Leaked on purpose: a late access then hits the cell, not freed memory. loom forgets it with the execution.
        // SAFETY: not freed before, for `free` is called once.
        unsafe { slot.cast::<Header<T>>().as_ref() }.tomb.bury();
    }
    #[cfg(not(longshore_loom))]
    {
        // SAFETY: taken for this type by `new`; the caller is the last user and has moved out all it held.
        unsafe { recycle::free(slot.cast::<ResultSlot<F, T>>()) };
    }
}

impl<T> Header<T> {
    /// Claims the closure by setting `claim` (`RUNNING`, or `CANCELLED` and why); `false` if somebody else has it.
    #[inline]
    fn claim_closure(&self, claim: u32) -> bool {
        self.tomb.touch();
        // Relaxed: only a guess for the CAS.
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (RUNNING | CANCELLED) == 0 {
            // Acquire: pairs with nothing needed for the closure itself (it reached us with the task or the handle)
            // but orders our use of it after the claim. Failure Relaxed: only retried.
            match self.state.compare_exchange_weak(state, state | claim, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(current) => state = current,
            }
        }
        false
    }

    /// Makes the outcome final, and wakes who waits. `why` is the bit that says why there is none, or 0. `leaving` is the
    /// caller's own reference bit if it has no further use for the slot, else 0.
    ///
    /// # Safety
    /// The caller owns the closure, has moved it out or dropped it, and has written the outcome unless the task is unstarted.
    /// With `leaving`, the caller touches the slot no more, but for what is returned.
    unsafe fn publish(this: NonNull<Self>, why: u32, leaving: u32) -> Cleanup {
        // SAFETY: the caller's reference bit keeps the slot alive until the CAS below.
        let header = unsafe { this.as_ref() };
        header.tomb.touch();
        let mut state = header.state.load(Ordering::Relaxed); // only a guess for the CAS
        loop {
            // While a waiter has to be taken out of the slot the caller's bit must stay.
            let gone = if state & WAITING == 0 { leaving } else { WAITING };
            // AcqRel. Release: the handle that loads COMPLETE (Acquire) sees the outcome, and the last user frees
            // after our accesses. Acquire: we see the waiter that the handle wrote before it set WAITING, and, if its
            // bit is gone, all it did to the slot.
            match header.state.compare_exchange_weak(
                state,
                (state | COMPLETE | why) & !gone,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(current) => state = current,
            }
        }
        if state & WAITING == 0 {
            let last = leaving != 0 && state & HANDLE == 0;
            return match last {
                false => Cleanup::Nothing,
                true if (state | why) & UNSTARTED != 0 => Cleanup::Memory,
                true => Cleanup::OutcomeAndMemory,
            };
        }
        // SAFETY: WAITING was set, so the place holds a waiter; we cleared it, so it is ours.
        let waiter = unsafe { header.waiter.read() };
        waiter.wake();
        header.tomb.touch(); // what the last user's free must come after
        // AcqRel as above. Nobody touches `header` after this but the last user.
        if leaving != 0 && header.state.fetch_and(!leaving, Ordering::AcqRel) & HANDLE == 0 {
            return Cleanup::Memory;
        }
        Cleanup::Nothing
    }
}

/// The side of a slot that travels through the queues.
pub struct SlotTask<F, T> {
    slot: NonNull<ResultSlot<F, T>>,
}

impl<F, T> SlotTask<F, T>
where
    F: Work<Output = T>,
    T: Send,
{
    /// Packs this side into a task.
    ///
    /// # Safety
    /// The task is run or dropped while what closure and result borrow is alive.
    #[inline]
    pub unsafe fn into_task(self) -> Task {
        let mut words: Words = [const { MaybeUninit::uninit() }; 3];
        words[0].write(self.slot.as_ptr().expose_provenance());
        let table = const {
            &TaskTable { run: Self::run_packed, discard: Self::discard_packed, kind: TaskKind::Free }
        };
        // SAFETY: the words are this slot's address, which is what these two functions expect; the closure and its
        // result are `Send`.
        unsafe { Task::from_parts(table, words) }
    }

    /// # Safety
    /// `address` is the first word made by `into_task` of this type, and is not used again.
    #[inline]
    unsafe fn from_word(address: Word) -> Self {
        // SAFETY: `into_task` wrote it.
        let address = unsafe { address.assume_init() };
        // SAFETY: it is the address of a slot, never null.
        let slot = unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) };
        SlotTask { slot }
    }

    unsafe fn run_packed(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the task's table.
        unsafe { Self::from_word(address) }.run(counts)
    }

    unsafe fn discard_packed(address: Word, _: Word, _: Word, why: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the contract of the task's table.
        unsafe { Self::from_word(address) }.discard(why)
    }

    fn header(&self) -> NonNull<Header<T>> {
        self.slot.cast()
    }

    fn run(self, counts: &TaskCounts) -> Finished {
        // SAFETY: our TASK bit keeps the slot alive.
        let slot = unsafe { self.slot.as_ref() };
        if !slot.header.claim_closure(RUNNING) {
            if let Some(why) = self.leave() {
                counts.unstarted(why);
            }
            return Finished::Done;
        }
        // SAFETY: RUNNING makes the closure ours.
        let why = unsafe { call_closure::<F, T>(self.slot.cast(), counts) };
        let header = self.header();
        // SAFETY: closure moved out, outcome written unless `why` says otherwise, and our bit is given up.
        let remains = unsafe { Header::publish(header, why, TASK) };
        let outcome = match remains {
            Cleanup::Nothing => return Finished::Done,
            Cleanup::Memory => None,
            // SAFETY: no handle, so the outcome is ours.
            Cleanup::OutcomeAndMemory => Some(unsafe { take_outcome(header) }),
        };
        // SAFETY: we are the last user and the slot is empty.
        unsafe { free::<F, T>(header.cast()) };
        match outcome {
            None => Finished::Done,
            Some(Ok(value)) => match unwind::drop_guarded(value) {
                Ok(()) => Finished::Done,
                Err(payload) => Finished::UnobservedPanic(payload),
            },
            Some(Err(payload)) => Finished::UnobservedPanic(payload),
        }
    }

    fn discard(self, why: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: our TASK bit keeps the slot alive.
        let header = unsafe { self.header().as_ref() };
        if !header.claim_closure(CANCELLED | reason(why)) {
            return Ok(match self.leave() {
                Some(_) => Discarded::Unstarted,
                None => Discarded::RunBefore,
            });
        }
        // SAFETY: CANCELLED makes the closure ours.
        let dropped = unsafe { drop_closure::<F, T>(self.slot.cast()) };
        // SAFETY: closure dropped, cancelled (no outcome), and our bit is given up.
        let remains = unsafe { Header::publish(self.header(), 0, TASK) };
        if !matches!(remains, Cleanup::Nothing) {
            // SAFETY: we are the last user and the slot is empty.
            unsafe { free::<F, T>(self.slot.cast()) };
        }
        dropped.map(|()| Discarded::Unstarted)
    }

    /// Gives up the task side of a slot whose closure the handle has cancelled (then it says why), or run ahead of its
    /// turn.
    fn leave(self) -> Option<Unstarted> {
        let header = self.header();
        // SAFETY: our bit keeps it alive until this very operation.
        let state = &unsafe { header.as_ref() }.state;
        // AcqRel as in `publish`. The handle may still be at work with the closure: then its bit is set and it frees.
        let before = state.fetch_and(!TASK, Ordering::AcqRel);
        if before & HANDLE == 0 {
            // SAFETY: we are the last user; the handle was done with closure and outcome before it left.
            unsafe { free::<F, T>(header.cast()) };
        }
        // Without CANCELLED the handle has asked the work itself, and counted what it found.
        (before & CANCELLED != 0).then(|| reason_in(before))
    }
}

impl_debug!(SlotTask < F, T > {});

/// # Safety
/// The slot is complete and not unstarted; the caller owns its outcome and takes it once.
unsafe fn take_outcome<T>(header: NonNull<Header<T>>) -> Result<T, Payload> {
    // SAFETY: the caller's reference keeps the slot alive.
    let header = unsafe { header.as_ref() };
    // SAFETY: COMPLETE without UNSTARTED means that it was written.
    unsafe { header.outcome.read() }
}

/// The side of a slot that waits for the outcome.
pub struct SlotHandle<T> {
    header: NonNull<Header<T>>,
    taken: bool,
    _result: PhantomData<T>,
}

// The handle refers to its `T`, it does not contain it.
impl<T> Unpin for SlotHandle<T> {}

// SAFETY: the handle gives access to a `T` (and a closure, which was `Send`) from whichever thread holds it.
unsafe impl<T: Send> Send for SlotHandle<T> {}
// SAFETY: through a shared reference one can only ask for the state or cancel, both of which are atomic.
unsafe impl<T: Send> Sync for SlotHandle<T> {}

impl<T> SlotHandle<T> {
    #[inline]
    fn header(&self) -> &Header<T> {
        // SAFETY: our HANDLE bit keeps the slot alive.
        let header = unsafe { self.header.as_ref() };
        header.tomb.touch();
        header
    }

    /// Whether the outcome is final.
    #[inline]
    pub fn is_complete(&self) -> bool {
        // Acquire pairs with the Release in `publish`: the outcome may be read afterwards.
        self.header().state.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Takes the outcome if it is final and has not been taken before.
    #[inline]
    pub fn take(&mut self) -> Option<Outcome<T>> {
        let state = self.header().state.load(Ordering::Acquire); // as in `is_complete`
        if state & COMPLETE == 0 || self.taken {
            return None;
        }
        self.taken = true;
        if state & UNSTARTED != 0 {
            return Some(Outcome::Unstarted(reason_in(state)));
        }
        // SAFETY: complete, not unstarted, and `taken` makes it happen once.
        match unsafe { take_outcome(self.header) } {
            Ok(value) => Some(Outcome::Returned(value)),
            Err(payload) => Some(Outcome::Panicked(payload)),
        }
    }

    /// Whether [`SlotHandle::take`] has given the outcome away.
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// Leaves a waiter to be woken when the outcome is there; `false` (and the waiter is dropped) if it is there.
    /// A waiter left earlier is replaced.
    pub fn wait_with(&mut self, waiter: Waiter) -> bool {
        self.stop_waiting();
        let header = self.header();
        // Relaxed: not older than what `stop_waiting` saw. A publisher that cleared WAITING set COMPLETE in the same step,
        // and may still be reading the place.
        let mut state = header.state.load(Ordering::Relaxed);
        if state & COMPLETE != 0 {
            unwind::drop_silently(waiter);
            return false;
        }
        // SAFETY: WAITING is clear and only we set it; COMPLETE was not set when we looked, so a publisher that comes from
        // now on finds no waiter: nobody else touches the place.
        unsafe { header.waiter.write(waiter) };
        loop {
            if state & COMPLETE != 0 {
                // The publisher did not see a waiter, so it is still ours.
                // SAFETY: written above and not taken.
                unwind::drop_silently(unsafe { header.waiter.read() });
                return false;
            }
            // Release: the publisher (AcqRel) sees the waiter. Relaxed on failure: the caller looks again with
            // Acquire before it reads the outcome.
            match header.state.compare_exchange_weak(
                state,
                state | WAITING,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(current) => state = current,
            }
        }
    }

    /// Takes back a waiter left earlier, if it has not been woken.
    pub fn stop_waiting(&mut self) {
        let header = self.header();
        // Only this handle sets WAITING, so a clear bit stays clear; Relaxed for the same reason.
        if header.state.load(Ordering::Relaxed) & WAITING == 0 {
            return;
        }
        // Acquire and Release are not needed: the cell was written by this very thread, or by one that sent the
        // handle here. AcqRel all the same keeps the rule "every change of the word is at least that".
        if header.state.fetch_and(!WAITING, Ordering::AcqRel) & WAITING != 0 {
            // SAFETY: WAITING was set and we cleared it, so the waiter in the place is ours.
            unwind::drop_silently(unsafe { header.waiter.read() });
        }
    }

    /// The number of the pool that the task was submitted to.
    pub fn pool(&self) -> u32 {
        self.header().pool
    }

    /// Runs the task here and now, ahead of its turn, if nobody has begun it; whether that was so. Its place in the
    /// queue stays, and is found empty later.
    pub fn run_here(&mut self, counts: &TaskCounts) -> bool {
        self.stop_waiting();
        let header = self.header();
        if !header.claim_closure(RUNNING) {
            return false;
        }
        // SAFETY: RUNNING makes the closure ours, and our HANDLE bit keeps the slot alive.
        let why = unsafe { (header.table.call_closure)(self.header.cast(), counts) };
        // SAFETY: closure moved out, outcome written unless `why` says otherwise; our bit stays.
        let remains = unsafe { Header::publish(self.header, why, 0) };
        debug_assert!(matches!(remains, Cleanup::Nothing), "our own bit is still set");
        true
    }

    /// Cancels the task if it has not started, for this reason. `true` if it will never run (also when that was so before).
    pub fn cancel(&self, why: Unstarted) -> bool {
        let header = self.header();
        if !header.claim_closure(CANCELLED | reason(why)) {
            // Relaxed: these never go away and carry no data.
            return header.state.load(Ordering::Relaxed) & UNSTARTED != 0;
        }
        // SAFETY: CANCELLED makes the closure ours.
        let dropped = unsafe { (header.table.drop_closure)(self.header.cast()) };
        // SAFETY: closure dropped, cancelled; our bit stays.
        let remains = unsafe { Header::publish(self.header, 0, 0) };
        debug_assert!(matches!(remains, Cleanup::Nothing), "our own bit is still set");
        if let Err(payload) = dropped {
            unwind::drop_silently(payload);
        }
        true
    }
}

impl<T> Drop for SlotHandle<T> {
    fn drop(&mut self) {
        self.stop_waiting();
        let header = self.header();
        let mut state = header.state.load(Ordering::Acquire); // as in `is_complete`
        // An outcome that came while we hold the handle is ours to drop. If it comes between this look and the CAS,
        // the CAS fails and we look again.
        loop {
            if state & COMPLETE != 0 {
                if let Some(outcome) = self.take() {
                    unwind::drop_silently(outcome);
                }
                break;
            }
            // AcqRel: see the module's text on who frees. Acquire on failure for the outcome.
            match self.header().state.compare_exchange_weak(
                state,
                state & !HANDLE,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // Not complete: the task side is still there and frees.
                Ok(_) => return,
                Err(current) => state = current,
            }
        }
        let table = self.header().table;
        // A complete slot without TASK has no other user: spare the read-modify-write.
        let last = state & TASK == 0
            // AcqRel as above.
            || self.header().state.fetch_and(!HANDLE, Ordering::AcqRel) & TASK == 0;
        if last {
            // SAFETY: the task side has left and the outcome has been taken or dropped.
            unsafe { (table.free)(self.header.cast()) };
        }
    }
}

impl_debug!(SlotHandle<T> { is_complete });

// One block of the smallest class holds the slot of a small closure with a small result.
#[cfg(all(target_pointer_width = "64", not(longshore_loom)))]
const _: () = assert!(size_of::<ResultSlot<[u64; 2], u64>>() == 64);
