//! How a pool starts and stops. The same for every [`Model`]. Who joins and leaves it in between is the business of `crew`.

use crate::base::error::ResizeError;
use crate::runtime::model::Model;
use crate::runtime::worker_thread::fill_up;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use crate::base::error::{BuildError, PanicPayload, ShutdownError};
use crate::runtime::config::Config;
use crate::runtime::control::{Phase, Request};
use crate::runtime::report::{self, AtEnd};
use crate::runtime::{autoscaler, thread_role, worker_thread};
use crate::task::cancel::CancelCallback;
use crate::workers::roster::{SpawnPolicy, SpawnReason};

/// Starts the workers of a pool. If one of them cannot be started, those already running are stopped and joined.
pub fn start<M: Model>(config: Config) -> Result<Arc<M>, BuildError> {
    let shared = Arc::new(M::new(config));
    let limits = *shared.roster.limits();
    let (ready, readiness) = mpsc::channel();
    for worker in 0..limits.min {
        if let Err(source) = worker_thread::add_worker(&shared, SpawnReason::Floor, Some(ready.clone())) {
            abandon(&*shared);
            return Err(BuildError::Spawn { worker, source });
        }
    }
    drop(ready);
    if limits.min < limits.max
        && let Err(source) = autoscaler::ensure(&shared)
    {
        abandon(&*shared);
        return Err(BuildError::SpawnAutoscaler { source });
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
    worker_thread::prestart_spares(&shared);
    if let Some(token) = &shared.config.token {
        let pool = Arc::downgrade(&shared);
        let stop = move || pool.upgrade().iter().for_each(|pool| stop(&**pool));
        match token.on_cancel(CancelCallback::Call(Box::new(stop))) {
            Some(watch) => _ = shared.on_cancel.set(watch),
            None => self::stop(&*shared),
        }
    }
    Ok(shared)
}

/// Sets how many workers there are to be. Returns when those who are missing have been started; those who are too many go
/// as soon as each of them can.
pub fn resize<M: Model>(shared: &Arc<M>, min: usize, max: usize) -> Result<(), ResizeError> {
    if shared.is_forked() {
        return Err(ResizeError::Forked);
    }
    let built_max = shared.roster.limits().max;
    match (min, max) {
        (0, _) => return Err(ResizeError::ZeroWorkers),
        _ if max > built_max => return Err(ResizeError::AboveMaximum { asked: max, max: built_max }),
        _ if min > max => return Err(ResizeError::EmptyRange { min, max }),
        _ => {}
    }
    let max_before = {
        let mut roster = shared.roster.lock();
        if roster.spawn_policy() != SpawnPolicy::Open {
            return Err(ResizeError::Closed);
        }
        let (_, max_before) = roster.range();
        roster.set_range(min, max);
        shared.publish(&roster);
        max_before
    };
    // Outside of the lock, for this may call wakers. Of resizes at the same time each adds its own difference.
    shared.add_permits(max.saturating_sub(max_before));
    shared.reduce_permits(max_before.saturating_sub(max));
    // All of them: some are to go, and others to rest no longer than an idle worker above the new minimum may.
    shared.idle.wake_all();
    shared.pause.look_again();
    let supervised = if min < max { autoscaler::ensure(shared) } else { Ok(()) };
    if let Err(source) = supervised.and_then(|()| fill_up(shared)) {
        return Err(ResizeError::Spawn { live: shared.roster.live(), source });
    }
    if shared.has_work() {
        shared.idle.notify(); // there may be room for more
    }
    Ok(())
}

/// Closes the pool and throws away what is queued, without waiting for its threads.
fn stop<M: Model>(shared: &M) {
    if !shared.is_forked() {
        close(shared, Phase::Stopping);
        shared.discard_queued();
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
        roster.restrict(SpawnPolicy::StandIns);
        shared.publish(&roster);
        // The queues first: a worker that sees the phase may end the pool as soon as they are empty.
        shared.close_queues();
        shared.close_broadcasts();
    }
    shared.advance(phase);
    // After the phase, for who finds the room full looks at that before it waits.
    shared.capacity.iter().for_each(|admission| admission.permits.close());
    shared.budget.iter().for_each(|budget| budget.close());
    shared.idle.wake_all();
    shared.idle.wake_autoscaler(); // it goes
}

/// Closes the pool, begins `phase`, and waits until every thread has gone, or to the deadline.
pub fn end<M: Model>(shared: &M, phase: Phase, deadline: Option<Instant>) -> Result<(), ShutdownError> {
    if shared.is_forked() {
        return Err(ShutdownError::Forked);
    }
    if thread_role::belongs_to_pool(shared) {
        return Err(ShutdownError::FromWorker);
    }
    close(shared, phase);
    if phase == Phase::Stopping {
        shared.discard_queued();
    }
    if !shared.threads.wait(deadline) {
        return Err(ShutdownError::TimedOut);
    }
    if shared.phase() == Phase::Stopping {
        // What producers had in hand when the pool stopped.
        shared.wait_for_producers();
        shared.discard_queued();
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
        shared.retain_queued(&mut |task| {
            if task.is_structured() {
                return Some(task);
            }
            purged += shared.discard(task);
            None
        });
    }
    purged
}

/// Has the workers begin no task until [`resume`].
pub fn pause<M: Model>(shared: &M) -> bool {
    !shared.is_forked() && shared.request(Request::Pause)
}

/// Takes a [`pause`] back.
pub fn resume<M: Model>(shared: &M) {
    if !shared.is_forked() {
        shared.withdraw_request(Request::Pause);
        shared.pause.look_again();
        shared.idle.wake_autoscaler(); // it does not look at a pool that is paused
    }
}

/// Ends a pool whose owner goes away.
pub fn end_on_drop<M: Model>(shared: &M) {
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
