//! The result slot: closure, result and waiter of a task that has a handle, in one allocation.
//!
//! Two sides share a slot. The [`SlotTask`] travels through the queues, packed into a [`Task`]. The
//! [`SlotHandle`] belongs to the thread or future that wants the result. Either side may leave first; the
//! last one frees the memory.
//!
//! # The state word
//! | bit         | meaning                                     | set by               | cleared by        |
//! |-------------|---------------------------------------------|----------------------|-------------------|
//! | `RUNNING`   | its setter owns the closure and calls it    | either, if pending   | -                 |
//! | `CANCELLED` | its setter owns the closure and drops it    | either, if pending   | -                 |
//! | `COMPLETE`  | the outcome is final                        | owner of the closure | -                 |
//! | `REFUSED`   | unstarted, because it was cancelled         | `cancel`, `publish`  | -                 |
//! | `EXPIRED`   | unstarted, because the deadline had passed  | `cancel`, `publish`  | -                 |
//! | `DROPPED`   | unstarted, because the pool was full        | `cancel`, `publish`  | -                 |
//! | `COUNTED`   | the side that cancelled has counted that    | `cancel`             | -                 |
//! | `WAITING`   | the waiter cell holds a waiter, to be woken | handle               | handle, `publish` |
//! | `TASK`      | the task side still uses the memory         | creation             | task              |
//! | `HANDLE`    | the handle still uses the memory            | creation             | handle            |
//!
//! `RUNNING` and `CANCELLED` exclude each other: both are set by a compare-and-swap that requires neither. A
//! complete slot is *unstarted* if `CANCELLED` or one of the three reasons is set; then it has no outcome.
//! (The side that has set `RUNNING` may find that the conditions refuse the work.)
//!
//! # Which side may access what
//! - The closure: its creator, then the side that set `RUNNING` or `CANCELLED`.
//! - The outcome: before `COMPLETE` the side that set `RUNNING`; afterwards the handle. If `HANDLE` was clear
//!   when `COMPLETE` was set, the task side instead.
//! - The waiter cell: the handle, while `WAITING` is clear and it has seen the slot incomplete since then.
//!   The side that *clears* `WAITING` owns the waiter in the cell. `publish` clears it in the step that sets
//!   `COMPLETE`.
//! - The memory: a side that has cleared its own bit accesses nothing any more. The side that finds the
//!   other's bit clear when it clears its own frees the memory.
//!
//! Guarded by the models `result_slot` and `result_slot_waiting`, `tests/it/behaviour/handles.rs` and
//! `tests/it/behaviour/futures.rs`.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicU32, Ordering, Tomb, UninitCell};
use crate::base::unwind::{self, Payload};
use crate::sync::waiter::Waiter;
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, pointer_in, words_with};
pub use crate::task::outcome::Outcome;
use crate::task::outcome::{
    CANCELLED, COMPLETE, COUNTED, HANDLE, RUNNING, TASK, UNSTARTED, WAITING, reason, reason_in,
};
use crate::task::owners::TaskOwner;
use crate::task::recycle;
use crate::task::work::{Unstarted, Work, WorkRefusal};

/// The part of a slot that does not depend on the closure's type.
struct Header<T> {
    state: AtomicU32,
    /// The number of the pool that the task was submitted to.
    pool: u32,
    /// The functions that depend on the closure's type.
    table: &'static SlotTable,
    waiter: UninitCell<Waiter>,
    outcome: UninitCell<Result<T, Payload>>,
    tomb: Tomb,
}

/// Functions on a slot, given its address.
struct SlotTable {
    /// Calls the closure, counts it and writes the outcome; or finds that the task must not start. Only the
    /// owner of the closure calls this. Returns 0, or the bit of the reason why there is no outcome, and
    /// `COUNTED` if that is counted already. The bits are to be published.
    call_closure: unsafe fn(NonNull<()>, &TaskCounts) -> u32,
    /// Drops the closure in place. Only the owner of the closure calls this.
    drop_closure: unsafe fn(NonNull<()>) -> Result<(), Payload>,
    /// Frees the memory of a slot whose content has been moved out or dropped. Only the last side calls this.
    free: unsafe fn(NonNull<()>),
}

