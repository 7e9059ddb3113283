//! The owner half of a worker: its state, and the loop that runs tasks and parks. The order in which it
//! searches for tasks is in `search.rs`; waits inside a task are in `wait.rs`, forks and joins in `fork.rs`
//! and `stack_job.rs`, and the differences under the rules of rayon-core in `rayon_rules.rs`.
//!
//! A [`PushWorker`] belongs to one thread at a time. Another thread acts as the worker only while the
//! worker's own thread is blocked: during a lease (`push/lease.rs`) and in [`PushWorker::on_fresh_stack`].
//! Called through the traits [`Owner`], [`CurrentWorker`] and [`WorkerLoop`]. Guarded by `tests/it/behaviour`
//! and by the models `parking` and `life`.

pub mod fork;
pub mod rayon_rules;
pub mod search;
pub mod stack_job;
pub mod wait;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_deque::Worker as Deque;
use longshore_trace::record::Source;

use crate::base::error::SubmitErrorKind;
use crate::base::recording::{self, RecordedTrack, TrackSlot};
use crate::base::rng::Rng;
use crate::push::batched_count::BatchedCount;
use crate::push::job::{Forks, Job, RunningJob};
use crate::push::scope_state::ScopeState;
use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::queue::fork_slot::ForkSlot;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::current::{CurrentSlot, CurrentWorker, PollState};
use crate::runtime::held_pass;
use crate::runtime::in_caller::NoTaskLeft;
use crate::runtime::intake::{NotifyOnDrop, Rejected};
use crate::runtime::long_wait;
use crate::runtime::loop_state::LoopState;
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::pool_kind::{ExitReason, Owner, PoolKind};
use crate::runtime::priority::place_of;
use crate::runtime::wait::{Awaited, Waited};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};
use crate::runtime::worker_thread::StandInGuard;
use crate::task::erased::{Finished, Task};
use crate::workers::idle::ParkSlot;

/// The owner half of a worker of a push pool.
#[derive(Debug)]
pub struct PushWorker {
    shared: Arc<PushShared>,
    loop_state: LoopState,
    deque: Deque<Task>,
    /// The park slot for a thread that leases the worker. Its own thread uses that of `loop_state`.
    leased_slot: Arc<ParkSlot>,
    /// Whether the thread that acts as this worker leases it.
    is_leased: Cell<bool>,
    rng: Rng,
    tick: Cell<u32>,
    /// Tasks that are moved from an inbox to the deque; empty otherwise.
    batch: RefCell<TaskBatch>,
    /// At most so many tasks, at the top of the deque, descend from the present task. (Thieves take some.)
    pub(in crate::push) local_depth: Cell<u32>,
    /// The forks of this worker that are not joined yet.
    forks: Forks,
    /// The innermost job of another worker that runs here, or null.
    running_job: Cell<*const RunningJob>,
    /// The innermost scope whose frame, or one of whose tasks, runs here; null outside of any scope.
    pub(in crate::push) scope: Cell<*const ScopeState>,
    /// Ends of a scope's tasks that the scope's count does not show yet.
    pub(in crate::push) batched_count: BatchedCount,
    /// How many nested runs this worker has begun (see `fork`).
    epochs: Cell<u32>,
    /// This worker's own fork slot, in `shared`.
    fork_slot: NonNull<ForkSlot<Job>>,
}

thread_local! {
    static CURRENT: CurrentSlot<PushWorker> = const { CurrentSlot::new() };
}

impl PushWorker {
    /// The owner half of worker `index`.
    pub fn new(shared: Arc<PushShared>, index: usize) -> Self {
        let config = &shared.config;
        PushWorker {
            rng: Rng::new(config.seed, index as u64),
            loop_state: LoopState::new(&shared, index),
            leased_slot: Arc::new(ParkSlot::new(index)),
            is_leased: Cell::new(false),
            tick: Cell::new(0),
            batch: RefCell::new(TaskBatch::new()),
            local_depth: Cell::new(0),
            forks: Forks::new(),
            running_job: Cell::new(std::ptr::null()),
            scope: Cell::new(std::ptr::null()),
            batched_count: BatchedCount::default(),
            epochs: Cell::new(0),
            fork_slot: NonNull::from(&*shared.remote(index).fork_slot),
            deque: shared.remote(index).take_deque(),
            shared,
        }
    }

