//! Fork and join on a worker: two closures, and a thief may run the second of them.
//!
//! A fork is a [`StackJob`] in the stack frame of the join, and an entry of a list that only its worker
//! touches ([`Forks`](crate::push::job::Forks)). The oldest fork that no thief has taken is also shown in the
//! worker's [`ForkSlot`], where thieves find it. As long as no thief takes it, a fork and its join are some
//! plain loads and stores. The worker reads its fork slot at each fork and each join, and fills it if it is
//! empty. So *the oldest fork is always offered*, unless it was taken after the last look: during a serial
//! section at most the younger forks are hidden, and only after the oldest has been taken.
//!
//! The list is in the order of age, and only the oldest private fork is ever offered. It follows that:
//! - Of the forks that have been offered all but the youngest were taken by thieves, because a fork is
//!   offered only when the slot is empty.
//! - A worker that waits for a stolen fork has no private forks: all older forks were stolen earlier, and all
//!   younger forks have been joined.
//!
//! # Waiting for a thief
//! A worker that waits for a stolen fork helps its thief (*leapfrogging*, Wagner and Calder, PPoPP 1993). By
//! the second fact, whatever is in the fork slot of the thief while it works on that fork was forked by that
//! work. The waiter takes jobs from that slot and from nowhere else. So what it runs descends from what it
//! waits for, which is safe for a task that holds a lock or that another task waits for.
//!
//! - A thief that has untaken forks of its own beneath the job (because it has taken the job in a nested run,
//!   in the first half of a join) does not publish its number, so no waiter takes from its slot.
//! - Before a thief starts other work it sets the waiter's latch, and publication orders the two. A waiter
//!   that has taken a job and *then* finds the latch unset has taken a descendant. If it finds the latch set,
//!   it returns the job to its owner.
//! - If there is no job to take, the waiter sleeps. The thief nudges it at the next offer.
//!
//! # Nested runs
//! A worker may run foreign tasks in the middle of a task: when that task yields, in a broadcast task on top
//! of a wait, and when a wait serves the pool, because no stand-in can be had (`wait.rs`) or by the rules of
//! rayon-core (`rayon_rules.rs`). The forks of such a nested run do not descend from the task that it
//! interrupts, and older forks do not descend from the tasks of the nested run. So each nested run has an
//! epoch number, which the thief publishes (`Remote::epoch`) and stores in the jobs that it begins. A waiter
//! takes nothing while the two differ. If they differ after it has taken a job, it returns the job.
//!
//! Called by the thread that acts as the worker. Guarded by the models `forks`, `fork_slots` and `latches`,
//! `tests/it/joins` and `tests/process_joins.rs`.

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};
use std::{mem, panic, thread};

use longshore_trace::record::{Outcome, Source};

use crate::base::page::COUNTS_FORKS;
use crate::base::unwind::{self, Payload};
use crate::push::job::{Job, RanBy, RunningJob};
use crate::push::worker::PushWorker;
use crate::push::worker::stack_job::StackJob;
use crate::queue::fork_slot::ForkSlot;
use crate::runtime::held_pass;
use crate::runtime::long_wait::{LONG, WaitSleep, Woken};
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, ParkToken, join_spin};
use crate::runtime::worker_loop::WorkerLoop;
use crate::sync::latch::LatchResult;
use crate::sys::stack;
use crate::task::counts::TaskCounts;
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, pointer_in};
use crate::task::work::Unstarted;

/// How many waiters an offer nudges at most: the innermost. In a chain of joins two workers leapfrog over
/// each other at each level, so hundreds of thousands may wait (nudging all would take a millisecond), and
/// all but the innermost have another wait of the same thread on top of them. A waiter that is not nudged
/// only sleeps longer.
const MOST_NUDGES: usize = 16;

/// The task of a job that was taken out of a fork slot. It does not count as a task of the pool.
static STOLEN: TaskTable = TaskTable { run: run_stolen, discard: discard_stolen, kind: TaskKind::Structured };

unsafe fn run_stolen(address: Word, _: Word, _: Word, _: &TaskCounts) -> Finished {
    // SAFETY: `Job::into_task` has put the address of a job into the first word.
    let job = unsafe { pointer_in(address) };
    // SAFETY: the job was taken for this task, which runs once.
    PushWorker::with_current(|worker| unsafe { worker.expect("tasks run on workers").perform(job) });
    // SAFETY: only this task has the job. It sets the latch only here, and does not touch the job after this.
    unsafe { Job::set(job, LatchResult::Done) };
    Finished::Done
}