/// What the publisher of an outcome must clean up.
#[must_use]
enum Cleanup {
    /// Nothing: the handle is still there, or the caller keeps its own bit.
    Nothing,
    /// The outcome and the memory: the handle left before the outcome was published.
    OutcomeAndMemory,
    /// The memory: there is no outcome, or the handle was woken, took it and left before the publisher.
    Memory,
}

/// The header is the first field, so a pointer to the slot is a pointer to its header.
#[repr(C)]
struct ResultSlot<F, T> {
    header: Header<T>,
    closure: UninitCell<F>,
}

/// A new slot for `f` of pool number 0, for the models.
#[cfg(longshore_loom)]
pub fn new<F, T>(f: F) -> (SlotTask<F, T>, SlotHandle<T>)
where
    F: Work<Output = T>,
    T: Send,
{
    new_in(0, f)
}

/// A new slot for `f`, submitted to pool number `pool`: the task to queue, and the handle to its outcome.
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
    // SAFETY: the block was allocated for this type, and no other pointer to it exists.
    unsafe { place.write(slot) };
    (SlotTask { slot: place }, SlotHandle { header: place.cast(), taken: false, _result: PhantomData })
}

/// # Safety
/// `slot` is a `ResultSlot<F, T>`. The caller has set `RUNNING`, has not called this before, and its own bit
/// is set.
#[inline]
unsafe fn call_closure<F: Work<Output = T>, T>(slot: NonNull<()>, counts: &TaskCounts) -> u32 {
    // SAFETY: the slot is of this type, and the caller's bit keeps it allocated, by the contract of this
    // function.
    let slot = unsafe { slot.cast::<ResultSlot<F, T>>().as_ref() };
    // SAFETY: the closure belongs to the caller, which has set RUNNING, so no other side accesses it. It is
    // moved out once, because the caller calls this once.
    let closure = unsafe { slot.closure.read() };
    if let Some(refusal) = closure.refusal() {
        counts.refused(refusal);
        unwind::drop_silently(closure);
        return reason(refusal.why) | if refusal.is_counted { COUNTED } else { 0 };
    }
    counts.start();
    let result = unwind::catch(|| closure.call());
    counts.end(match &result {
        Ok(output) if F::has_failed(output) => TaskEnd::Failed,
        Ok(_) => TaskEnd::Completed,
        Err(_) => TaskEnd::Panicked,
    });
    // SAFETY: before COMPLETE the outcome belongs to the owner of the closure, so no other side accesses it.
    unsafe { slot.header.outcome.write(result) };
    0
}

/// # Safety
/// `slot` is a `ResultSlot<F, T>`. The caller has set `CANCELLED`, has not called this before, and its own
/// bit is set.
unsafe fn drop_closure<F, T>(slot: NonNull<()>) -> Result<(), Payload> {
    // SAFETY: the slot is of this type, and the caller's bit keeps it allocated, by the contract of this
    // function.
    let slot = unsafe { slot.cast::<ResultSlot<F, T>>().as_ref() };
    unwind::catch(|| {
        // SAFETY: the closure belongs to the caller, which has set CANCELLED, so no other side accesses it.
        // It is dropped once, because the caller calls this once.
        unsafe { slot.closure.drop_in_place() }
    })
}

/// # Safety
/// `slot` is a `ResultSlot<F, T>`, in which no value is left. The caller is the last side, and does not use
/// it again.
unsafe fn free<F, T>(slot: NonNull<()>) {
    #[cfg(longshore_loom)]
    {
        // Leaked on purpose: a late access then finds the tomb instead of freed memory. loom forgets it with
        // the execution.
        // SAFETY: the memory has not been freed, because only the last side calls this, and it calls it once.
        unsafe { slot.cast::<Header<T>>().as_ref() }.tomb.bury();
    }
    #[cfg(not(longshore_loom))]
    {
        // SAFETY: `new_in` allocated the block for this type. No value is left in it, and the last side does
        // not use it again, by the contract of this function.
        unsafe { recycle::free(slot.cast::<ResultSlot<F, T>>()) };
    }
}

impl<T> Header<T> {
    /// Claims the closure by setting `claim`: `RUNNING`, or `CANCELLED` and a reason. Returns `false` if it
    /// is claimed already.
    #[inline]
    fn claim_closure(&self, claim: u32) -> bool {
        self.tomb.touch();
        let mut state = self.state.load(Ordering::Relaxed); // only a guess for the CAS
        while state & (RUNNING | CANCELLED) == 0 {
            // Acquire orders the use of the closure after the claim. (The closure itself is visible, because
            // this side received it with the task or the handle.) Relaxed on failure, because the loop only
            // tries again.
            match self.state.compare_exchange_weak(state, state | claim, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(current) => state = current,
            }
        }
        false
    }

