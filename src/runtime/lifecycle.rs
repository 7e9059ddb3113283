//! How a pool starts, is resized, pauses and ends; the same for every [`PoolKind`].
//!
//! Called by any thread that has the pool, tasks included; [`end`] refuses a worker of the pool. How workers
//! join and leave in between is in `worker_thread.rs`. Models: `life`, `pull` and `rosters`. Tests:
//! `tests/process_start.rs`, `tests/process_end.rs`, `tests/it/behaviour/shutdown.rs`, `shutdown_now.rs`,
//! `pausing.rs` and `dropping.rs` beside it, `tests/elastic/resizing.rs`.

use std::cell::Cell;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use crate::base::error::{BuildError, PanicPayload, ResizeError, ShutdownError};
use crate::base::facade::lock;
use crate::runtime::config::Config;
use crate::runtime::control::{Phase, Request};
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::stall::{self, Target};
use crate::runtime::threads::Threads;
use crate::runtime::wait::Awaited;
use crate::runtime::worker_thread::{Ready, StartResult};
use crate::runtime::{
    autoscaler, current, current_pool, early_end, in_caller, process_end, quiet, recorder, worker_thread,
};
use crate::sys::{clock, exit};
use crate::workers::roster::{SpawnPolicy, SpawnReason};

/// Starts a pool. If a thread of it cannot be started, the threads that run are stopped and joined.
pub fn start<M: PoolKind>(config: Config) -> Result<Arc<M>, BuildError> {
    if !clock::exists() {
        return Err(BuildError::NoClock);
    }
    let shared = Arc::new(M::new(config));
    early_end::register(&shared);
    in_caller::begin(&shared);
    if let Some(settings) = shared.config.recorder.clone() {
        recorder::begin_with_pool(&shared, settings)?;
    }
    if let Err(error) = start_threads(&shared) {
        close(&*shared, Phase::Stopping);
        shared.threads.wait(None);
        recorder::abandon(&shared);
        return Err(error);
    }
    stall::register_pool(shared.id, || stall::look_at(&shared));
    if let Some(token) = &shared.config.token {
        let pool = Arc::downgrade(&shared);
        let stop = move || pool.upgrade().iter().for_each(|pool| stop(&**pool));
        match token.on_cancel(stop) {
            Some(registration) => _ = shared.on_cancel.set(registration),
            None => self::stop(&*shared), // it is cancelled already
        }
    }
    Ok(shared)
}

/// Starts the workers that a pool begins with, its autoscaler and its spare threads.
fn start_threads<M: PoolKind>(shared: &Arc<M>) -> Result<(), BuildError> {
    if shared.in_caller.is_some() {
        return Ok(());
    }
    let limits = *shared.roster.limits();
    let (results, mut readiness) = mpsc::channel();
    let builder = Arc::new(Mutex::new(thread::current()));
    let ready = Ready::new(results, builder.clone());
    for worker in 0..limits.min {
        worker_thread::add_worker(shared, SpawnReason::Floor, Some(ready.clone()))
            .map_err(|source| BuildError::Spawn { worker, source })?;
    }
    drop(ready);
    if limits.min < limits.max {
        autoscaler::ensure(shared).map_err(|source| BuildError::SpawnAutoscaler { source })?;
    }
    // Without hooks and pins nothing more can fail, and tasks may be submitted before the threads run.
    if shared.config.hooks.start.is_some() || shared.config.cores.is_some() {
        for _ in 0..limits.min {
            let result = next_start(&mut readiness, &builder, shared.id);
            result.map_err(|(worker, payload)| {
                let payload = PanicPayload::new(payload);
                BuildError::StartHookPanicked { worker, payload }
            })?;
        }
    }
    worker_thread::prestart_spares(shared);
    Ok(())
}

