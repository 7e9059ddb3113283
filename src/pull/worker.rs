//! The owner half of a worker of a pull pool: it takes the oldest task of the shared queue, runs it, and
//! takes the next.
//!
//! # Waiting
//! A task that waits for another task of its pool runs that task itself if no thread has begun it; else its
//! thread sleeps. It runs nothing else, except for broadcast tasks in a long wait: whatever it ran would be
//! above it on the stack and have to end first.
//!
//! While the thread sleeps for long and a task is queued, a stand-in works in its place
//! (`runtime/long_wait.rs`). So a queued task finds a worker whatever the present workers wait for, and it
//! does not matter which thread began a task.
//!
//! Only if no stand-in can be had, a wait for something else than a task of the own pool serves the shared
//! queue without restriction.
//!
//! A [`PullWorker`] belongs to one thread. It is called through the traits [`Owner`], [`CurrentWorker`] and
//! [`WorkerLoop`]. Guarded by the model `pull`, `tests/it/pulling.rs` and `tests/process_nesting.rs`.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longshore_trace::record::{Place, Source};

use crate::base::facade::lock;
use crate::base::recording::{self, TrackSlot};
use crate::pull::shared::PullShared;
use crate::runtime::core::Core;
use crate::runtime::current::{CurrentSlot, CurrentWorker, PollState};
use crate::runtime::current_pool::enter_pool;
use crate::runtime::held_pass;
use crate::runtime::in_caller::NoTaskLeft;
use crate::runtime::long_wait::{self, LONG, WaitSleep, Woken};
use crate::runtime::loop_state::LoopState;
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::pool_kind::{ExitReason, Owner};
use crate::runtime::priority::place_of;
use crate::runtime::stall;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};
use crate::runtime::worker_thread::StandInGuard;
use crate::task::erased::{Finished, Task};

/// The owner half of a worker of a pull pool.
#[derive(Debug)]
pub struct PullWorker {
    shared: Arc<PullShared>,
    loop_state: LoopState,
}

thread_local! {
    static CURRENT: CurrentSlot<PullWorker> = const { CurrentSlot::new() };
}

impl PullWorker {
    /// The owner half of worker `index`, for the calling thread.
    pub fn new(shared: Arc<PullShared>, index: usize) -> Self {
        PullWorker { loop_state: LoopState::new(&shared, index), shared }
    }

    /// Calls `f` with the worker that this thread acts as, if any.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&PullWorker>) -> R) -> R {
        CurrentSlot::with(&CURRENT, f)
    }

    /// Whether this is a worker of the pool `shared`.
    #[inline]
    pub fn belongs_to(&self, shared: &PullShared) -> bool {
        std::ptr::eq(&*self.shared, shared)
    }

    /// Finds a task when the shared queue is empty.
    #[cold]
    fn find_elsewhere(&self) -> Option<Task> {
        match self.shared.priorities.take_any() {
            Some((priority, task)) => {
                self.metrics().taken.add(1);
                self.note_taken(place_of(priority));
                Some(task)
            }
            None => self.shared.take_broadcast(self.index()),
        }
    }

    /// Notes that a task was taken from a queue, if tasks are recorded.
    #[inline(always)]
    fn note_taken(&self, place: Place) {
        if self.metrics().counts.is_recorded() {
            recording::with(|track| track.got(place, 0, 1));
        }
    }

    /// The counters of this worker.
    #[inline]
    pub fn metrics(&self) -> &WorkerMetrics {
        self.loop_state.metrics()
    }
}

impl CurrentWorker for PullWorker {
    fn core(&self) -> &Core {
        &self.shared
    }

    fn index(&self) -> usize {
        self.loop_state.index()
    }

    fn track_slot(&self) -> &TrackSlot {
        &self.loop_state.track
    }

    fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        if wait::is_deep(&self.shared.config) {
            let wait = move |worker: &PullWorker| worker.wait_here(awaited, deadline);
            return self.on_fresh_stack(wait).unwrap_or_else(Waited::NoStack);
        }
        self.wait_here(awaited, deadline)
    }

    fn help_poll(&self, awaited: &mut (dyn Awaited + Send)) {
        let mut help = move |worker: &PullWorker| {
            if awaited.is_of(worker.shared.id) {
                held_pass::on_top(|| awaited.run_here(&worker.metrics().counts));
            }
            while !awaited.is_done() && worker.run_own_broadcast(awaited) {}
        };
        if wait::is_deep(&self.shared.config) {
            let (Ok(()) | Err(_)) = self.on_fresh_stack(help);
        } else {
            help(self);
        }
    }

    fn note_poll(&self, state: PollState<'_>) {
        match state {
            PollState::Pending(waker, target) => long_wait::poll_is_pending(self, waker, target),
            PollState::Ready => self.loop_state.end_poll(),
        }
    }

    fn push_submitted(&self, task: Task) {
        self.metrics().submitted.add(1);
        if self.metrics().counts.is_recorded() {
            recording::with(|track| track.puts(Place::Shared, 0, 1));
        }
        self.shared.queue.push(task);
        self.shared.idle.notify();
    }

    fn run_submitted(&self, task: Task) {
        let metrics = self.metrics();
        recording::with(|track| track.set_source(Source::Direct));
        metrics.submitted.add(1);
        metrics.taken.add(1); // it is never in the queue, which is drained without it
        if let Some(capacity) = &self.shared.capacity {
            // `TaskCounts` releases a permit for each task that it counts.
            capacity.permits.overdraw_by(self.index());
        }
        held_pass::on_top(|| self.run_task(task));
        held_pass::take_again(None);
    }

    fn begin_blocking(&self) -> Option<Box<dyn Any>> {
        StandInGuard::begin(&self.shared).map(|compensation| Box::new(compensation) as Box<dyn Any>)
    }
}

impl Owner for PullWorker {
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _current = CurrentSlot::enter(&CURRENT, self);
        f()
    }

    fn run(&self) -> ExitReason {
        self.as_current(|| {
            self.look_at_recorder();
            self.work_until(&mut RunUntil::PoolEnd);
        });
        self.loop_state.end_poll();
        self.loop_state.exit_reason()
    }

    fn end_recording(&self, reason: ExitReason) {
        self.close_track(reason == ExitReason::Retired);
    }

    fn run_queued(&self, has_task: &dyn Fn() -> bool) {
        self.work_until(&mut RunUntil::awaiting(&mut NoTaskLeft(has_task), None));
        self.loop_state.end_poll();
    }

    fn run_broadcasts(&self) {
        self.as_current(|| {
            while let Some(task) = self.shared.take_broadcast(self.index()) {
                self.run_task(task);
            }
        });
    }

    fn release_deque(self) {} // a worker has no queue of its own
}

impl WorkerLoop for PullWorker {
    type Pool = PullShared;

    fn shared(&self) -> &Arc<PullShared> {
        &self.shared
    }

    fn state(&self) -> &LoopState {
        &self.loop_state
    }

    #[inline]
    fn find_task(&self) -> Option<Task> {
        match self.shared.queue.take() {
            Some(task) => {
                self.metrics().taken.add(1);
                self.note_taken(Place::Shared);
                Some(task)
            }
            None => self.find_elsewhere(),
        }
    }

    fn sees_push(&self) -> bool {
        !self.shared.queue.is_empty()
    }

    fn steal_last_resort(&self) -> Option<Task> {
        None // tasks are not sent to single workers
    }

    fn take_by_priority(&self) -> Option<Task> {
        let (priority, task) = self.shared.priorities.take_first(self.loop_state.next_turn())?;
        self.metrics().taken.add(1);
        self.note_taken(place_of(priority));
        Some(task)
    }

    #[inline]
    fn run_task(&self, task: Task) {
        if let Finished::UnobservedPanic(payload) = task.run(&self.metrics().counts) {
            self.shared.report_panic(payload);
        }
    }
}

