//! Leases: an external thread acts as a parked worker during structured work (join, scope, loop).
//!
//! An external thread (a thread that is no worker of any pool) does not hand its work over and sleep. It
//! *leases* a parked worker: it acts as that worker on its own stack until the work is done, while the
//! worker's own thread sleeps. So a loop over a thousand numbers needs no thread switch, no more threads
//! compute than the pool has workers, and thieves steal from the leased worker as from any other.
//!
//! Structured work cannot be refused. In three cases the thread does not lease a worker:
//! - A worker of *another* pool sends the work in and sleeps. A stand-in serves its own pool meanwhile,
//!   because the work may need that pool.
//! - If no worker is parked, or the thread's own stack is smaller than the stacks that the pool promises, the
//!   thread sends the work in as well.
//! - If the pool accepts no work any more, or the process is a forked child (which has no workers), the
//!   thread runs all of the work itself.
//!
//! The protocol is described in `docs/idle.md`. Guarded by the model `leases`, `tests/it/joins/leases.rs`,
//! `tests/elastic/leases.rs` and `tests/process_joins.rs`.

use std::mem::{self, MaybeUninit};
use std::panic;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::base::facade::lock;
use crate::base::recording;
use crate::base::unwind;
use crate::push::job::{Job, RanBy};
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::push::worker::stack_job::StackJob;
use crate::runtime::awaited_latch::AwaitedLatch;
use crate::runtime::control::{Phase, Request};
use crate::runtime::intake::Intake;
use crate::runtime::pool_kind::{OutsideWork, Owner, PoolKind};
use crate::runtime::{current, current_pool, in_caller, quiet, wait};
use crate::sync::latch::LatchResult;
use crate::sys::{clock, stack};
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, pointer_in};
use crate::task::work::Unstarted;
use crate::workers::idle::Lease;

impl PushShared {
    /// Calls `f` with a worker of this pool and returns its result. The calling thread acts as the worker if
    /// it can; else a thread of the pool calls `f`.
    pub fn enter<F, R>(&self, f: F) -> R
    where
        F: FnOnce(&PushWorker) -> R + Send,
        R: Send,
    {
        let inside = PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => Ok(f(worker)),
            _ => Err(f),
        });
        match inside {
            Ok(result) => result,
            Err(f) if current::is_worker() => self.send_in(f),
            Err(f) => match self.lease_worker() {
                Some(leased) => leased.worker().as_current(|| recording::in_lease(|| f(leased.worker()))),
                None => self.send_in(f),
            },
        }
    }

    fn lease_worker(&self) -> Option<LeasedWorker<'_>> {
        if self.is_forked() || self.phase() != Phase::Open {
            return None;
        }
        if !stack::is_as_good_as(self.config.stack_size) {
            return None; // the pool promises its work a stack of this size
        }
        let lease = self.idle.lease()?;
        // Checked again, because a worker that ends the pool may have seen this one parked just before the
        // lease. It had seen the phase by then, and the lock of the list orders that before this load. From
        // here on the pool cannot end.
        if self.phase() != Phase::Open {
            self.return_worker(lease);
            return None;
        }
        // Relaxed pairs with the store in `PushWorker::run`: the worker stored the pointer before it first
        // entered the list of the parked, and `Idle::lease` has taken it out since; the lock of the list
        // orders the two.
        let worker = self.remote(lease.worker()).owner.load(Ordering::Relaxed).cast::<PushWorker>();
        let leased = LeasedWorker {
            shared: self,
            worker,
            lease: Some(lease),
            previous_pool: current_pool::enter_pool(self.id),
            begun: clock::now(),
        };
        leased.worker().start_lease();
        Some(leased)
    }

    /// Ends a lease. Wakes a worker if tasks are left in the worker's queues, and the worker's own thread if
    /// it must see a broadcast or a change of the pool's state.
    fn return_worker(&self, lease: Lease) {
        if self.is_forked() {
            // The worker's thread does not exist in this process, and the lock of the list may be held by
            // another such thread.
            return;
        }
        let worker = lease.worker();
        self.idle.end_lease(lease);
        // The worker's own thread may run from here on, so nothing of the worker is touched any more.
        if self.has_broadcast(worker) {
            self.idle.wake_this(worker);
        }
        if self.phase() != Phase::Open || self.control().asks(Request::Retire) {
            self.idle.wake_all();
        } else if self.has_work() {
            self.idle.notify();
        }
        self.quiet_waits.look(|| quiet::is_at_rest(self));
    }

    /// Sends `f` to one of the pool's own threads and waits for its result. If the pool has no threads, the
    /// calling thread acts as the worker, or sends `f` to the thread that does.
    pub fn send_in<F, R>(&self, f: F) -> R
    where
        F: FnOnce(&PushWorker) -> R + Send,
        R: Send,
    {
        let f = match &self.in_caller {
            None => f,
            Some(in_caller) => match in_caller::act::<PushShared, R, F>(in_caller, f) {
                Ok(result) => return result,
                Err(f) => f,
            },
        };
        let job = StackJob::new(|worker: &PushWorker, _: RanBy| f(worker));
        let end = job.prepare();
        let pack = |place: &mut MaybeUninit<Task>, ()| {
            // SAFETY: the functions of `SENT` expect a job's address, and may be called on any thread,
            // because `f` is `Send`. This frame, which holds the job, is not left before the latch is set.
            place.write(unsafe { Job::into_task(job.header(), &SENT) });
        };
        // From here on the frame must not be left before the latch is set.
        let abort = unwind::AbortOnUnwind;
        self.overdraw_from_outside(1);
        // SAFETY: `pack` initialises the place and does not panic.
        let result = match unsafe { self.dispatch((), pack) } {
            Ok(()) => {
                self.run_in_caller();
                AwaitedLatch::new(end, self.id).wait()
            }
            Err(_) => LatchResult::Unstarted,
        };
        mem::forget(abort);
        match result {
            LatchResult::Done => {
                // SAFETY: the latch was set to "done", and the result is taken once, here.
                unsafe { job.take_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
            }
            LatchResult::Unstarted => {
                let returned = ReturnedJob(&job);
                // SAFETY: the task was refused before it was made, or discarded, so the job was not and will
                // not be run.
                self.run_without_threads(move |worker| unsafe { returned.call(worker) })
            }
        }
    }
}

