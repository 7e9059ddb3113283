//! How a thread from outside takes part in structured work (joins, scopes, loops), for whose end it waits anyway.
//!
//! A thread that belongs to no pool does not hand its work over and sleep: it *borrows* a worker that is parked, acts as
//! that worker on its own stack until the work is done, and gives it back. So a loop over a thousand numbers costs no
//! switch of threads, no more threads compute than the pool has workers, and the others steal from the borrowed worker
//! as from any. A [`PushWorker`] belongs to one thread at a time; its own thread is blocked while it is on lease.
//!
//! A thread that is a worker of *another* pool may not do that, for its own pool may be needed for what it waits for:
//! it sends the work in and serves its pool meanwhile. So does everybody when no worker is parked. And when the pool
//! takes no work any more (or the process is a forked child, where the workers do not exist), the caller does the work
//! alone: structured work cannot be refused.

use std::mem::{self, MaybeUninit};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::unwind;
use crate::push::job::{Job, RanBy};
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::push::worker::stack_job::StackJob;
use crate::runtime::awaited_latch::AwaitedLatch;
use crate::runtime::control::{Phase, Request};
use crate::runtime::intake::Intake;
use crate::runtime::model::{Model, OutsideWork, Owner};
use crate::runtime::{current, thread_role};
use crate::sync::latch::LatchResult;
use crate::sys::clock;
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word};
use crate::task::work::Unstarted;
use crate::workers::idle::Lease;

impl PushShared {
    /// Calls `f` with a worker of this pool that the calling thread is, or acts as, and returns when it has ended.
    pub fn enter<F, R>(&self, f: F) -> R
    where
        F: FnOnce(&PushWorker) -> R + Send,
        R: Send,
    {
        enum Way<F, R> {
            CurrentGuard(R),
            Borrow(F),
            Send(F),
        }
        let way = PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => Way::CurrentGuard(f(worker)),
            _ if current::is_worker() => Way::Send(f),
            _ => Way::Borrow(f),
        });
        match way {
            Way::CurrentGuard(result) => result,
            Way::Send(f) => self.send_in(f),
            Way::Borrow(f) => match self.borrow() {
                Some(leased) => leased.worker().as_current(|| f(leased.worker())),
                None => self.send_in(f),
            },
        }
    }

    fn borrow(&self) -> Option<LeasedWorker<'_>> {
        if self.is_forked() || self.phase() != Phase::Open {
            return None;
        }
        let lease = self.idle.lease()?;
        // Again, for a worker that ends the pool may have found this one at rest just before it was borrowed. It had seen
        // the phase then, and the lock of the list orders that before our look. From here on the pool cannot end.
        if self.phase() != Phase::Open {
            self.take_back(lease);
            return None;
        }
        // Relaxed: written before its worker first lay down; the lock of the list orders the two.
        let worker = self.remote(lease.worker()).owner.load(Ordering::Relaxed).cast::<PushWorker>();
        let leased = LeasedWorker {
            shared: self,
            worker,
            lease: Some(lease),
            previous_pool: thread_role::enter_pool(self.id),
            begun: clock::now(),
        };
        leased.worker().start_lease();
        Some(leased)
    }

    /// Ends a lease. What the worker has left in its queues, or got in its inbox while it was busy, is for whoever is idle;
    /// and its own thread may have a change of phase to see.
    fn take_back(&self, lease: Lease) {
        if self.is_forked() {
            return; // the worker does not exist here, and the lock of the list may be held by one that does not, either
        }
        let worker = lease.worker();
        self.idle.end_lease(lease);
        // Nothing of the worker is touched from here on.
        if self.has_broadcast(worker) {
            self.idle.wake_this(worker);
        }
        if self.phase() != Phase::Open || self.control().asks(Request::Retire) {
            self.idle.wake_all();
        } else if self.has_work() {
            self.idle.notify();
        }
    }

    /// Has `f` run by one of the pool's own threads, and waits for it.
    pub fn send_in<F, R>(&self, f: F) -> R
    where
        F: FnOnce(&PushWorker) -> R + Send,
        R: Send,
    {
        let job = StackJob::new(|worker: &PushWorker, _: RanBy| f(worker));
        let end = job.prepare();
        let pack = |place: &mut MaybeUninit<Task>, ()| {
            let mut words = [const { Word::uninit() }; 3];
            words[0].write(job.header().as_ptr().expose_provenance());
            // SAFETY: the functions expect the address of a job, and this one lives until its latch is set.
            place.write(unsafe { Task::from_parts(&SENT, words) });
        };
        // From here on the frame must not be left before the latch is set.
        let abort = unwind::AbortOnUnwind;
        self.overdraw_from_outside(1);
        // SAFETY: `pack` initialises the place and does not panic.
        let verdict = match unsafe { self.dispatch((), pack) } {
            Ok(()) => AwaitedLatch::new(end, self.id).wait(),
            Err(_) => LatchResult::Returned,
        };
        mem::forget(abort);
        match verdict {
            LatchResult::Done => {
                // SAFETY: it is done, and asked once.
                unsafe { job.take_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
            }
            // SAFETY: nobody has it or will have it.
            LatchResult::Returned => run_inline(self, |worker| unsafe { job.call(worker, RanBy::Owner) }),
        }
    }
}

