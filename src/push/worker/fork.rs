//! Fork-join on a worker: two closures, the second of which others may take while the first one runs.
//!
//! What is forked lies in a frame on the forking thread's stack (`StackJob`) and in a list that only this worker
//! touches; the oldest entry that nobody has taken also lies in the worker's [`ForkSlot`], where thieves find it. As long
//! as no thief comes, a fork and its join are some plain loads and stores. The owner looks at its offer at each fork
//! and each join, and fills it when it is empty. So *the oldest fork is always on offer*, unless it was taken after the
//! last look: a serial section hides at most the younger ones, and only after the oldest has found a taker.
//!
//! The list is in the order of age, and only the oldest is ever offered, hence:
//! - entries below `private_from` have been offered; all but the last of these have been taken by thieves, for another
//!   is offered only when the offer is empty;
//! - a worker that waits for a fork that was taken has no private forks: all that is older was taken earlier, all that
//!   is younger has been joined.
//!
//! # Waiting for a thief
//! The second fact makes *leapfrogging* (Wagner and Calder, PPoPP 1993) simple: whatever lies in the offer of the thief
//! while it works on our fork was forked by that work. (A thief that has untaken forks of its own beneath, because it
//! serves its pool while it waits for another pool in the first half of a join, does not say its name: nobody takes from
//! it. If our fork waits for another pool, what lies on top of it has to end first, and may be taken.) So the waiter takes from there, and from nowhere else; what it
//! runs descends from what it waits for, which a task that holds a lock, or that others wait for, can bear. A thief
//! that takes up other work has set our latch before, and publication orders the two: a waiter that has taken something
//! and *then* finds its latch not set has taken a descendant. One that finds it set gives the piece back to its owner.
//! When there is nothing to take, the waiter sleeps; the thief nudges it when it makes its next fork_slot.
//!
//! A thief whose task waits for *another pool* serves its own meanwhile, with whatever there is. What it then forks does
//! not descend from what it has interrupted, and what it has forked before does not descend from what it takes now. So
//! each such service has a number, which the thief shows (`Remote::service`) and notes in the jobs it begins. A waiter
//! takes nothing while the two differ, nor from a thief that began its job with forks of its own pending; and if they
//! differ when it has taken something, it gives that back, as above.

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;
use std::{mem, panic, thread};

use crate::base::unwind::{self, Payload};
use crate::push::job::{Job, RanBy, RunningJob};
use crate::push::worker::PushWorker;
use crate::push::worker::stack_job::StackJob;
use crate::queue::fork_slot::ForkSlot;
use crate::runtime::wait::join_spin;
use crate::sync::latch::LatchResult;
use crate::sys::stack;
use crate::task::counts::TaskCounts;
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word};
use crate::task::work::Unstarted;

/// How many of those who wait for what a worker runs are told of its next fork_slot: the innermost. In a chain of joins two
/// workers leapfrog over each other at each level, so there may be hundreds of thousands (an offer would then take a
/// millisecond), all but the innermost of which are buried under another wait of the same thread. Whoever is not told only
/// sleeps on.
const MOST_NUDGES: usize = 16;

/// Gives a job that has been taken to whoever runs tasks.
///
/// # Safety
/// `job` was taken out of an fork_slot, and is used no more but through the task.
unsafe fn into_task(job: NonNull<Job>) -> Task {
    static TABLE: TaskTable = TaskTable { run: run_packed, discard: discard_packed, kind: TaskKind::Sent };
    let mut words = [const { Word::uninit() }; 3];
    words[0].write(job.as_ptr().expose_provenance());
    // SAFETY: the functions expect the job's address; its closure is `Send`, and it waits for its latch.
    unsafe { Task::from_parts(&TABLE, words) }
}

unsafe fn run_packed(address: Word, _: Word, _: Word, _: &TaskCounts) -> Finished {
    // SAFETY: the contract of the table.
    let job = unsafe { Job::from_word(address) };
    // SAFETY: the task has the job for itself.
    PushWorker::with_current(|worker| unsafe { worker.expect("tasks run on workers").perform(job) });
    // SAFETY: performed; its owner may go on, and nothing of it is touched after this.
    unsafe { Job::set(job, LatchResult::Done) };
    Finished::Done
}

unsafe fn discard_packed(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, Payload> {
    // SAFETY: the contract of the table.
    let job = unsafe { Job::from_word(address) };
    // SAFETY: nobody has begun it, and nothing of it is touched after this.
    unsafe { Job::set(job, LatchResult::Returned) };
    Ok(Discarded::RunBefore)
}

/// Completes the second half of a join whose first half panics.
struct Unwinding<'a, F: FnOnce(&PushWorker, RanBy) -> R, R> {
    worker: &'a PushWorker,
    forked: &'a StackJob<F, R>,
    older: NonNull<Job>,
}