    /// Makes the outcome final and wakes the waiter. `why` is the bit of the reason why there is no outcome,
    /// or 0. `leaving` is the caller's own bit (`TASK` or `HANDLE`) if the caller does not use the slot any
    /// more, or 0.
    ///
    /// # Safety
    /// The caller owns the closure, has moved it out or dropped it, and has written the outcome unless the
    /// task is unstarted. The caller's own bit is set. If `leaving` is not 0, the caller does not use the
    /// slot any more, except for the cleanup that is returned.
    unsafe fn publish(this: NonNull<Self>, why: u32, leaving: u32) -> Cleanup {
        // SAFETY: the caller's bit keeps the slot allocated until this function clears it.
        let header = unsafe { this.as_ref() };
        header.tomb.touch();
        let mut state = header.state.load(Ordering::Relaxed); // only a guess for the CAS
        loop {
            // The caller's bit must stay set until the waiter has been taken out of the slot.
            let gone = if state & WAITING == 0 { leaving } else { WAITING };
            // Release: the handle that loads COMPLETE with Acquire sees the outcome, and the last side frees
            // after this side's accesses. Acquire: this side sees the waiter that the handle wrote before it
            // set WAITING, and, if the handle's bit is clear, everything that the handle did to the slot.
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
        // SAFETY: WAITING was set, so the cell holds a waiter. This side has cleared WAITING, so the waiter
        // belongs to it, and it is moved out once.
        let waiter = unsafe { header.waiter.read() };
        waiter.wake();
        header.tomb.touch(); // the last side must free after this
        // Release: the last side frees after this side's accesses. Acquire: if the handle's bit is clear,
        // everything that the handle did is visible. Only the last side uses `header` after this.
        if leaving != 0 && header.state.fetch_and(!leaving, Ordering::AcqRel) & HANDLE == 0 {
            return Cleanup::Memory;
        }
        Cleanup::Nothing
    }
}

/// The side of a slot that travels through the queues. It owns the bit `TASK`.
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
    /// The task is run or dropped before anything that the closure and the result borrow is gone.
    #[inline]
    pub unsafe fn into_task(self) -> Task {
        let table = const { &TaskTable { run: Self::run, discard: Self::discard, kind: TaskKind::Free } };
        // SAFETY: the first word is the address of this slot, which is what both functions of the table
        // expect. They are called once, because the task is consumed once. They may run on any thread,
        // because the closure and its result are `Send`.
        unsafe { Task::from_parts(table, words_with(self.slot.as_ptr())) }
    }

    /// # Safety
    /// `address` is the first word made by `into_task` of this type, and is not used again.
    #[inline]
    unsafe fn from_word(address: Word) -> Self {
        // SAFETY: `into_task` has written the address of a slot to the word.
        SlotTask { slot: unsafe { pointer_in(address) } }
    }

    fn header(&self) -> NonNull<Header<T>> {
        self.slot.cast()
    }

    /// # Safety
    /// `address` is the first word made by `into_task` of this type, and is not used again.
    unsafe fn run(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the word comes from `into_task` and is not used again, by the contract of this function.
        let this = unsafe { Self::from_word(address) };
        // SAFETY: the TASK bit, which this side owns, keeps the slot allocated.
        let slot = unsafe { this.slot.as_ref() };
        if !slot.header.claim_closure(RUNNING) {
            let Some(refusal) = this.leave() else {
                counts.empty_entry();
                return Finished::Done;
            };
            counts.refused(refusal);
            return if refusal.is_counted { Finished::Skipped } else { Finished::Done };
        }
        // SAFETY: the slot is of this type. This side has just set RUNNING, and TASK is still set.
        let why = unsafe { call_closure::<F, T>(this.slot.cast(), counts) };
        let header = this.header();
        // SAFETY: this side owns the closure, which has been moved out. The outcome is written unless `why`
        // gives a reason. TASK is set, and this side uses the slot only for the cleanup after this.
        let cleanup = unsafe { Header::publish(header, why, TASK) };
        let outcome = match cleanup {
            Cleanup::Nothing if why & COUNTED != 0 => return Finished::Skipped,
            Cleanup::Nothing => return Finished::Done,
            Cleanup::Memory => None,
            // SAFETY: this side is the last one and has not freed the slot, which is complete and not
            // unstarted. The handle had left, so the outcome belongs to this side, which takes it once.
            Cleanup::OutcomeAndMemory => Some(unsafe { take_outcome(header) }),
        };
        // SAFETY: the slot is of this type, this side is the last one, and no value is left in the slot.
        unsafe { free::<F, T>(header.cast()) };
        match outcome {
            Some(outcome) => Finished::with(outcome.and_then(unwind::drop_guarded)),
            None if why & COUNTED != 0 => Finished::Skipped,
            None => Finished::Done,
        }
    }

