//! Fork-join in miniature around the library's real `ForkSlot` and `Latch`: what `push/worker/fork.rs` does with them,
//! the same operations in the same order. A waiter does not spin here, as on a machine with one core.
//!
//! The frame of a join is an allocation that stays to the end of the model; a [`Tomb`] stands for its memory.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::mini_worker::Worker;
use crate::code::facade::{AtomicU32, Ordering, Tomb, UninitCell, thread};
use crate::code::fork_slot::ForkSlot;
use crate::code::latch::{Latch, LatchResult};

type Closure = Box<dyn FnOnce(&Worker)>;

/// `StackJob` and `Job` in one.
pub struct Job {
    closure: UninitCell<Closure>,
    /// Who has run it.
    result: UninitCell<usize>,
    meeting: loom::cell::UnsafeCell<MaybeUninit<Meeting>>,
    frame: Tomb,
}

struct Meeting {
    thief: AtomicU32,
    latch: Latch,
}

impl Job {
    fn new(closure: impl FnOnce(&Worker) + 'static) -> Arc<Self> {
        Arc::new(Job {
            closure: UninitCell::holding(Box::new(closure)),
            result: UninitCell::empty(),
            meeting: loom::cell::UnsafeCell::new(MaybeUninit::uninit()),
            frame: Tomb::new(),
        })
    }

    /// Whoever takes it out of an offer reads what is written here.
    fn prepare(&self) {
        let meeting = Meeting { thief: AtomicU32::new(0), latch: Latch::new() };
        self.meeting.with_mut(|place| {
            // SAFETY: nobody else knows the job yet; loom checks that.
            unsafe { &mut *place }.write(meeting);
        });
    }

    fn meeting(&self) -> &Meeting {
        self.frame.touch();
        self.meeting.with(|place| {
            // SAFETY: the pointer is valid, and loom checks that nobody writes.
            let meeting = unsafe { &*place };
            // SAFETY: only of jobs that have been offered.
            unsafe { meeting.assume_init_ref() }
        })
    }

    fn latch(&self) -> &Latch {
        &self.meeting().latch
    }

    /// Two that run it would both take the closure out, which loom reports.
    fn call(&self, worker: &Worker) -> usize {
        self.frame.touch();
        // SAFETY: the caller has it for itself. That is what is checked.
        let closure = unsafe { self.closure.read() };
        closure(worker);
        worker.index()
    }

    fn perform(&self, worker: &Worker) {
        let result = self.call(worker);
        self.frame.touch();
        // SAFETY: the owner reads it when the latch is set. That is what is checked.
        unsafe { self.result.write(result) };
    }

    /// # Safety
    /// `job` is alive until the latch is set: an address whose memory the model keeps.
    pub unsafe fn set(job: NonNull<Job>, verdict: LatchResult) {
        // SAFETY: the caller's promise.
        let latch = &raw const *unsafe { job.as_ref() }.latch();
        // SAFETY: the caller's promise.
        unsafe { Latch::set(latch, verdict) };
    }
}

/// `Forks`: a list that only the owner touches.
#[derive(Default)]
pub struct Forks {
    jobs: Vec<NonNull<Job>>,
    offered: usize,
}

impl Forks {
    fn has_private(&self) -> bool {
        self.offered < self.jobs.len()
    }

    fn next_to_offer(&mut self) -> Option<NonNull<Job>> {
        let next = *self.jobs.get(self.offered)?;
        self.offered += 1;
        // SAFETY: not joined yet.
        unsafe { next.as_ref() }.prepare();
        Some(next)
    }

    /// Whether it is still private.
    fn pop(&mut self) -> bool {
        self.jobs.pop();
        let is_private = self.offered <= self.jobs.len();
        self.offered = self.offered.min(self.jobs.len());
        is_private
    }
}