unsafe fn discard_stolen(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, Payload> {
    // SAFETY: `Job::into_task` has put the address of a job into the first word.
    let job = unsafe { pointer_in(address) };
    // SAFETY: only this task has the job. It sets the latch only here, and does not touch the job after this.
    unsafe { Job::set(job, LatchResult::Unstarted) };
    Ok(Discarded::RunBefore)
}

/// Runs or awaits the second half of a join while a panic of the first half unwinds.
struct Unwinding<'a, F: FnOnce(&PushWorker, RanBy) -> R, R> {
    worker: &'a PushWorker,
    forked: &'a StackJob<F, R>,
    older: NonNull<Job>,
}

impl<F: FnOnce(&PushWorker, RanBy) -> R, R> Drop for Unwinding<'_, F, R> {
    // Inlined, so that the three fields stay in registers unless there is a panic.
    #[inline(always)]
    fn drop(&mut self) {
        self.worker.complete(self.forked, self.older);
    }
}

impl PushWorker {
    /// Calls both closures and returns both results. A thief may run `b` meanwhile. When this returns or
    /// unwinds, both have ended; if both panic, the panic of `a` continues.
    #[inline(always)]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(&PushWorker) -> RA,
        B: FnOnce(&PushWorker, RanBy) -> RB + Send,
        RB: Send,
    {
        let forked = StackJob::new(b);
        let older = self.fork(forked.header());
        // From here on thieves may see `forked`: this frame must not be left before it is back or done.
        let unwinding = Unwinding { worker: self, forked: &forked, older };
        let ra = a(self);
        mem::forget(unwinding);
        if self.take_back(forked.header(), older) {
            // SAFETY: it was taken back, and has not been run.
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
        if COUNTS_FORKS {
            self.metrics().counts.forks.add(1);
        }
        if self.is_wanted() {
            self.offer_oldest();
        }
        older
    }

    /// Whether the fork slot is empty: a thief has taken the last fork, or none was ever offered.
    #[inline(always)]
    pub fn is_wanted(&self) -> bool {
        self.fork_slot().is_free()
    }

    /// Whether a worker would have to be woken to take a fork: none searches, and one is parked.
    #[inline]
    pub fn must_wake_thief(&self) -> bool {
        let counts = self.shared.idle.counts();
        counts.searching() == 0 && counts.parked() > 0
    }

    /// Puts the oldest private fork into the fork slot, if the slot is empty and there is such a fork.
    #[cold]
    #[inline(never)]
    pub fn offer_oldest(&self) {
        if !self.is_wanted() || self.shared.is_forked() {
            return; // a forked child process has no thieves
        }
        let Some(job) = self.forks.next_to_offer() else { return };
        self.note(|track| track.shows_fork(address_of(job)));
        self.fork_slot().put(job);
        // The fence in `notify` also precedes the nudges, as `Latch::nudge` demands.
        self.shared.idle.notify();
        self.nudge_waiters();
    }

    /// Nudges the workers that wait for a job that runs here, because there is a fork to take.
    fn nudge_waiters(&self) {
        let mut running = self.running_job.get();
        for _ in 0..MOST_NUDGES {
            // SAFETY: null, or a local variable of a call of `perform` that has not returned. It is further
            // down the stack of this thread, or of a thread that sleeps until this one ends. It is not
            // written while it is in the list.
            let Some(this) = (unsafe { running.as_ref() }) else { return };
            // SAFETY: the owner of the job waits for its latch, which is set only after `perform` has
            // returned, so the job is alive; only shared references are made.
            unsafe { this.job.as_ref() }.latch().nudge();
            running = this.beneath;
        }
    }

    /// Takes the youngest fork back. Returns false if a thief has taken it.
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

    /// Runs a job that this worker has taken from another worker, which may take parts of it back meanwhile.
    /// The latch is still to be set by the caller.
    ///
    /// # Safety
    /// The caller has taken the job, so no other thread runs it, calls this once, and sets the latch later.
    unsafe fn perform(&self, job: NonNull<Job>) {
        let running = RunningJob { job, beneath: self.running_job.get() };
        // Only if all that this worker offers from here on is part of the job.
        if self.is_wanted() && !self.forks.has_private() {
            // SAFETY: the owner of the job waits for its latch, which is not set yet, so the job is alive;
            // only shared references are made.
            let steal_state = unsafe { job.as_ref() }.steal_state();
            // Relaxed, all three: they tell the owner where to look, and `leapfrog` checks what it takes
            // there. An owner that takes a fork of this job sees them, because the Release in `ForkSlot::put`
            // comes after them.
            steal_state.epoch.store(self.remote().epoch.load(Ordering::Relaxed), Ordering::Relaxed);
            steal_state.thief.store(self.index() as u32 + 1, Ordering::Relaxed);
        }
        self.running_job.set(&raw const running);
        self.note(|track| track.begins_as(Source::Fork));
        // SAFETY: the job is alive, taken by the caller, and run once; the caller promises that. (User code
        // runs inside the panic guard, so the list is always restored below.)
        let end = unsafe { Job::perform(job) };
        self.note(|track| track.ends(if end.is_ok() { Outcome::Completed } else { Outcome::Panicked }));
        self.running_job.set(running.beneath);
    }

    /// Runs or awaits the youngest fork for a frame that unwinds. Its result or panic is dropped, because the
    /// panic of the first half continues.
    #[cold]
    #[inline(never)]
    fn complete<F, R>(&self, forked: &StackJob<F, R>, older: NonNull<Job>)
    where
        F: FnOnce(&PushWorker, RanBy) -> R,
    {
        let result = if self.take_back(forked.header(), older) {
            // SAFETY: it was taken back, and has not been run.
            unwind::catch(|| unsafe { forked.call(self, RanBy::Owner) })
        } else {
            self.await_thief(forked)
        };
        unwind::drop_silently(result);
    }

    /// Waits for a stolen fork, and runs parts of its work meanwhile.
    #[cold]
    #[inline(never)]
    fn await_thief<F, R>(&self, forked: &StackJob<F, R>) -> Result<R, Payload>
    where
        F: FnOnce(&PushWorker, RanBy) -> R,
    {
        self.note(|track| track.waits_for_fork(address_of(forked.header())));
        let end = self.await_job(forked.job());
        self.note(|track| track.resumes());
        held_pass::take_again(None);
        match end {
            // SAFETY: the latch was set to "done", and the result is taken once, here.
            LatchResult::Done => unsafe { forked.take_result() },
            // SAFETY: the thief has returned it without running it.
            LatchResult::Unstarted => unwind::catch(|| unsafe { forked.call(self, RanBy::Owner) }),
        }
    }

    fn await_job(&self, job: &Job) -> LatchResult {
        self.flush();
        let mut spin_until = Instant::now() + join_spin();
        let mut token = ParkToken::default();
        let mut sleep = WaitSleep::new(self, Duration::ZERO, LONG);
        loop {
            if self.shared.is_forked() {
                // The thief took the closure, and exists in the parent process only. So no thread can reach
                // this frame, and it may be left.
                panic!(
                    "this process was forked in the middle of a join, whose other half runs in the parent"
                );
            }
            for _ in 0..32 {
                if let Some(result) = job.latch().result() {
                    return result;
                }
                std::hint::spin_loop();
            }
            if self.leapfrog(job) || self.run_broadcast_in_wait() {
                spin_until = Instant::now() + join_spin();
            } else if Instant::now() >= spin_until {
                if self.serves_in_waits() {
                    self.serve_until_set(job.latch());
                    continue;
                }
                if self.follows_rayon() {
                    // SAFETY: only the worker that forked a job waits for its latch, one thread at a time.
                    if unsafe { job.latch().arm() } && !self.thief_shows_fork(job) {
                        self.park_in_wait(&mut token);
                    }
                    continue;
                }
                let mut news = NewsOfJob { worker: self, job };
                // Without a stand-in there is nothing to do but to sleep: no foreign work may run here.
                let (Woken::Look | Woken::NoStandIn) = sleep.sleep(&mut news, None);
                if sleep.is_long() {
                    self.run_own_broadcast(&mut news);
                }
            }
        }
    }

    /// Calls `serve`, which runs tasks in the middle of a task, as a nested run with an epoch of its own.
    pub(super) fn in_nested_run<R>(&self, serve: impl FnOnce() -> R) -> R {
        let epoch = &self.remote().epoch;
        let interrupted = epoch.load(Ordering::Relaxed); // written by this worker only
        let number = self.epochs.get().wrapping_add(1);
        self.epochs.set(number);
        // Relaxed: a worker that takes a fork that is offered from here on sees this store, because the
        // Release in `ForkSlot::put` comes after it.
        epoch.store(number, Ordering::Relaxed);
        let result = serve();
        // Relaxed: a waiter that reads the older value leaves the slot alone, and is nudged below.
        epoch.store(interrupted, Ordering::Relaxed);
        if self.fork_slot().has_any() {
            // The worker that waits for the interrupted job may take from the slot again. The fence pairs
            // with the one in `Latch::arm`: either the nudge finds the waiter asleep, or the waiter's last
            // look sees the epoch.
            fence(Ordering::SeqCst);
            self.nudge_waiters();
        }
        result
    }

    /// The fork slot in which the worker that waits for `job` may find a part of it.
    fn fork_slot_of_thief(&self, job: &Job) -> Option<&ForkSlot<Job>> {
        if stack::is_half_used() {
            return None; // a part would need stack; sleeping needs none
        }
        let steal_state = job.steal_state();
        // Relaxed: a hint, see `perform`. 0: the thief has not begun, or shows other forks.
        let thief = steal_state.thief.load(Ordering::Relaxed).checked_sub(1)?;
        let remote = self.shared.remote(thief as usize);
        // Relaxed, both: `leapfrog` compares them again after it has taken a job.
        let began_in = steal_state.epoch.load(Ordering::Relaxed);
        (remote.epoch.load(Ordering::Relaxed) == began_in).then_some(&remote.fork_slot)
    }

    fn thief_shows_fork(&self, job: &Job) -> bool {
        self.fork_slot_of_thief(job).is_some_and(ForkSlot::has_any)
    }

    /// Runs a part of `job`, on which a thief works. Returns whether it took a part.
    fn leapfrog(&self, job: &Job) -> bool {
        let Some(part) = self.fork_slot_of_thief(job).and_then(ForkSlot::take) else { return false };
        // Both conditions see what the thief did before it offered the part, because the Acquire of `take`
        // pairs with the Release of its `put`.
        if job.latch().is_set() || self.fork_slot_of_thief(job).is_none() {
            // The part may belong to other work: see "Waiting for a thief" and "Nested runs" above.
            // SAFETY: this worker took the part and has not run it. It sets the latch only here, and does not
            // use the part after this.
            unsafe { Job::set(part, LatchResult::Unstarted) };
            return true;
        }
        self.metrics().stolen_forks.add(1);
        self.note(|track| {
            let thief = job.steal_state().thief.load(Ordering::Relaxed).saturating_sub(1); // a hint
            track.stole_fork(thief as usize, address_of(part));
        });
        let depth_below = self.local_depth.replace(0);
        // SAFETY: this worker took the part, runs it only here, and sets its latch only below.
        unsafe { self.perform(part) };
        self.flush();
        self.local_depth.set(depth_below.wrapping_add(self.local_depth.get())); // as in `run_task`
        // SAFETY: this worker took the part, sets its latch only here, and does not use it after this.
        unsafe { Job::set(part, LatchResult::Done) };
        true
    }

    /// Takes the fork from the own slot: in a nested run, in the first half of a join.
    pub(super) fn take_own_fork(&self) -> Option<Task> {
        let job = self.fork_slot().take()?;
        self.note(|track| track.stole_fork(self.index(), address_of(job)));
        // SAFETY: the functions of `STOLEN` expect a job's address. The job was just taken, so only the task
        // has it; its closure is `Send`, and its owner waits for the latch.
        Some(unsafe { Job::into_task(job, &STOLEN) })
    }

    /// Takes the fork from the slot of a victim.
    pub(super) fn take_offered_fork(&self, victim: usize) -> Option<Task> {
        let job = self.shared.remote(victim).fork_slot.take()?;
        self.note(|track| track.stole_fork(victim, address_of(job)));
        self.metrics().stolen_forks.add(1);
        // SAFETY: the functions of `STOLEN` expect a job's address. The job was just taken, so only the task
        // has it; its closure is `Send`, and its owner waits for the latch.
        Some(unsafe { Job::into_task(job, &STOLEN) })
    }
}

/// What a recording knows a fork by.
fn address_of(job: NonNull<Job>) -> usize {
    job.addr().get()
}

/// What the worker that waits for a job sleeps for: the end of the job, or a part of it to take.
struct NewsOfJob<'a> {
    worker: &'a PushWorker,
    job: &'a Job,
}

impl Awaited for NewsOfJob<'_> {
    fn is_done(&self) -> bool {
        self.job.latch().is_set() || self.worker.thief_shows_fork(self.job)
    }

    fn is_of(&self, pool: u32) -> bool {
        self.worker.shared.id == pool
    }

    fn run_here(&mut self, _: &TaskCounts) -> bool {
        false // `leapfrog` does
    }

    fn target(&self) -> Target {
        Target::Half(self.worker.shared.id)
    }

    fn unpark_me(&mut self) {
        // SAFETY: only the worker that forked a job waits for its latch, one thread at a time.
        if !unsafe { self.job.latch().arm() } || self.worker.thief_shows_fork(self.job) {
            thread::current().unpark(); // the park that follows returns at once
        }
    }
}