    /// # Safety
    /// `address` is the first word made by `into_task` of this type, and is not used again.
    unsafe fn discard(address: Word, _: Word, _: Word, why: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the word comes from `into_task` and is not used again, by the contract of this function.
        let this = unsafe { Self::from_word(address) };
        // SAFETY: the TASK bit, which this side owns, keeps the slot allocated.
        let header = unsafe { this.header().as_ref() };
        if !header.claim_closure(CANCELLED | reason(why)) {
            return Ok(match this.leave() {
                Some(WorkRefusal { is_counted: false, .. }) => Discarded::Unstarted,
                Some(WorkRefusal { is_counted: true, .. }) => Discarded::CountedBefore,
                None => Discarded::RunBefore,
            });
        }
        // SAFETY: TASK is still set, so the slot is allocated.
        let slot = unsafe { this.slot.as_ref() };
        // SAFETY: the closure belongs to this side, which has just set CANCELLED, so no other side accesses
        // it. It is moved out once.
        let closure = unsafe { slot.closure.read() };
        // Asked first, because a token or a deadline ends the task until then.
        let refusal = closure.refusal();
        let dropped = unwind::drop_guarded(closure);
        let why = refusal.map_or(0, |refusal| reason(refusal.why));
        // SAFETY: this side owns the closure, which has been dropped. The task is unstarted, so there is no
        // outcome. TASK is set, and this side uses the slot only for the cleanup after this.
        let cleanup = unsafe { Header::publish(this.header(), why, TASK) };
        if !matches!(cleanup, Cleanup::Nothing) {
            // SAFETY: the slot is of this type, this side is the last one, and no value is left in the slot.
            unsafe { free::<F, T>(this.slot.cast()) };
        }
        let is_counted = refusal.is_some_and(|refusal| refusal.is_counted);
        dropped.map(|()| if is_counted { Discarded::CountedBefore } else { Discarded::Unstarted })
    }

    /// Gives up the task side of a slot whose closure the handle has claimed. Returns the reason if the
    /// handle has cancelled the task, and `None` if it has run the task ahead of its turn.
    fn leave(self) -> Option<WorkRefusal> {
        let header = self.header();
        // SAFETY: the TASK bit keeps the slot allocated until the operation below.
        let state = &unsafe { header.as_ref() }.state;
        // Release: the last side frees after this side's accesses. Acquire: if the handle's bit is clear,
        // everything that the handle did is visible. If the handle still uses the closure, its bit is set and
        // it frees.
        let before = state.fetch_and(!TASK, Ordering::AcqRel);
        if before & HANDLE == 0 {
            // SAFETY: the slot is of this type. This side is the last one, because HANDLE was clear. The
            // handle took or dropped closure and outcome before it left, so no value is left.
            unsafe { free::<F, T>(header.cast()) };
        }
        // Without CANCELLED the handle has run the work, or found it refused, and has counted that.
        (before & CANCELLED != 0)
            .then(|| WorkRefusal { why: reason_in(before), is_counted: before & COUNTED != 0 })
    }
}

impl_debug! { SlotTask<F, T> {} }

/// # Safety
/// The slot is allocated, complete and not unstarted. The outcome belongs to the caller, which takes it once.
unsafe fn take_outcome<T>(header: NonNull<Header<T>>) -> Result<T, Payload> {
    // SAFETY: the slot is allocated, by the contract of this function.
    let header = unsafe { header.as_ref() };
    // SAFETY: the outcome was written, because the slot is complete and not unstarted. It belongs to the
    // caller and is moved out once, by the contract of this function.
    unsafe { header.outcome.read() }
}