impl<F: FnOnce(&PushWorker, RanBy) -> R, R> Drop for Unwinding<'_, F, R> {
    // Inlined, so that the three fields stay in registers until somebody panics.
    #[inline(always)]
    fn drop(&mut self) {
        self.worker.complete(self.forked, self.older);
    }
}

impl PushWorker {
    /// Calls both, and returns what both return. `b` may be taken by another worker meanwhile. When this returns or
    /// unwinds both have ended; if both panic, the panic of `a` is the one that goes on.
    #[inline(always)]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&PushWorker) -> RA,
        B: FnOnce(&PushWorker, RanBy) -> RB + Send,
        RB: Send,
    {
        let forked = StackJob::new(b);
        let older = self.fork(forked.header());
        // From here on `forked` may be seen by others: this frame must not be left before it is back or done.
        let unwinding = Unwinding { worker: self, forked: &forked, older };
        let ra = a(self);
        mem::forget(unwinding);
        if self.take_back(forked.header(), older) {
            // SAFETY: it was taken back.
            return (ra, unsafe { forked.call(self, RanBy::Owner) });
        }
        match self.await_thief(&forked) {
            Ok(rb) => (ra, rb),
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    #[inline(always)]
    fn fork(&self, job: NonNull<Job>) -> NonNull<Job> {
        let older = self.forks.push(job);
        if self.is_wanted() {
            self.offer_oldest();
        }
        older
    }

    /// Whether a thief has taken what this worker had on fork_slot, or nothing was ever offered.
    #[inline(always)]
    pub fn is_wanted(&self) -> bool {
        self.fork_slot().is_free()
    }

    /// Makes sure that the oldest of this worker's forks is on fork_slot, if it has any.
    #[cold]
    #[inline(never)]
    pub fn offer_oldest(&self) {
        if !self.is_wanted() || self.shared.is_forked() {
            return; // in a forked child there is nobody else
        }
        let Some(job) = self.forks.next_to_offer() else { return };
        self.fork_slot().put(job);
        // Its fence is also the one that the nudges need.
        self.shared.idle.notify();
        self.nudge_waiters();
    }

    /// Tells those who wait for what this worker runs that there is something to take.
    fn nudge_waiters(&self) {
        let mut execution = self.running_job.get();
        for _ in 0..MOST_NUDGES {
            // SAFETY: null, or a frame of this thread (or of one that sleeps until this one ends) further up the stack.
            let Some(this) = (unsafe { execution.as_ref() }) else { return };
            // SAFETY: its owner waits until we set the latch, which `perform` does later.
            unsafe { this.job.as_ref() }.latch().nudge();
            execution = this.beneath;
        }
    }

    /// Takes the youngest fork back. `false` if a thief has it.
    #[inline(always)]
    fn take_back(&self, job: NonNull<Job>, older: NonNull<Job>) -> bool {
        if self.forks.pop(job, older) {
            if self.is_wanted() {
                self.offer_oldest();
            }
            return true;
        }
        self.take_back_offered(job, older)
    }

    #[cold]
    #[inline(never)]
    fn take_back_offered(&self, job: NonNull<Job>, older: NonNull<Job>) -> bool {
        self.forks.popped_offered(older);
        self.fork_slot().take_back(job)
    }

    /// Runs a job that this worker has taken from another, which may take parts of it back meanwhile. The latch is still
    /// to be set.
    ///
    /// # Safety
    /// The caller has the job for itself.
    unsafe fn perform(&self, job: NonNull<Job>) {
        let execution = RunningJob { job, beneath: self.running_job.get() };
        // Only if all that this worker offers from here on is part of the job.
        if self.is_wanted() && !self.forks.has_private() {
            // SAFETY: alive until its latch is set.
            let steal_state = unsafe { job.as_ref() }.steal_state();
            // Relaxed, all three: hints where to look; what is found there is checked. The owner of a job that we fork
            // while we run this one sees them, for that one is published after.
            steal_state.epoch.store(self.remote().epoch.load(Ordering::Relaxed), Ordering::Relaxed);
            steal_state.thief.store(self.index() as u32 + 1, Ordering::Relaxed);
        }
        self.running_job.set(&raw const execution);
        // SAFETY: the caller's promise. User code runs inside the panic guard, so the chain is restored below.
        let _ = unsafe { Job::perform(job) };
        self.running_job.set(execution.beneath);
    }

    /// Ends the youngest fork in one way or another, for a frame that unwinds; what it returns or panics with is lost,
    /// for the panic of the first half is the one that goes on.
    #[cold]
    #[inline(never)]
    fn complete<F, R>(&self, forked: &StackJob<F, R>, older: NonNull<Job>)
    where
        F: FnOnce(&PushWorker, RanBy) -> R,
    {
        let result = if self.take_back(forked.header(), older) {
            // SAFETY: it was taken back.
            unwind::catch(|| unsafe { forked.call(self, RanBy::Owner) })
        } else {
            self.await_thief(forked)
        };
        unwind::drop_silently(result);
    }

    /// Waits for a fork that a thief has taken, and does part of its work meanwhile.
    #[cold]
    #[inline(never)]
    fn await_thief<F, R>(&self, forked: &StackJob<F, R>) -> Result<R, Payload>
    where
        F: FnOnce(&PushWorker, RanBy) -> R,
    {
        match self.await_job(forked.job()) {
            // SAFETY: it is done.
            LatchResult::Done => unsafe { forked.take_result() },
            // SAFETY: the thief has given it back.
            LatchResult::Returned => unwind::catch(|| unsafe { forked.call(self, RanBy::Owner) }),
        }
    }

    fn await_job(&self, job: &Job) -> LatchResult {
        self.flush();
        let mut spin_until = Instant::now() + join_spin();
        loop {
            if self.shared.is_forked() {
                // The only thing that is left to do: the closure went with the thief. Nobody else can reach this frame.
                panic!(
                    "this process was forked in the middle of a join, whose other half runs in the parent"
                );
            }
            for _ in 0..32 {
                if let Some(verdict) = job.latch().verdict() {
                    return verdict;
                }
                std::hint::spin_loop();
            }
            if self.leapfrog(job) {
                spin_until = Instant::now() + join_spin();
            } else if Instant::now() >= spin_until {
                // SAFETY: this worker forked the job and is the one that waits.
                if unsafe { job.latch().arm() } && !self.thief_shows_fork(job) {
                    thread::park();
                }
            }
        }
    }

    /// Serves the pool in the middle of a task: see the module's text.
    pub(super) fn in_nested_run<R>(&self, run_worker: impl FnOnce() -> R) -> R {
        let epoch = &self.remote().epoch;
        let interrupted = epoch.load(Ordering::Relaxed); // our own
        let number = self.epochs.get().wrapping_add(1);
        self.epochs.set(number);
        // Relaxed: who takes something that is offered from here on sees it, for that is published after.
        epoch.store(number, Ordering::Relaxed);
        let result = run_worker();
        epoch.store(interrupted, Ordering::Relaxed);
        if self.fork_slot().has_any() {
            // Who waits for the interrupted job may take from here again.
            fence(Ordering::SeqCst); // as that of `notify` in `offer_oldest`
            self.nudge_waiters();
        }
        result
    }

    /// Where there may be a part of `job` for the worker that waits for it.
    fn fork_slot_of_thief(&self, job: &Job) -> Option<&ForkSlot<Job>> {
        if stack::is_half_used() {
            return None; // sleeping needs no stack
        }
        let steal_state = job.steal_state();
        // Relaxed: see `perform`. 0: whoever has taken it is about to begin.
        let thief = steal_state.thief.load(Ordering::Relaxed).checked_sub(1)?;
        let remote = self.shared.remote(thief as usize);
        // Relaxed: looked at again when something has been taken.
        let began_in = steal_state.epoch.load(Ordering::Relaxed);
        (remote.epoch.load(Ordering::Relaxed) == began_in).then_some(&remote.fork_slot)
    }

    fn thief_shows_fork(&self, job: &Job) -> bool {
        self.fork_slot_of_thief(job).is_some_and(ForkSlot::has_any)
    }

    /// Runs a part of `job`, which a thief works on. Whether there was one.
    fn leapfrog(&self, job: &Job) -> bool {
        let Some(part) = self.fork_slot_of_thief(job).and_then(ForkSlot::take) else { return false };
        // Both see what the thief did before it made this fork_slot, for we have taken it.
        if job.latch().is_set() || self.fork_slot_of_thief(job).is_none() {
            // The thief may have been at other work already (see the module's text).
            // SAFETY: we took it, nobody has begun it, and it is not used any more.
            unsafe { Job::set(part, LatchResult::Returned) };
            return true;
        }
        self.metrics().stolen_forks.add(1);
        let depth_below = self.local_depth.replace(0);
        // SAFETY: we took it.
        unsafe { self.perform(part) };
        self.flush();
        self.local_depth.set(depth_below.wrapping_add(self.local_depth.get())); // as in `run_task`
        // SAFETY: performed, and not used any more.
        unsafe { Job::set(part, LatchResult::Done) };
        true
    }

    /// Takes what this worker has on offer itself: while it waits for another pool in the first half of a join.
    pub fn take_own_fork(&self) -> Option<Task> {
        let job = self.fork_slot().take()?;
        // SAFETY: just taken.
        Some(unsafe { into_task(job) })
    }

    /// Takes what `victim` has on fork_slot.
    pub fn take_offered_fork(&self, victim: &ForkSlot<Job>) -> Option<Task> {
        let job = victim.take()?;
        self.metrics().stolen_forks.add(1);
        // SAFETY: just taken.
        Some(unsafe { into_task(job) })
    }
}