    /// Calls `f` with the worker that this thread acts as, if any.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&PushWorker>) -> R) -> R {
        CurrentSlot::with(&CURRENT, f)
    }

    /// Whether this is a worker of the pool `shared`.
    #[inline]
    pub fn belongs_to(&self, shared: &PushShared) -> bool {
        std::ptr::eq(&*self.shared, shared)
    }

    /// The pool.
    pub fn shared(&self) -> &Arc<PushShared> {
        &self.shared
    }

    /// The number of this worker.
    #[inline]
    pub fn index(&self) -> usize {
        self.loop_state.index()
    }

    /// Prepares the worker for an external thread that leases it. The worker's own thread sleeps.
    pub fn start_lease(&self) {
        self.is_leased.set(true);
        self.local_depth.set(0);
    }

    /// Ends what `start_lease` began.
    pub fn end_lease(&self) {
        self.flush();
        self.loop_state.end_poll();
        self.is_leased.set(false);
    }

    /// Runs the tasks of the own deque, until it is empty.
    pub fn run_all_local(&self) {
        while let Some(task) = self.deque.pop() {
            self.run_task(task);
        }
        self.flush();
    }

    #[inline]
    fn remote(&self) -> &Remote {
        self.shared.remote(self.index())
    }

    #[inline(always)]
    fn fork_slot(&self) -> &ForkSlot<Job> {
        // SAFETY: the pointer is valid and aligned, because `new` made it from a reference. The fork slot is
        // a part of `shared`, which this worker keeps alive, and is only read through shared references.
        unsafe { self.fork_slot.as_ref() }
    }

    /// Counts a loop over so many items, for the statistics.
    #[inline]
    pub fn count_loop(&self, items: usize) {
        self.metrics().loops.add(1);
        self.metrics().loop_items.add(items as u64);
    }

    #[inline]
    fn metrics(&self) -> &WorkerMetrics {
        self.loop_state.metrics()
    }
}

/// Pushes a task to a deque. Inlined, it would be compiled anew for each type of closure; the tree of
/// `benches/spawn_tree.rs` was 10 % slower then.
#[inline(never)]
fn push(deque: &Deque<Task>, task: Task) {
    deque.push(task);
}

/// Tasks submitted by tasks.
impl PushWorker {
    /// Queues a task, submitted by the task that runs on this worker, in the own deque. Thieves may take it.
    #[inline]
    pub fn push_local(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.local_depth.set(self.local_depth.get() + 1);
        push(&self.deque, task);
        // While all workers are busy a recording needs no exact times of submissions.
        self.shared.idle.notify_after(|| recording::with(|track| track.spawns_now()));
    }

    /// Calls `f` with the track of this worker, if tasks are recorded.
    #[inline(always)]
    pub(in crate::push) fn note(&self, f: impl FnOnce(&RecordedTrack)) {
        if self.metrics().counts.is_recorded() {
            recording::with(f);
        }
    }

    /// Acquires a permit for a task that is about to be queued or run, also beyond the capacity of the pool.
    #[inline]
    pub fn overdraw(&self) {
        if let Some(capacity) = &self.shared.capacity {
            capacity.permits.overdraw_by(self.index());
        }
    }

    /// Counts a task that was submitted by the task on this worker, and is not queued in the own deque.
    pub fn count_submitted(&self) {
        self.metrics().submitted.add(1);
    }

    /// Queues tasks that the task on this worker submits in the own deque, until the pool ends.
    pub fn push_local_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut batch = NotifyOnDrop { idle: &self.shared.idle, tasks: 0 };
        for closure in closures {
            if self.shared.phase() >= Phase::Ended {
                let kind = SubmitErrorKind::Closed;
                return Err(Rejected { accepted: batch.tasks, returned: vec![closure], kind });
            }
            self.push_local(pack(closure));
            batch.tasks += 1;
        }
        Ok(batch.tasks)
    }
}