/// Which side counts a task that its handle cancels.
#[derive(Clone, Copy)]
pub enum CancelCount<'a> {
    /// The task side, when it comes to its turn.
    ByTask,
    /// The handle, which tells the owner.
    By(&'a dyn TaskOwner),
    /// It is counted already.
    Done,
}

impl fmt::Debug for CancelCount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelCount::ByTask => "ByTask",
            CancelCount::By(_) => "By",
            CancelCount::Done => "Done",
        })
    }
}

/// The side of a slot that waits for the outcome. It owns the bit `HANDLE`.
pub struct SlotHandle<T> {
    header: NonNull<Header<T>>,
    taken: bool,
    _result: PhantomData<T>,
}

// The handle refers to a `T` and does not contain it.
impl<T> Unpin for SlotHandle<T> {}

// SAFETY: the handle gives the thread that holds it a `T` and the closure. The closure is `Send`, because
// `new_in` requires it of every `Work`.
unsafe impl<T: Send> Send for SlotHandle<T> {}
// SAFETY: through a shared reference a thread can only read the state or cancel. Both are atomic, and the
// side that cancels owns the closure, which is `Send`.
unsafe impl<T: Send> Sync for SlotHandle<T> {}

impl<T> SlotHandle<T> {
    #[inline]
    fn header(&self) -> &Header<T> {
        // SAFETY: the HANDLE bit, which this side owns, keeps the slot allocated.
        let header = unsafe { self.header.as_ref() };
        header.tomb.touch();
        header
    }