/// The result of the next worker that starts. A worker of another pool has a stand-in meanwhile, because a
/// start hook may wait for a task of that pool.
fn next_start(
    results: &mut mpsc::Receiver<StartResult>,
    builder: &Mutex<thread::Thread>,
    pool: u32,
) -> StartResult {
    if current::is_worker() {
        let mut start = NextStart { results, builder, pool, result: Cell::new(None) };
        let _ = current::wait_until(&mut start, None);
        if let Some(result) = start.result.take() {
            return result;
        }
    }
    results.recv().expect("each worker sends one result")
}

/// The start of a worker, for which a worker of another pool waits.
struct NextStart<'a> {
    results: &'a mut mpsc::Receiver<StartResult>,
    builder: &'a Mutex<thread::Thread>,
    pool: u32,
    /// Received by a look whether there is one.
    result: Cell<Option<StartResult>>,
}

impl Awaited for NextStart<'_> {
    fn is_done(&self) -> bool {
        let result = self.result.take().or_else(|| self.results.try_recv().ok());
        let is_there = result.is_some();
        self.result.set(result);
        is_there
    }

    fn target(&self) -> Target {
        Target::PoolStart(self.pool)
    }

    fn unpark_me(&mut self) {
        *lock(self.builder) = thread::current();
        if self.is_done() {
            thread::current().unpark(); // it was sent before: the park that follows returns at once
        }
    }
}

/// Sets how many workers there should be. Returns when the missing workers have been started. Surplus workers
/// retire as soon as each of them can.
pub fn resize<M: PoolKind>(shared: &Arc<M>, min: usize, max: usize) -> Result<(), ResizeError> {
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
    // Outside of the lock, because this may call wakers. Each of several resizes at the same time adds its
    // own difference.
    if let Some(capacity) = &shared.capacity {
        capacity.allow_workers(max.saturating_sub(max_before));
        capacity.disallow_workers(max_before.saturating_sub(max));
    }
    // All workers are woken: some are to retire, and the other workers may sleep no longer than an idle
    // worker above the new minimum.
    shared.idle.wake_all();
    shared.pause.look_again();
    let scaled = if min < max { autoscaler::ensure(shared) } else { Ok(()) };
    if let Err(source) = scaled.and_then(|()| worker_thread::fill_up(shared)) {
        return Err(ResizeError::Spawn { live: shared.roster.live(), source });
    }
    if shared.has_work() {
        shared.idle.notify(); // more workers may be allowed now
    }
    Ok(())
}

/// Closes the pool and discards the queued tasks, without waiting for its threads.
fn stop<M: PoolKind>(shared: &M) {
    if !shared.is_forked() {
        close(shared, Phase::Stopping);
        shared.discard_queued();
        shared.run_in_caller();
    }
}

/// Closes a pool whose threads nothing waits for: they end by themselves when they have finished the accepted
/// tasks. May be called by any thread, also by a worker of the pool.
pub fn close_detached<M: PoolKind>(shared: &M) {
    if !shared.is_forked() {
        close(shared, Phase::Draining);
        shared.threads.detach();
        shared.run_in_caller();
    }
}

/// The end of all threads of a pool, for which a worker of another pool waits.
struct ThreadsEnd<'a> {
    threads: &'a Threads,
    pool: u32,
}

impl Awaited for ThreadsEnd<'_> {
    fn is_done(&self) -> bool {
        self.threads.are_gone()
    }

    fn target(&self) -> Target {
        Target::PoolEnd(self.pool)
    }

    fn unpark_me(&mut self) {
        if !self.threads.unpark_at_end(thread::current()) {
            thread::current().unpark(); // all have ended: the park that follows returns at once
        }
    }
}