impl CurrentWorker for PushWorker {
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
        self.wait(awaited, deadline)
    }

    fn help_poll(&self, awaited: &mut (dyn Awaited + Send)) {
        PushWorker::help_poll(self, awaited);
    }

    fn note_poll(&self, state: PollState<'_>) {
        match state {
            PollState::Pending(waker, target) => long_wait::poll_is_pending(self, waker, target),
            PollState::Ready => self.loop_state.end_poll(),
        }
    }

    fn push_submitted(&self, task: Task) {
        self.push_local(task);
    }

    fn run_submitted(&self, task: Task) {
        self.note(|track| {
            track.skips_submissions(1);
            track.set_source(Source::Direct);
        });
        self.count_submitted();
        self.overdraw(); // `TaskCounts` releases a permit for each task that it counts
        held_pass::on_top(|| self.run_task(task));
        held_pass::take_again(None);
    }

    fn begin_blocking(&self) -> Option<Box<dyn Any>> {
        self.flush(); // the scope must not wait until this task goes on
        self.offer_oldest();
        StandInGuard::begin(&self.shared).map(|compensation| Box::new(compensation) as Box<dyn Any>)
    }
}

impl Owner for PushWorker {
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _current = CurrentSlot::enter(&CURRENT, self);
        f()
    }

    fn run(&self) -> ExitReason {
        // Relaxed pairs with the load in `lease_worker`: the lock of the list of the parked orders the two,
        // because the worker enters the list after this and the leasing thread takes it out before the load.
        self.remote().owner.store(std::ptr::from_ref(self).cast_mut().cast(), Ordering::Relaxed);
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
            self.flush();
        });
    }

    fn release_deque(self) {
        self.shared.remote(self.index()).put_deque(self.deque);
    }
}

/// The loop.
impl PushWorker {
    /// Runs tasks, and parks when there are none, until `until` is reached.
    ///
    /// A task is passed from the deque straight to its call, because each function in between would copy it.
    fn work_until(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.shared) {
            if self.shared.control().needs_maintenance() {
                match self.maintain(until) {
                    true if self.loop_state.has_retired.get() => break,
                    true => continue,
                    false => {}
                }
            }
            if self.is_fair_turn() {
                self.take_fair_turn();
            }
            if let Some(task) = self.next_local() {
                self.run_task(task);
            } else if let Some(task) = self.refill().or_else(|| self.search_or_park(until)) {
                self.run_task(task);
            } else if self.loop_state.has_retired.get() {
                break;
            }
        }
        self.flush();
    }
}

impl WorkerLoop for PushWorker {
    type Pool = PushShared;

    fn shared(&self) -> &Arc<PushShared> {
        &self.shared
    }

    fn state(&self) -> &LoopState {
        &self.loop_state
    }

    fn park_slot(&self) -> &Arc<ParkSlot> {
        if self.is_leased.get() { &self.leased_slot } else { &self.loop_state.park_slot }
    }

    fn find_task(&self) -> Option<Task> {
        self.take_from_any()
    }

    fn take_by_priority(&self) -> Option<Task> {
        let (priority, task) = self.shared.priorities.take_first(self.loop_state.next_turn())?;
        self.note(|track| track.got(place_of(priority), 0, 1));
        Some(task)
    }

    #[inline]
    fn run_task(&self, task: Task) {
        if !self.batched_count.is_of(task.scope()) {
            self.flush(); // the scope of earlier tasks must not wait for this one
        }
        let depth_below = self.local_depth.replace(0);
        if let Finished::UnobservedPanic(payload) = task.run(&self.metrics().counts) {
            self.shared.report_panic(payload);
        }
        // The tasks that it has left in the deque descend from the task below it as well. Wrapping: outside
        // of any task the sum grows without limit, and is never read.
        self.local_depth.set(depth_below.wrapping_add(self.local_depth.get()));
    }

    #[inline]
    fn flush(&self) {
        self.batched_count.flush();
    }

    fn may_take_broadcast(&self) -> bool {
        self.takes_broadcasts()
    }

    fn sees_push(&self) -> bool {
        self.remote().inbox.len() != 0
    }

    fn steal_last_resort(&self) -> Option<Task> {
        self.steal_from_mailboxes()
    }

    fn queue_depths(&self) -> Option<(usize, usize)> {
        Some((self.deque.len(), self.remote().inbox.len()))
    }

    fn sees_work(&self) -> bool {
        !self.deque.is_empty() || self.shared.has_work()
    }
}
