//! Fork-join in miniature around the library's real `ForkSlot` and `Latch`: the operations of
//! `push/worker/fork.rs`, in the same order. A waiter does not spin here, as on a machine with one core.
//!
//! The frame of a join is an allocation that stays to the end of the model; a [`Tomb`] represents its memory.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::mini_worker::Worker;
use crate::code::facade::{AtomicU32, Ordering, Tomb, UninitCell, thread};
use crate::code::fork_slot::ForkSlot;
use crate::code::latch::{Latch, LatchResult};

type Closure = Box<dyn FnOnce(&Worker)>;

/// `StackJob` and `Job` in one type.
pub struct Job {
    closure: UninitCell<Closure>,
    /// The number of the worker that has run it.
    result: UninitCell<usize>,
    steal_state: loom::cell::UnsafeCell<MaybeUninit<StealState>>,
    frame: Tomb,
}

/// What owner and thief share.
struct StealState {
    thief: AtomicU32,
    latch: Latch,
}

impl Job {
    fn new(closure: impl FnOnce(&Worker) + 'static) -> Arc<Self> {
        Arc::new(Job {
            closure: UninitCell::holding(Box::new(closure)),
            result: UninitCell::empty(),
            steal_state: loom::cell::UnsafeCell::new(MaybeUninit::uninit()),
            frame: Tomb::new(),
        })
    }

    /// Writes what a thread reads that takes the job out of a fork slot.
    fn prepare(&self) {
        let state = StealState { thief: AtomicU32::new(0), latch: Latch::new() };
        self.steal_state.with_mut(|cell| {
            // SAFETY: the pointer is valid, and no other thread knows the job yet; loom checks that.
            unsafe { &mut *cell }.write(state);
        });
    }

    fn steal_state(&self) -> &StealState {
        self.frame.touch();
        self.steal_state.with(|cell| {
            // SAFETY: the pointer is valid, and loom checks that no thread writes.
            let state = unsafe { &*cell };
            // SAFETY: only called for jobs that were put into a fork slot, which are prepared.
            unsafe { state.assume_init_ref() }
        })
    }

    fn latch(&self) -> &Latch {
        &self.steal_state().latch
    }

    /// Runs the closure. Two threads that do so would both take it out, which loom reports.
    fn call(&self, worker: &Worker) -> usize {
        self.frame.touch();
        // SAFETY: only this thread has the job; the model checks that.
        let closure = unsafe { self.closure.read() };
        closure(worker);
        worker.index()
    }

    fn perform(&self, worker: &Worker) {
        let result = self.call(worker);
        self.frame.touch();
        // SAFETY: the owner reads the cell after the latch is set; the model checks that.
        unsafe { self.result.write(result) };
    }

    /// # Safety
    /// The model keeps the memory of `job`. No other call sets its latch.
    pub unsafe fn set(job: NonNull<Job>, result: LatchResult) {
        // SAFETY: the model keeps the memory, by the contract of this function.
        let latch = &raw const *unsafe { job.as_ref() }.latch();
        // SAFETY: the model keeps the memory, and no other call sets the latch, by the contract of this
        // function.
        unsafe { Latch::set(latch, result) };
    }
}

/// The list of a worker's forks, which only the owner uses.
#[derive(Default)]
pub struct Forks {
    jobs: Vec<NonNull<Job>>,
    /// How many of them have been in the fork slot.
    shown: usize,
}

impl Forks {
    fn has_private(&self) -> bool {
        self.shown < self.jobs.len()
    }

    fn next_to_show(&mut self) -> Option<NonNull<Job>> {
        let next = *self.jobs.get(self.shown)?;
        self.shown += 1;
        // SAFETY: the owner has not left the frame of the join.
        unsafe { next.as_ref() }.prepare();
        Some(next)
    }

    /// Removes the newest fork; whether it is still private.
    fn pop(&mut self) -> bool {
        self.jobs.pop();
        let is_private = self.shown <= self.jobs.len();
        self.shown = self.shown.min(self.jobs.len());
        is_private
    }
}

