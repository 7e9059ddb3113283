//! How a pool starts and stops. The same for every [`Model`]. Who joins and leaves it in between is the business of `crew`.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use crate::base::error::{BuildError, PanicPayload, ShutdownError};
use crate::push::worker;
use crate::runtime::autoscaler;
use crate::runtime::config::Config;
use crate::runtime::core::{Core, Phase, Request};
use crate::runtime::metrics::{PoolStats, Reading};
use crate::runtime::report::{self, AtEnd};
use crate::runtime::worker_thread;
use crate::task::cancel::Watcher;
use crate::task::erased::Task;
use crate::workers::roster::{Hiring, Purpose};

/// A way to bring tasks to workers: the queues around a [`Core`], as far as threads that start and stop are concerned.
pub trait Model: Deref<Target = Core> + Sized + Send + Sync + 'static {
    /// The owner half of a worker.
    type Worker: Owner;

    /// The shared half of a pool. It has no worker yet.
    fn new(config: Config) -> Self;
    /// Makes worker `index` known to those who bring tasks. Called under the lock of the roster, before its thread runs;
    /// `doors` says whether work from outside may go to it.
    fn admit(&self, index: usize, doors: Doors);
    /// Takes that back: no new task goes to worker `index`. Called under the lock of the roster.
    fn withdraw(&self, index: usize);
    /// Gives what is left in the queues of a worker that was withdrawn, and runs no more, to all others; how many tasks that
    /// was. The caller notifies for them. (The worker still counts as one that does not rest, so the pool does not end
    /// meanwhile.)
    fn hand_over(&self, index: usize) -> usize;
    /// The owner half of worker `index`; made on its thread.
    fn worker(shared: Arc<Self>, index: usize) -> Self::Worker;
    /// The numbers of the workers.
    fn members(&self) -> Vec<usize>;
    /// Adds up what the pool has done.
    fn stats(&self) -> PoolStats;
    /// The part of that which a supervisor wants.
    fn read(&self) -> Reading;
    /// Has the queues refuse all further work from outside. Called under the lock of the roster.
    fn close_queues(&self);
    /// Whether a worker that is about to sleep would miss something. Called after a sequentially consistent fence.
    fn has_work(&self) -> bool;
    /// Called by a worker that has announced its rest: ends the pool if it drains, no task is left and all workers
    /// rest; whether it has ended.
    fn ends_now(&self) -> bool;
    /// Empties all queues of a pool that stops; the tasks never start, and their handles say so.
    fn throw_away_queued(&self);
    /// Takes what lies in the queues of an open pool, as many tasks as there are when it is called, and gives each to
    /// `sort`, which hands back what must stay queued. What a worker is moving between queues just then is not met.
    fn sift(&self, sort: &mut dyn FnMut(Task) -> Option<Task>);
    /// Waits until no producer is on its way to a queue of the closed pool: a few instructions, unless one is preempted
    /// there.
    fn wait_for_producers(&self);
}

/// Whether a worker takes work from outside the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// It does.
    Open,
    /// It does not: the pool closes.
    Closed,
}

/// The owner half of a worker.
pub trait Owner {
    /// Runs `f` with this worker as the thread's current one.
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Works until the pool has ended, or the worker has resigned.
    fn run(&self) -> Parting;
    /// Runs the tasks that this worker alone may run.
    fn run_orders(&self);
    /// Leaves what a later worker of this number needs where that finds it.
    fn put_down(self);
}

/// Why a worker works no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Parting {
    /// The pool has ended.
    PoolEnd,
    /// It has left a pool that goes on.
    Resigned,
}