    /// Whether the outcome is final.
    #[inline]
    pub fn is_complete(&self) -> bool {
        // Acquire pairs with the Release in `publish`: the outcome is visible.
        self.header().state.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Takes the outcome if it is final and has not been taken before.
    #[inline]
    pub fn take(&mut self) -> Option<Outcome<T>> {
        let state = self.header().state.load(Ordering::Acquire); // pairs with the Release in `publish`
        if state & COMPLETE == 0 || self.taken {
            return None;
        }
        self.taken = true;
        if state & UNSTARTED != 0 {
            return Some(Outcome::Unstarted(reason_in(state)));
        }
        // SAFETY: HANDLE keeps the slot allocated. The slot is complete and not unstarted, so the outcome
        // belongs to this side. `taken` makes sure that it is taken once.
        match unsafe { take_outcome(self.header) } {
            Ok(value) => Some(Outcome::Returned(value)),
            Err(payload) => Some(Outcome::Panicked(payload)),
        }
    }

    /// Whether [`SlotHandle::take`] has returned the outcome.
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// Stores a waiter that is woken when the outcome is final, and replaces an earlier one. Returns `false`,
    /// and drops the waiter, if the outcome is final already.
    pub fn wait_with(&mut self, waiter: Waiter) -> bool {
        self.stop_waiting();
        let header = self.header();
        // Relaxed: not older than what `stop_waiting` saw. A publisher that cleared WAITING has set COMPLETE
        // in the same step, and may still be reading the cell.
        let mut state = header.state.load(Ordering::Relaxed);
        if state & COMPLETE != 0 {
            unwind::drop_silently(waiter);
            return false;
        }
        // SAFETY: WAITING is clear, and only this side sets it. COMPLETE was clear after that, so no
        // publisher is reading the cell, and a later one finds no waiter. So no other thread accesses the
        // cell.
        unsafe { header.waiter.write(waiter) };
        loop {
            if state & COMPLETE != 0 {
                // SAFETY: the waiter was written above. It still belongs to this side, because WAITING was
                // never set for it, so the publisher has not taken it. It is moved out once.
                unwind::drop_silently(unsafe { header.waiter.read() });
                return false;
            }
            // Release pairs with the Acquire half in `publish`: the publisher sees the waiter. Relaxed on
            // failure: the caller loads the state with Acquire before it reads the outcome.
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

    /// Takes back the stored waiter, if it has not been woken.
    pub fn stop_waiting(&mut self) {
        let header = self.header();
        // Relaxed, because only this handle sets WAITING, so a clear bit stays clear.
        if header.state.load(Ordering::Relaxed) & WAITING == 0 {
            return;
        }
        // Acquire and Release are not needed, because the cell was written by this thread, or by a thread
        // that sent the handle here. AcqRel follows the rule that every change of the word is at least that.
        if header.state.fetch_and(!WAITING, Ordering::AcqRel) & WAITING != 0 {
            // SAFETY: WAITING was set, so the cell holds a waiter. This side has cleared WAITING, so the
            // waiter belongs to it, and it is moved out once.
            unwind::drop_silently(unsafe { header.waiter.read() });
        }
    }

    /// The number of the pool that the task was submitted to.
    pub fn pool(&self) -> u32 {
        self.header().pool
    }

    /// Runs the task on this thread, ahead of its turn, if it has not started. Returns whether it did. The
    /// entry in the queue remains, and a worker finds it empty later.
    pub fn run_here(&mut self, counts: &TaskCounts) -> bool {
        self.stop_waiting();
        let header = self.header();
        if !header.claim_closure(RUNNING) {
            return false;
        }
        // SAFETY: the table belongs to the type of this slot. This side has just set RUNNING, and HANDLE is
        // set.
        let why = unsafe { (header.table.call_closure)(self.header.cast(), counts) };
        // SAFETY: this side owns the closure, which has been moved out. The outcome is written unless `why`
        // gives a reason. HANDLE is set and stays set.
        let cleanup = unsafe { Header::publish(self.header, why, 0) };
        debug_assert!(matches!(cleanup, Cleanup::Nothing), "the bit HANDLE is still set");
        true
    }

    /// Cancels the task for the given reason, if it has not started, and has it counted as `count` says.
    /// Returns whether it will never run, also if that was certain before.
    pub fn cancel(&self, why: Unstarted, count: CancelCount<'_>) -> bool {
        let header = self.header();
        let counted = if matches!(count, CancelCount::ByTask) { 0 } else { COUNTED };
        if !header.claim_closure(CANCELLED | reason(why) | counted) {
            // Relaxed: these bits are never cleared and publish no data.
            return header.state.load(Ordering::Relaxed) & UNSTARTED != 0;
        }
        // SAFETY: the table belongs to the type of this slot. This side has just set CANCELLED, and HANDLE is
        // set.
        let dropped = unsafe { (header.table.drop_closure)(self.header.cast()) };
        if let CancelCount::By(owner) = count {
            owner.count_early(why); // before the handle shows the end
        }
        // SAFETY: this side owns the closure, which has been dropped. The task is unstarted, so there is no
        // outcome. HANDLE is set and stays set.
        let cleanup = unsafe { Header::publish(self.header, 0, 0) };
        debug_assert!(matches!(cleanup, Cleanup::Nothing), "the bit HANDLE is still set");
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
        let mut state = header.state.load(Ordering::Acquire); // pairs with the Release in `publish`
        // An outcome that is published while HANDLE is set belongs to this side, which drops it. If it is
        // published between a load of the state and the CAS, the CAS fails and the loop looks again.
        loop {
            if state & COMPLETE != 0 {
                if let Some(outcome) = self.take() {
                    unwind::drop_silently(outcome);
                }
                break;
            }
            // Release: the last side frees after this side's accesses. Acquire: everything that the task side
            // did is visible. Acquire on failure pairs with the Release in `publish`: the outcome is visible.
            match self.header().state.compare_exchange_weak(
                state,
                state & !HANDLE,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // Not complete, so the task side still uses the slot, and frees it.
                Ok(_) => return,
                Err(current) => state = current,
            }
        }
        let table = self.header().table;
        // A complete slot without TASK has no other user, so the read-modify-write is not necessary.
        let last = state & TASK == 0
            // Release: the last side frees after this side's accesses. Acquire: if TASK is clear, everything
            // that the task side did is visible.
            || self.header().state.fetch_and(!HANDLE, Ordering::AcqRel) & TASK == 0;
        if last {
            // SAFETY: the table belongs to the type of this slot. The task side has left, and the outcome was
            // taken or dropped, as was the closure, so no value is left. The handle does not use the slot
            // again.
            unsafe { (table.free)(self.header.cast()) };
        }
    }
}

impl_debug! { SlotHandle<T> { is_complete } }

// The slot of a small closure with a small result fits into one block of the smallest class. With the
// standard library of some older compilers, in which a `Thread` has two words, a waiter takes three words
// instead of two.
#[cfg(all(target_pointer_width = "64", not(longshore_loom)))]
const _: () = assert!(size_of::<ResultSlot<[u64; 2], u64>>() == 48 + size_of::<Waiter>());