/// Closes the pool to work from outside, and enters `phase`.
fn close<M: PoolKind>(shared: &M, phase: Phase) {
    {
        // Under this lock, so that no worker that is added opens its queues after the other queues were
        // closed.
        let mut roster = shared.roster.lock();
        roster.restrict(SpawnPolicy::StandIns);
        shared.publish(&roster);
        // Before the phase, because a worker that sees the phase may end the pool as soon as the queues are
        // empty.
        shared.close_queues();
        shared.close_broadcasts();
    }
    shared.advance(phase);
    // After the phase, because a producer that finds the pool full looks at the phase before it waits.
    shared.capacity.iter().for_each(|capacity| capacity.permits.close());
    shared.budget.iter().for_each(|budget| budget.close());
    shared.idle.wake_all();
    shared.idle.wake_autoscaler(); // it ends
}

/// Closes the pool, enters `phase`, and waits until every thread has ended, or until the deadline.
pub fn end<M: PoolKind>(shared: &M, phase: Phase, deadline: Option<Instant>) -> Result<(), ShutdownError> {
    if shared.is_forked() {
        return Err(ShutdownError::Forked);
    }
    if current_pool::ends_with_pool(shared) {
        return Err(ShutdownError::FromWorker);
    }
    close(shared, phase);
    if phase == Phase::Stopping {
        shared.discard_queued();
    }
    if exit::must_not_wait_for_threads() {
        shared.threads.detach();
        return Err(ShutdownError::ThreadEnding);
    }
    if current::is_worker() {
        // The last tasks of the pool may wait for tasks of the pool whose worker this is.
        let _ = current::wait_until(&mut ThreadsEnd { threads: &shared.threads, pool: shared.id }, deadline);
    }
    loop {
        shared.run_in_caller();
        if !shared.threads.wait(deadline) {
            return Err(ShutdownError::TimedOut);
        }
        if shared.in_caller.is_none() || shared.has_ended() {
            break;
        }
        thread::yield_now(); // a thread is about to queue the last task, or to act
    }
    if shared.phase() == Phase::Stopping {
        // Tasks that producers had in hand when the pool stopped.
        shared.wait_for_producers();
        shared.discard_queued();
    }
    process_end::print_if_asked(shared);
    recorder::finish(shared);
    Ok(())
}

/// Discards the tasks in the queues of an open pool. Returns how many tasks that were.
pub fn purge<M: PoolKind>(shared: &M) -> u64 {
    let mut purged = 0;
    if !shared.is_forked() {
        let purging = shared.quiet_waits.begin_purge();
        // Before the queues, where each task that is discarded would fetch the next one of its lane.
        purged += shared.backlogs.sum(|backlog| backlog.purge());
        shared.retain_queued(&mut |task| {
            if task.is_structured() {
                return Some(task);
            }
            purged += shared.discard(task);
            None
        });
        drop(purging);
        // No worker may park because of this: those of a paused pool wait already.
        shared.quiet_waits.look_from_outside(|| quiet::is_at_rest(shared));
    }
    purged
}

/// Makes the workers start no task until [`resume`].
pub fn pause<M: PoolKind>(shared: &M) -> bool {
    !shared.is_forked() && shared.request(Request::Pause)
}

/// Takes a [`pause`] back.
pub fn resume<M: PoolKind>(shared: &M) {
    if !shared.is_forked() {
        shared.withdraw_request(Request::Pause);
        shared.pause.look_again();
        if shared.has_work() {
            shared.idle.notify(); // all workers may wait, and none of them starts a stand-in in a pause
        }
        shared.run_in_caller();
        shared.idle.wake_autoscaler(); // it does not look at a paused pool
    }
}

/// Ends a pool whose owner is dropped.
pub fn end_on_drop<M: PoolKind>(shared: &M) {
    match end(shared, Phase::Draining, None) {
        // In a forked child there is nothing to end: the threads exist only in the parent, and with them
        // their share of the pool.
        Ok(()) | Err(ShutdownError::TimedOut | ShutdownError::Forked) => {}
        Err(ShutdownError::ThreadEnding) => {} // the pool is closed and ends by itself
        Err(ShutdownError::FromWorker) => {
            close(shared, Phase::Draining);
            shared.threads.detach();
        }
    }
}
