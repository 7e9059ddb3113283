//! A pool without threads: its only worker is whichever thread calls the pool, for as long as the call takes.
//!
//! For machines and sandboxes that give a program no threads (WebAssembly, a limit of the number of
//! processes), and for tests. The pool is a pool of one worker in every respect but one: the worker has no
//! thread that waits for tasks. So each call that has queued a task then *serves* ([`InCaller::serve`]): the
//! calling thread acts as the worker until no task is queued. Structured work runs on the calling thread as
//! the worker at once ([`act`]).
//!
//! # No task is left behind
//! One thread at a time acts as the worker. A thread that has queued a task, and finds another thread acting,
//! leaves the task to that thread. The flag in [`InCaller`] is behind a lock. The thread that acts clears it
//! and then looks at every queue once more; the other thread queues first and takes the lock then. So either
//! the second thread finds the flag clear and acts itself, or the lock orders its task before the last look
//! of the first.
//!
//! While no thread acts, no worker is registered in [`Idle`](crate::workers::idle::Idle), so the pool is
//! quiet when its queues are empty, and may end. A thread that serves counts as a running thread of the pool,
//! so the end of the pool waits for it.
//!
//! Called by any thread. Guarded by `tests/platforms`, for both kinds of pools.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use crate::base::unwind;
use crate::runtime::caller_state::{InCaller, Serve};
use crate::runtime::control::{Phase, Request};
use crate::runtime::pool_kind::{Owner, PoolKind};
use crate::runtime::stall::Target;
use crate::runtime::wait::Awaited;
use crate::runtime::worker_thread::assign_number;
use crate::runtime::{current, current_pool, quiet};
use crate::workers::roster::SpawnReason;

/// The number of the only worker.
const WORKER: usize = 0;

/// That a function says that there is no task. The worker that waits for it is the only one of its pool.
pub struct NoTaskLeft<'a>(pub &'a dyn Fn() -> bool);

impl Awaited for NoTaskLeft<'_> {
    fn is_done(&self) -> bool {
        !(self.0)()
    }

    fn target(&self) -> Target {
        Target::Task(0)
    }

    /// No other thread makes it happen, so the worker must not sleep.
    fn unpark_me(&mut self) {
        thread::current().unpark();
    }
}

impl<M: PoolKind> Serve for M {
    fn serve_callers(self: Arc<Self>) {
        serve(&self);
    }

    fn into_any_pool(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Makes the worker of a pool that was built without threads.
pub fn begin<M: PoolKind>(shared: &Arc<M>) {
    let Some(in_caller) = &shared.in_caller else { return };
    let assigned = assign_number(&**shared, SpawnReason::Floor);
    debug_assert_eq!(assigned.map(|assigned| assigned.number).ok(), Some(WORKER));
    shared.idle.deregister(); // until a thread acts as the worker
    let pool: Weak<M> = Arc::downgrade(shared);
    in_caller.begin(pool);
}

/// Calls `f` with the worker. Returns `f` if another thread acts as the worker, or the pool is closed.
#[cold]
pub fn act<M: PoolKind, R, F: FnOnce(&M::Worker) -> R>(in_caller: &InCaller, f: F) -> Result<R, F> {
    let Some(shared) = in_caller.pool::<M>() else { return Err(f) };
    if shared.is_forked() || shared.phase() != Phase::Open {
        return Err(f);
    }
    let Some(serving) = Serving::begin(&shared) else { return Err(f) };
    let result = unwind::catch(|| serving.act(f));
    drop(serving);
    serve(&shared); // a task may have been queued since
    Ok(result.unwrap_or_else(|payload| std::panic::resume_unwind(payload)))
}

fn serve<M: PoolKind>(shared: &Arc<M>) {
    while !shared.is_forked() && !current::is_worker_of(shared) && has_task(&**shared) {
        let Some(serving) = Serving::begin(shared) else { return };
        serving.act(|_| ());
    }
    if shared.phase() != Phase::Open && !shared.is_forked() {
        shared.ends_now(); // unless another thread acts, which then comes here
    }
}

/// Whether there is a task that may run.
fn has_task<M: PoolKind>(shared: &M) -> bool {
    !shared.control().asks(Request::Pause) && (shared.has_work() || shared.has_broadcast(WORKER))
}

/// The calling thread acts as the worker until this is dropped.
struct Serving<'a, M: PoolKind> {
    shared: &'a Arc<M>,
    /// The pool to which the thread belonged before; 0 if none.
    previous_pool: u32,
}

impl<'a, M: PoolKind> Serving<'a, M> {
    /// `None` if another thread acts.
    fn begin(shared: &'a Arc<M>) -> Option<Self> {
        let mut is_taken = shared.in_caller.as_ref()?.lock();
        if *is_taken {
            return None;
        }
        *is_taken = true;
        // Under the lock, so that the end of the pool, which finds the flag clear, has the counts before.
        shared.threads.enter();
        shared.idle.register();
        drop(is_taken);
        shared.worker_record(WORKER).metrics.alive.begin(shared.nanos(Instant::now()));
        Some(Serving { shared, previous_pool: current_pool::enter_pool(shared.id) })
    }

    /// Calls `f` with the worker, and runs what is queued then.
    fn act<R>(&self, f: impl FnOnce(&M::Worker) -> R) -> R {
        let worker = M::worker(self.shared.clone(), WORKER);
        // The queued tasks run also if `f` panics.
        let result = unwind::catch(|| worker.as_current(|| f(&worker)));
        worker.as_current(|| worker.run_queued(&|| has_task(&**self.shared)));
        worker.release_deque();
        result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl<M: PoolKind> Drop for Serving<'_, M> {
    fn drop(&mut self) {
        let shared = self.shared;
        current_pool::enter_pool(self.previous_pool);
        if shared.is_forked() {
            return; // the process was forked inside a task, and the pool is the parent's
        }
        shared.worker_record(WORKER).metrics.alive.end(shared.nanos(Instant::now()));
        if let Some(in_caller) = &shared.in_caller {
            let mut is_taken = in_caller.lock();
            shared.idle.deregister();
            *is_taken = false;
        }
        shared.quiet_waits.look(|| quiet::is_at_rest(&**shared));
        shared.threads.leave();
    }
}