/// What was sent in counts as a task.
static SENT: TaskTable = TaskTable { run: run_sent, discard: discard_sent, kind: TaskKind::Sent };

unsafe fn run_sent(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
    // SAFETY: the contract of the table.
    let job = unsafe { Job::from_word(address) };
    counts.start();
    // SAFETY: the task has the job for itself.
    let end = unsafe { Job::perform(job) };
    // Counted before the sender is let go: it then sees the task in the statistics.
    counts.end(if end.is_ok() { TaskEnd::Completed } else { TaskEnd::Panicked });
    // SAFETY: performed; nothing of it is touched after this.
    unsafe { Job::set(job, LatchResult::Done) };
    Finished::Done
}

unsafe fn discard_sent(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, unwind::Payload> {
    // SAFETY: the contract of the table.
    let job = unsafe { Job::from_word(address) };
    // SAFETY: nobody has begun it, and nothing of it is touched after this.
    unsafe { Job::set(job, LatchResult::Returned) };
    Ok(Discarded::Unstarted)
}

/// The calling thread as a worker that it has borrowed.
struct LeasedWorker<'a> {
    shared: &'a PushShared,
    worker: *const PushWorker,
    /// Taken out when the worker is given back.
    lease: Option<Lease>,
    /// What the thread was before.
    previous_pool: u32,
    /// By the cheap clock.
    begun: u64,
}

impl LeasedWorker<'_> {
    fn worker(&self) -> &PushWorker {
        // SAFETY: it lies in a frame of its own thread, which sleeps in there until the worker is given back, and its
        // address was written before the worker could first be borrowed.
        unsafe { &*self.worker }
    }
}

impl Drop for LeasedWorker<'_> {
    fn drop(&mut self) {
        thread_role::enter_pool(self.previous_pool);
        // Until it is given back, nobody else acts as this worker.
        let metrics = &self.shared.record(self.worker().index()).metrics;
        metrics.leased.add(clock::ticks_since(self.begun));
        self.worker().end_lease();
        self.lease.take().into_iter().for_each(|lease| self.shared.take_back(lease));
    }
}

/// Calls `f` with the only worker of a pool that has no threads, and runs what it submits.
///
/// A thread that is a worker already remains that one for all but `f`'s own context: it serves its pool when `f` waits, and
/// what `f` submits by the free functions goes there.
#[cold]
fn run_inline<R>(pool: &PushShared, f: impl FnOnce(&PushWorker) -> R) -> R {
    let shared = PushShared::new(pool.config.single_threaded());
    shared.admit(0, OutsideWork::Open);
    let worker = PushWorker::new(Arc::new(shared), 0);
    if current::is_worker() {
        return f(&worker);
    }
    /// Also when `f` panics: what was accepted runs.
    struct Leftovers<'a>(&'a PushWorker);
    impl Drop for Leftovers<'_> {
        fn drop(&mut self) {
            self.0.as_current(|| self.0.drain_local());
        }
    }
    let leftovers = Leftovers(&worker);
    leftovers.0.as_current(|| f(leftovers.0))
}