impl Worker {
    /// Who has run `b`. A panic of `a` takes the same way through `complete`.
    pub fn join(&self, a: impl FnOnce(&Worker), b: impl FnOnce(&Worker) + 'static) -> usize {
        let job = Job::new(b);
        self.pool().frames.lock().expect("no panics").push(job.clone());
        self.forks.borrow_mut().jobs.push(NonNull::from(&*job));
        if self.is_wanted() {
            self.offer_oldest();
        }
        a(self);
        let was_private = self.forks.borrow_mut().pop();
        let is_back = if was_private {
            if self.is_wanted() {
                self.offer_oldest();
            }
            true
        } else {
            self.offer().take_back(NonNull::from(&*job))
        };
        let by = if is_back { job.call(self) } else { self.await_thief(&job) };
        if !was_private {
            job.latch().bury();
        }
        job.frame.bury();
        by
    }

    fn is_wanted(&self) -> bool {
        self.offer().is_free()
    }

    fn offer(&self) -> &ForkSlot<Job> {
        &self.pool().offers[self.index()]
    }

    fn offer_oldest(&self) {
        let next = self.forks.borrow_mut().next_to_offer();
        let Some(job) = next else { return };
        self.offer().put(job);
        self.pool().idle.notify();
        if !leaves_out("the nudges") {
            self.nudge_waiters();
        }
    }

    fn nudge_waiters(&self) {
        let executing = self.executing.borrow().clone();
        for job in executing.iter().rev() {
            // SAFETY: its owner waits until we set the latch, later.
            unsafe { job.as_ref() }.latch().nudge();
        }
    }

    fn await_thief(&self, job: &Job) -> usize {
        match self.await_job(job) {
            // SAFETY: it is done. That is what is checked.
            LatchResult::Done => unsafe { job.result.read() },
            LatchResult::Returned => job.call(self),
        }
    }

    fn await_job(&self, job: &Job) -> LatchResult {
        loop {
            if let Some(verdict) = job.latch().verdict() {
                return verdict;
            }
            if self.leapfrog(job) {
                continue;
            }
            // SAFETY: this worker forked the job and is the one that waits.
            if unsafe { job.latch().arm() } && !self.thief_offers(job) {
                thread::park();
            }
        }
    }

    fn offer_of_thief(&self, job: &Job) -> Option<&ForkSlot<Job>> {
        if self.is_deep.get() && !leaves_out("sleeping when the stack is used up") {
            return None;
        }
        let thief = job.meeting().thief.load(Ordering::Relaxed).checked_sub(1)?;
        Some(&self.pool().offers[thief as usize])
    }

    fn thief_offers(&self, job: &Job) -> bool {
        !leaves_out("the look at the thief's offer")
            && self.offer_of_thief(job).is_some_and(ForkSlot::has_any)
    }

    fn leapfrog(&self, job: &Job) -> bool {
        let too_early = leaves_out("looking at the latch after the take");
        if too_early && job.latch().is_set() {
            return false;
        }
        if self.is_deep.get() {
            return false; // for the mutant, where `offer_of_thief` does not say so
        }
        let Some(part) = self.offer_of_thief(job).and_then(ForkSlot::take) else { return false };
        if !too_early && job.latch().is_set() {
            // SAFETY: taken, and not used any more.
            unsafe { Job::set(part, LatchResult::Returned) };
            return true;
        }
        // SAFETY: taken, and not used any more after this.
        unsafe { self.run_job(part) };
        true
    }

    /// Takes what `victim` has on offer.
    pub fn take_offered(&self, victim: usize) -> Option<NonNull<Job>> {
        self.pool().offers[victim].take()
    }

    /// Performs a job that was taken, and lets its owner go on.
    ///
    /// # Safety
    /// The caller has the job for itself.
    pub unsafe fn run_job(&self, job: NonNull<Job>) {
        // SAFETY: alive until its latch is set.
        let this = unsafe { job.as_ref() };
        let all_is_part_of_it = self.is_wanted() && !self.forks.borrow().has_private();
        if all_is_part_of_it || leaves_out("hiding from waiters above older forks") {
            this.meeting().thief.store(self.index() as u32 + 1, Ordering::Relaxed);
        }
        self.executing.borrow_mut().push(job);
        this.perform(self);
        self.executing.borrow_mut().pop();
        // SAFETY: performed, and not used any more.
        unsafe { Job::set(job, LatchResult::Done) };
    }
}