/// Starts the workers of a pool. If one of them cannot be started, those already running are stopped and joined.
pub fn start<M: Model>(config: Config) -> Result<Arc<M>, BuildError> {
    let shared = Arc::new(M::new(config));
    let limits = *shared.roster.limits();
    let (ready, readiness) = mpsc::channel();
    for worker in 0..limits.min {
        if let Err(source) = worker_thread::take_on(&shared, Purpose::Floor, Some(ready.clone())) {
            abandon(&*shared);
            return Err(BuildError::Spawn { worker, source });
        }
    }
    drop(ready);
    if limits.min < limits.max
        && let Err(source) = autoscaler::ensure(&shared)
    {
        abandon(&*shared);
        return Err(BuildError::SpawnSupervisor { source });
    }
    // Without hooks and pins nothing can fail any more, and tasks may be submitted before the threads run.
    if shared.config.hooks.start.is_some() || shared.config.cores.is_some() {
        for result in readiness {
            if let Err((worker, payload)) = result {
                abandon(&*shared);
                return Err(BuildError::StartHookPanicked { worker, payload: PanicPayload::new(payload) });
            }
        }
    }
    worker_thread::keep_warm(&shared);
    if let Some(token) = &shared.config.token {
        let pool = Arc::downgrade(&shared);
        let stop = move || pool.upgrade().iter().for_each(|pool| stop(&**pool));
        match token.watch(Watcher::Call(Box::new(stop))) {
            Some(watch) => _ = shared.watch.set(watch),
            None => self::stop(&*shared),
        }
    }
    Ok(shared)
}

/// Closes the pool and throws away what is queued, without waiting for its threads.
fn stop<M: Model>(shared: &M) {
    if !shared.is_forked() {
        close(shared, Phase::Stopping);
        shared.throw_away_queued();
    }
}

fn abandon<M: Model>(shared: &M) {
    close(shared, Phase::Stopping);
    shared.threads.wait(None);
}

/// Closes the pool to work from outside and begins `phase`.
fn close<M: Model>(shared: &M, phase: Phase) {
    {
        // Under this lock, so that no worker that is taken on opens its queues after the others are closed.
        let mut roster = shared.roster.lock();
        roster.restrict(Hiring::StandIns);
        shared.publish(&roster);
        // The queues first: a worker that sees the phase may end the pool as soon as they are empty.
        shared.close_queues();
        shared.close_orders();
    }
    shared.advance(phase);
    // After the phase, for who finds the room full looks at that before it waits.
    shared.admission.iter().for_each(|admission| admission.room.close());
    shared.budget.iter().for_each(|budget| budget.close());
    shared.idle.wake_all();
    shared.idle.call_supervisor(); // it goes
}

/// Closes the pool, begins `phase`, and waits until every thread has gone, or to the deadline.
pub fn end<M: Model>(shared: &M, phase: Phase, deadline: Option<Instant>) -> Result<(), ShutdownError> {
    if shared.is_forked() {
        return Err(ShutdownError::Forked);
    }
    if worker::is_one_of(shared) {
        return Err(ShutdownError::FromWorker);
    }
    close(shared, phase);
    if phase == Phase::Stopping {
        shared.throw_away_queued();
    }
    if !shared.threads.wait(deadline) {
        return Err(ShutdownError::TimedOut);
    }
    if shared.phase() == Phase::Stopping {
        // What producers had in hand when the pool stopped.
        shared.wait_for_producers();
        shared.throw_away_queued();
    }
    if shared.config.at_end == AtEnd::Print && shared.metrics.reports.add_shared(1) == 0 {
        report::print(&shared.stats());
    }
    Ok(())
}

/// Throws away what waits in the queues of an open pool; how many tasks that were.
pub fn purge<M: Model>(shared: &M) -> u64 {
    let mut purged = 0;
    if !shared.is_forked() {
        shared.sift(&mut |task| {
            if task.is_structured() {
                return Some(task);
            }
            purged += shared.throw_away(task);
            None
        });
    }
    purged
}

/// Has the workers begin no task until [`resume`].
pub fn pause<M: Model>(shared: &M) -> bool {
    !shared.is_forked() && shared.ask(Request::Pause)
}

/// Takes a [`pause`] back.
pub fn resume<M: Model>(shared: &M) {
    if !shared.is_forked() {
        shared.no_longer_ask(Request::Pause);
        shared.pause.look_again();
        shared.idle.call_supervisor(); // it does not look at a pool that is paused
    }
}

/// Ends a pool whose owner goes away.
pub fn leave<M: Model>(shared: &M) {
    match end(shared, Phase::Draining, None) {
        // In a forked child there is nothing to end: the threads, and with them their share of this pool, exist only
        // in the parent.
        Ok(()) | Err(ShutdownError::TimedOut | ShutdownError::Forked) => {}
        Err(ShutdownError::FromWorker) => {
            close(shared, Phase::Draining);
            shared.threads.detach();
        }
    }
}
