//! How a pool starts and stops: its threads. The same for every [`Model`].

use std::ops::Deref;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::config::Config;
use super::core::{Core, Phase, Request};
use super::metrics::{PinStatus, PoolStats};
use super::report::{self, AtEnd};
use super::worker;
use crate::base::error::{BuildError, PanicPayload, ShutdownError};
use crate::base::span;
use crate::base::unwind::{self, Payload};
use crate::primitives::cancel::Watcher;
use crate::primitives::task::Task;
use crate::sys::{affinity, stack};

/// A way to bring tasks to workers: the queues around a [`Core`], as far as threads that start and stop are concerned.
pub trait Model: Deref<Target = Core> + Sized + Send + Sync + 'static {
    /// What the building thread makes for a worker and the worker's own thread takes.
    type Share: Send + 'static;
    /// The owner half of a worker.
    type Worker: Owner;

    /// The shared half of a pool, and the shares of its workers in their order.
    fn new(config: Config) -> (Self, Vec<Self::Share>);
    /// Adds worker `index`, whose thread has just been started. Called by the building thread alone.
    fn admit(&self, index: usize);
    /// The owner half of worker `index`; made on its thread.
    fn worker(shared: Arc<Self>, index: usize, share: Self::Share) -> Self::Worker;
    /// The number of workers.
    fn workers(&self) -> usize;
    /// Their numbers.
    fn members(&self) -> Vec<usize>;
    /// Adds up what the pool has done.
    fn stats(&self) -> PoolStats;
    /// Has the queues refuse all further work from outside.
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

/// The owner half of a worker.
pub trait Owner {
    /// Runs `f` with this worker as the thread's current one.
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Works until the pool has ended.
    fn run(&self);
}

/// The operating system's threads behind the workers.
#[derive(Debug, Default)]
pub struct Threads {
    state: Mutex<State>,
    /// Signalled when the last running thread is about to go.
    all_gone: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads that have been started and have not announced their end.
    running: usize,
    /// What is left to join.
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) {
        let mut state = self.state();
        state.running -= 1;
        if state.running == 0 {
            self.all_gone.notify_all();
        }
    }

    /// Waits until every thread has ended and is joined; `false` if the deadline comes first. Any number of threads
    /// may wait, each until the end.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while state.running > 0 {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.all_gone.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.all_gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        // The lock is held on purpose: whoever comes second returns only after the threads are gone for good. They
        // take a moment at most, for the announcement was their last act.
        for handle in state.handles.drain(..) {
            // A worker's thread catches all panics of user code, but a thread-local's destructor may still panic
            // (the runtime then aborts) and the payload says nothing to us.
            if let Err(payload) = handle.join() {
                unwind::drop_silently(payload);
            }
        }
        true
    }

    /// Lets the threads go their way: nobody will join them. For a pool that is dropped by one of its own workers.
    pub fn detach(&self) {
        self.state().handles.clear();
    }
}

/// Tells `start` that a worker is ready, or what its start hook panicked with.
type Ready = mpsc::Sender<Result<(), (usize, Payload)>>;

/// Starts the workers of a pool. If one of them cannot be started, those already running are stopped and joined.
pub fn start<M: Model>(config: Config) -> Result<Arc<M>, BuildError> {
    let (shared, shares) = M::new(config);
    let shared = Arc::new(shared);
    let (ready, readiness) = mpsc::channel();
    for (index, share) in shares.into_iter().enumerate() {
        if let Err(source) = spawn(&shared, index, share, ready.clone()) {
            abandon(&*shared);
            return Err(BuildError::Spawn { worker: index, source });
        }
    }
    drop(ready);
    // Without hooks and pins nothing can fail any more, and tasks may be submitted before the threads run.
    if shared.config.hooks.start.is_some() || shared.config.cores.is_some() {
        for result in readiness {
            if let Err((worker, payload)) = result {
                abandon(&*shared);
                return Err(BuildError::StartHookPanicked { worker, payload: PanicPayload::new(payload) });
            }
        }
    }
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

fn spawn<M: Model>(shared: &Arc<M>, index: usize, share: M::Share, ready: Ready) -> std::io::Result<()> {
    let for_thread = shared.clone();
    let mut state = shared.threads.state();
    let handle = shared.config.thread(index).spawn(move || thread_main(&for_thread, index, share, ready))?;
    state.running += 1;
    state.handles.push(handle);
    shared.admit(index);
    Ok(())
}

/// The life of one worker's thread.
fn thread_main<M: Model>(shared: &Arc<M>, index: usize, share: M::Share, ready: Ready) {
    worker::hire(shared.id);
    stack::begin(shared.config.stack_size);
    let worker = M::worker(shared.clone(), index, share);
    shared.record(index).metrics.alive.begin(shared.nanos(Instant::now()));
    span::worker_started(&shared.config.name, index);
    pin(shared, index);
    let started = match &shared.config.hooks.start {
        Some(hook) => unwind::catch(|| worker.as_current(|| hook(index))),
        None => Ok(()),
    };
    let starts = started.is_ok();
    // The receiver is gone if another worker failed first; then the phase says so.
    let _ = ready.send(started.map_err(|payload| (index, payload)));
    drop(ready);
    if starts {
        worker.run();
        if let Some(hook) = &shared.config.hooks.exit {
            worker.as_current(|| shared.run_hook(|| hook(index)));
        }
    }
    worker.as_current(|| shared.forget_per_worker(index));
    drop(worker);
    shared.record(index).metrics.alive.end(shared.nanos(Instant::now()));
    span::worker_ended(&shared.config.name, index);
    shared.threads.gone();
}

fn pin(shared: &Core, index: usize) {
    let status = match &shared.config.cores {
        None => {
            // A pool built by a pinned thread (a task of another pool) would inherit its single core.
            shared.config.mask.apply_to_current_thread();
            PinStatus::Unpinned
        }
        Some(cores) => {
            let core = cores[index % cores.len()];
            if affinity::pin_current_thread(core) {
                PinStatus::Pinned(core)
            } else {
                PinStatus::Refused(core)
            }
        }
    };
    shared.record(index).pin.set(status).expect("a worker is pinned once");
}

/// Closes the pool to work from outside and begins `phase`.
fn close<M: Model>(shared: &M, phase: Phase) {
    // The queues first: a worker that sees the phase may end the pool as soon as they are empty.
    shared.close_queues();
    shared.close_orders();
    shared.advance(phase);
    // After the phase, for who finds the room full looks at that before it waits.
    shared.admission.iter().for_each(|admission| admission.room.close());
    shared.budget.iter().for_each(|budget| budget.close());
    shared.idle.wake_all();
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