/// A job that was sent in and came back: no other thread has it.
struct ReturnedJob<'a, F, R>(&'a StackJob<F, R>);

// SAFETY: closure and result are `Send`, and the thread that holds the job sleeps while another one calls it.
unsafe impl<F: Send, R: Send> Send for ReturnedJob<'_, F, R> {}

impl<F: FnOnce(&PushWorker, RanBy) -> R, R> ReturnedJob<'_, F, R> {
    /// # Safety
    /// The job has not been run, and will not be.
    unsafe fn call(self, worker: &PushWorker) -> R {
        // SAFETY: the job has not been run, which the caller promises, and no other thread has it.
        unsafe { self.0.call(worker, RanBy::Owner) }
    }
}

/// The task of [`PushShared::send_in`]. It counts as a task of the pool.
static SENT: TaskTable = TaskTable { run: run_sent, discard: discard_sent, kind: TaskKind::Structured };

unsafe fn run_sent(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
    // SAFETY: `Job::into_task` has put the address of a job into the first word.
    let job = unsafe { pointer_in(address) };
    counts.start();
    // SAFETY: the job is alive, because its owner waits for the latch. Only this task has it, and runs once.
    let end = unsafe { Job::perform(job) };
    // Counted before the latch is set, so that the waiting thread then sees the task in the statistics.
    counts.end(if end.is_ok() { TaskEnd::Completed } else { TaskEnd::Panicked });
    // SAFETY: only this task has the job. It sets the latch only here, and does not touch the job after this.
    unsafe { Job::set(job, LatchResult::Done) };
    Finished::Done
}

unsafe fn discard_sent(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, unwind::Payload> {
    // SAFETY: `Job::into_task` has put the address of a job into the first word.
    let job = unsafe { pointer_in(address) };
    // SAFETY: only this task has the job. It sets the latch only here, and does not touch the job after this.
    unsafe { Job::set(job, LatchResult::Unstarted) };
    Ok(Discarded::Unstarted)
}

/// The worker that the calling thread leases. The lease ends on drop.
struct LeasedWorker<'a> {
    shared: &'a PushShared,
    worker: *const PushWorker,
    /// `None` only while this is dropped.
    lease: Option<Lease>,
    /// The pool to which the thread belonged before; 0 if none.
    previous_pool: u32,
    /// The begin of the lease, in ticks of [`clock`].
    begun: u64,
}

impl LeasedWorker<'_> {
    fn worker(&self) -> &PushWorker {
        // SAFETY: the pointer was stored by the worker's own thread before the worker could first be leased.
        // The worker is in a frame of that thread, which sleeps until the lease ends and touches nothing of
        // the worker meanwhile.
        unsafe { &*self.worker }
    }
}

impl Drop for LeasedWorker<'_> {
    fn drop(&mut self) {
        current_pool::enter_pool(self.previous_pool);
        // Until the lease ends, no other thread acts as this worker, so it alone writes these counters.
        let metrics = &self.shared.worker_record(self.worker().index()).metrics;
        metrics.leased.add(clock::ticks_since(self.begun));
        self.worker().end_lease();
        self.lease.take().into_iter().for_each(|lease| self.shared.return_worker(lease));
    }
}

impl PushShared {
    /// Calls `f` with the only worker of a pool that has no threads, and runs the tasks that `f` submits: on
    /// the calling thread, or on a new thread if the stack of the calling thread is smaller than the pool
    /// promises.
    #[cold]
    fn run_without_threads<R: Send>(&self, f: impl FnOnce(&PushWorker) -> R + Send) -> R {
        if stack::is_as_good_as(self.config.stack_size) || self.is_forked() {
            return run_without_threads(self, f);
        }
        let f = Mutex::new(Some(f));
        let take = || lock(&f).take().expect("called once");
        match wait::on_thread(&self.config, 0, || unwind::catch(|| run_without_threads(self, take()))) {
            Ok(result) => result.unwrap_or_else(|payload| panic::resume_unwind(payload)),
            Err(_) => run_without_threads(self, take()), // the operating system gives no thread
        }
    }
}

/// Calls `f` with the only worker of a pool that has no threads, and runs the tasks that `f` submits.
///
/// A thread that is already a worker stays that worker, except for the context that `f` gets: what may run
/// while `f` waits is what its own pool allows, and tasks that `f` submits by the free functions are queued
/// in that pool.
fn run_without_threads<R>(pool: &PushShared, f: impl FnOnce(&PushWorker) -> R) -> R {
    let shared = PushShared::new(pool.config.single_threaded());
    shared.add_member(0, OutsideWork::Open);
    let worker = PushWorker::new(Arc::new(shared), 0);
    if current::is_worker() {
        return f(&worker);
    }
    // The tasks that were accepted run also if `f` panics.
    let result = unwind::catch(|| worker.as_current(|| f(&worker)));
    worker.as_current(|| worker.run_all_local());
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}