/// The loop.
impl PullWorker {
    /// Runs tasks, and parks when there are none, until `until` is reached.
    fn work_until(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.shared) && !self.loop_state.has_retired.get() {
            if self.shared.control().needs_maintenance() && self.maintain(until) {
                continue;
            }
            if let Some(task) = self.find_task().or_else(|| self.search_or_park(until)) {
                self.run_task(task);
            }
        }
    }
}

/// Waiting inside a task.
impl PullWorker {
    fn wait_here(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        let is_own = awaited.is_of(self.shared.id);
        let short = if is_own { LONG } else { Duration::ZERO };
        let mut sleep = WaitSleep::new(self, wait::join_spin(), short);
        loop {
            if awaited.is_done() {
                return Waited::Done;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Waited::TimedOut;
            }
            if is_own && self.run_awaited(awaited)
                || (!is_own || sleep.is_long()) && self.run_own_broadcast(awaited)
            {
                continue;
            }
            match sleep.sleep(awaited, deadline) {
                Woken::NoStandIn if !is_own => {
                    drop(sleep);
                    return self.serve_until(awaited, deadline);
                }
                Woken::NoStandIn | Woken::Look => {}
            }
        }
    }

    /// Runs the awaited task of this pool, if no thread has begun it. Returns whether it did.
    fn run_awaited(&self, awaited: &mut dyn Awaited) -> bool {
        recording::with(|track| track.set_source(Source::Awaited));
        let ran = held_pass::on_top(|| awaited.run_here(&self.metrics().counts));
        recording::with(|track| track.forgets_take());
        ran
    }

    /// Runs a broadcast task of this worker on top of the task that waits for `awaited`. Returns whether
    /// there was one.
    fn run_own_broadcast(&self, awaited: &mut dyn Awaited) -> bool {
        let Some(task) = self.shared.take_broadcast(self.index()) else { return false };
        awaited.release_claim();
        held_pass::on_top(|| self.run_task(task));
        awaited.claim_again();
        true
    }

    /// Serves the pool as if no task waited here.
    #[cold]
    fn serve_until(&self, awaited: &mut dyn Awaited, deadline: Option<Instant>) -> Waited {
        let _registered = stall::register(self.shared.id, || awaited.target());
        let reserves = awaited.reserves();
        let mut until = RunUntil::awaiting(&mut *awaited, deadline);
        held_pass::on_top(|| {
            if reserves { self.work_between_claims(&mut until) } else { self.work_until(&mut until) }
        });
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// What [`PullWorker::work_until`] does, for a wait for which something is reserved: only while nothing
    /// runs on top of it.
    fn work_between_claims(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.shared) {
            if self.begins_turn_between_claims(until) {
                continue;
            }
            if let Some(task) = self.find_task().or_else(|| self.search_or_park(until)) {
                until.without_claim(|_| self.run_task(task));
            }
        }
    }

    /// Calls `work` on another thread with a fresh stack, which acts as this worker while the calling thread
    /// sleeps.
    ///
    /// # Errors
    /// The operating system provides no thread.
    #[cold]
    fn on_fresh_stack<R: Send>(&self, work: impl FnOnce(&PullWorker) -> R + Send) -> io::Result<R> {
        let (shared, index) = (&self.shared, self.index());
        // The other thread records into the worker's track.
        let track = Mutex::new(self.loop_state.track.remove());
        let result = wait::on_thread(&shared.config, index, || {
            enter_pool(shared.id);
            let worker = PullWorker::new(shared.clone(), index);
            lock(&track).take().into_iter().for_each(|track| worker.loop_state.track.install(track));
            let result = worker.as_current(|| shared.between_hooks(index, || work(&worker)));
            *lock(&track) = worker.loop_state.track.remove();
            result
        });
        lock(&track).take().into_iter().for_each(|track| self.loop_state.track.install(track));
        result
    }
}