impl Worker {
    /// Returns the number of the worker that has run `b`. A panic of `a` would take the same way.
    pub fn join(&self, a: impl FnOnce(&Worker), b: impl FnOnce(&Worker) + 'static) -> usize {
        let job = Job::new(b);
        self.pool().frames.lock().expect("no panics").push(job.clone());
        self.forks.borrow_mut().jobs.push(NonNull::from(&*job));
        self.offer_if_wanted();
        a(self);
        let was_private = self.forks.borrow_mut().pop();
        let is_back = if was_private {
            self.offer_if_wanted();
            true
        } else {
            self.fork_slot().take_back(NonNull::from(&*job))
        };
        let by = if is_back { job.call(self) } else { self.await_thief(&job) };
        if !was_private {
            job.latch().bury();
        }
        job.frame.bury();
        by
    }

    fn is_wanted(&self) -> bool {
        self.fork_slot().is_free()
    }

    fn fork_slot(&self) -> &ForkSlot<Job> {
        &self.pool().fork_slots[self.index()]
    }

    fn offer_if_wanted(&self) {
        if !self.is_wanted() {
            return;
        }
        let next = self.forks.borrow_mut().next_to_show();
        let Some(job) = next else { return };
        self.fork_slot().put(job);
        self.pool().idle.notify();
        if !leaves_out("the nudges") {
            self.nudge_waiters();
        }
    }

    fn nudge_waiters(&self) {
        let executing = self.executing.borrow().clone();
        for job in executing.iter().rev() {
            // SAFETY: the owner of the job waits until this worker sets the latch, later.
            unsafe { job.as_ref() }.latch().nudge();
        }
    }

    fn await_thief(&self, job: &Job) -> usize {
        match self.await_job(job) {
            // SAFETY: the latch is set, so the cell was written; the model checks that. It is read once.
            LatchResult::Done => unsafe { job.result.read() },
            LatchResult::Unstarted => job.call(self),
        }
    }

    fn await_job(&self, job: &Job) -> LatchResult {
        loop {
            if let Some(result) = job.latch().result() {
                return result;
            }
            if self.leapfrog(job) {
                continue;
            }
            // SAFETY: this worker has forked the job, and is the only waiter.
            if unsafe { job.latch().arm() } && !self.thief_shows_fork(job) {
                thread::park();
            }
        }
    }

    fn fork_slot_of_thief(&self, job: &Job) -> Option<&ForkSlot<Job>> {
        if self.is_deep.get() && !leaves_out("parking when the stack is used up") {
            return None;
        }
        let thief = job.steal_state().thief.load(Ordering::Relaxed).checked_sub(1)?;
        Some(&self.pool().fork_slots[thief as usize])
    }

    fn thief_shows_fork(&self, job: &Job) -> bool {
        !leaves_out("the look at the thief's fork slot")
            && self.fork_slot_of_thief(job).is_some_and(ForkSlot::has_any)
    }

    fn leapfrog(&self, job: &Job) -> bool {
        let too_early = leaves_out("looking at the latch after the take");
        if too_early && job.latch().is_set() {
            return false;
        }
        if self.is_deep.get() {
            return false; // also in the mutant, in which `fork_slot_of_thief` returns a slot
        }
        let Some(part) = self.fork_slot_of_thief(job).and_then(ForkSlot::take) else { return false };
        if !too_early && job.latch().is_set() {
            // SAFETY: only this thread has the job, and does not use it again.
            unsafe { Job::set(part, LatchResult::Unstarted) };
            return true;
        }
        // SAFETY: only this thread has the job, and does not use it again after this.
        unsafe { self.run_job(part) };
        true
    }

    /// Takes the fork in the fork slot of `victim`.
    pub fn take_fork(&self, victim: usize) -> Option<NonNull<Job>> {
        self.pool().fork_slots[victim].take()
    }

    /// Runs a job that was taken, and sets its latch.
    ///
    /// # Safety
    /// Only the caller has the job.
    pub unsafe fn run_job(&self, job: NonNull<Job>) {
        // SAFETY: the job is alive until its latch is set.
        let this = unsafe { job.as_ref() };
        let all_is_part_of_it = self.is_wanted() && !self.forks.borrow().has_private();
        if all_is_part_of_it || leaves_out("hiding from waiters above older forks") {
            this.steal_state().thief.store(self.index() as u32 + 1, Ordering::Relaxed);
        }
        self.executing.borrow_mut().push(job);
        this.perform(self);
        self.executing.borrow_mut().pop();
        // SAFETY: only the caller has the job, by the contract of this function. It is not used again.
        unsafe { Job::set(job, LatchResult::Done) };
    }
}
