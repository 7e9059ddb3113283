//! What the drop-in for rayon-core (`dropin/rayon-core`) needs of the library. **No part of the public
//! interface**: it may change in any version.
//!
//! A [`DropInPool`] is a push pool with the rules of rayon-core (`push/worker/rayon_rules.rs` lists the
//! differences). The user supplies its threads: the pool gives out one [`DropInThread`] for each worker. The
//! pool carries an *attachment*, in which the drop-in keeps its own state, so that a task finds the state of
//! its pool.
//!
//! [`with_worker`] also finds the worker of an ordinary [`Pool`](crate::Pool). So code that calls rayon
//! inside a task of a pool runs on this pool, and starts no threads.
//!
//! A thin layer over `push` and `runtime/supplied.rs`; all threads may call it. Guarded by
//! `tests/rayon_core_support.rs`, and by rayon's own tests (`.ci/dropin`).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::api::builder::{MAX_STACK_SIZE, MAX_WORKERS, PoolBuilder};
use crate::base::error::SubmitError;
use crate::base::unwind::{self, Payload};
use crate::push::job::RanBy;
use crate::push::scope::{self, ScopeTask};
use crate::push::scope_state::ScopeState;
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::runtime::config::Rules;
use crate::runtime::lifecycle;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::supplied::{self, SuppliedWorker};
use crate::runtime::{process_end, recorder};
use crate::submit::single;
use crate::sys::stack;
use crate::task::counts::{TaskCounts, TaskEnd};
use crate::task::erased::{Discarded, Task};
use crate::task::recycle;
use crate::task::work::Unstarted;

/// A function that a worker calls with its number.
pub type DropInHook = Box<dyn Fn(usize) + Send + Sync>;

/// The settings of a [`DropInPool`].
pub struct DropInSettings {
    /// The number of workers, from 1; more than [`MAX_WORKERS`] is lowered to that.
    pub workers: usize,
    /// The stack of each worker, in bytes, as far as waits have to know it. The threads may have another.
    pub stack_size: usize,
    /// Called by each worker before its first task. It must not panic.
    pub on_start: Option<DropInHook>,
    /// Called by each worker after its last task. It must not panic.
    pub on_exit: Option<DropInHook>,
    /// The state of the drop-in.
    pub attachment: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for DropInSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropInSettings").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// A push pool with the rules of rayon-core, or an ordinary push pool in which code calls rayon. A clone is
/// the same pool. To drop the last clone ends nothing; [`DropInPool::close`] does.
#[derive(Debug, Clone)]
pub struct DropInPool {
    shared: Arc<PushShared>,
}

impl DropInPool {
    /// A pool that has no threads yet.
    pub fn new(settings: DropInSettings) -> Self {
        let builder = PoolBuilder::new()
            .workers(settings.workers.clamp(1, MAX_WORKERS))
            .stack_size(settings.stack_size.min(MAX_STACK_SIZE))
            .blocking_limit(0)
            .thread_name("rayon");
        let mut config = builder.into_config().expect("each value is in its range");
        config.hooks.start = settings.on_start;
        config.hooks.exit = settings.on_exit;
        config.rules = Rules::RayonCore;
        config.attachment = Some(settings.attachment);
        let shared = Arc::new(PushShared::new(config));
        if let Some(settings) = shared.config.recorder.clone() {
            // Only the environment asks for it here, and then an error is printed.
            let (Ok(()) | Err(_)) = recorder::begin_with_pool(&shared, settings);
        }
        DropInPool { shared }
    }

    /// The next worker, for a thread to run. `None` if all workers are given out.
    pub fn supply(&self) -> Option<DropInThread> {
        SuppliedWorker::assign(&self.shared).map(|worker| DropInThread { worker })
    }

    /// Makes the calling thread the next worker for the rest of its life. It runs tasks only when it waits
    /// inside the pool. Returns its number; `None` if all workers are given out. The pool is leaked.
    pub fn adopt_current_thread(&self) -> Option<usize> {
        supplied::adopt(&self.shared, PushWorker::stay_current)
    }

    /// Closes the pool to work from outside, and returns. The workers finish all accepted tasks and end.
    /// `adopted` is the number of the worker whose thread was adopted, if there is one.
    pub fn close(&self, adopted: Option<usize>) {
        lifecycle::close_detached(&*self.shared);
        if let Some(number) = adopted {
            supplied::release_adopted(&*self.shared, number);
        }
    }

    /// Prints the statistics to standard error if `LONGSHORE_STATS` is `1`, once, and completes a recording.
    pub fn print_statistics(&self) {
        process_end::print_if_asked(&*self.shared);
        recorder::finish(&self.shared);
    }

    /// Calls `f` as a worker of the pool. An external thread acts as a parked worker if one is parked, and if
    /// the thread has about as much stack left as a worker has (seven eighths); else a worker calls `f`.
    ///
    /// # Panics
    /// With the panic of `f`.
    #[inline]
    pub fn enter<R: Send>(&self, f: impl FnOnce(DropInWorker<'_>) -> R + Send) -> R {
        if stack::is_short_of(self.shared.config.stack_size / 8 * 7) {
            return self.install(f);
        }
        self.shared.enter(|worker| f(DropInWorker { worker }))
    }

    /// Calls `f` on a thread of the pool, and waits for it. For threads that are no workers of this pool.
    ///
    /// # Panics
    /// With the panic of `f`.
    pub fn install<R: Send>(&self, f: impl FnOnce(DropInWorker<'_>) -> R + Send) -> R {
        self.shared.send_in(|worker| f(DropInWorker { worker }))
    }

    /// Queues `task`. The caller handles its panics.
    ///
    /// # Errors
    /// Returns `task` if the pool has ended.
    #[inline]
    pub fn execute<F: FnOnce() + Send + 'static>(&self, task: F) -> Result<(), F> {
        execute(&self.shared, task)
    }

    /// Runs `task` once on each worker. The caller handles its panics. `false` if the pool is closed.
    pub fn broadcast(&self, task: impl Fn(DropInWorker<'_>) + Send + Sync + 'static) -> bool {
        broadcast(&self.shared, task)
    }

    /// Opens a scope of this pool on the calling thread, and waits until all its tasks have ended.
    ///
    /// # Panics
    /// With the first panic of `body` or of a task.
    pub fn in_place_scope<R>(&self, body: impl FnOnce(&DropInScope) -> R) -> R {
        scope::open(&self.shared, |state| body(DropInScope::of(state)))
    }

    /// What is common to the pool and its workers.
    #[inline]
    pub fn view(&self) -> PoolView<'_> {
        PoolView { shared: &self.shared }
    }
}

fn execute<F: FnOnce() + Send + 'static>(shared: &PushShared, task: F) -> Result<(), F> {
    single::execute(shared, task, None).map_err(SubmitError::into_inner)
}

fn broadcast(shared: &PushShared, task: impl Fn(DropInWorker<'_>) + Send + Sync + 'static) -> bool {
    let task = Arc::new(task);
    shared.broadcast_detached(|_| {
        let task = task.clone();
        Task::new(move || with_worker(|worker| task(worker.expect("tasks run on workers"))))
    })
}

/// What can be asked of a pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolView<'a> {
    shared: &'a Arc<PushShared>,
}

impl<'a> PoolView<'a> {
    /// Identifies the pool.
    pub fn id(self) -> u32 {
        self.shared.id
    }

    /// The number of workers now; constant for a [`DropInPool`].
    #[inline]
    pub fn workers(self) -> usize {
        let limits = self.shared.roster.limits();
        if limits.min == limits.max { limits.max } else { self.shared.roster.live() }
    }

    /// The state of the drop-in; `None` for an ordinary pool.
    #[inline]
    pub fn attachment(self) -> Option<&'a (dyn Any + Send + Sync)> {
        self.shared.config.attachment.as_deref()
    }

    /// The pool.
    pub fn pool(self) -> DropInPool {
        DropInPool { shared: self.shared.clone() }
    }

    /// The calling thread's worker, if it is one of this pool.
    pub fn with_own_worker<R>(self, f: impl FnOnce(Option<DropInWorker<'_>>) -> R) -> R {
        PushWorker::with_current(|worker| {
            f(worker.filter(|worker| worker.belongs_to(self.shared)).map(|worker| DropInWorker { worker }))
        })
    }
}

/// A worker that waits for its thread. If it is dropped, the pool goes on without the worker.
#[derive(Debug)]
pub struct DropInThread {
    worker: SuppliedWorker<PushShared>,
}

impl DropInThread {
    /// The number of the worker.
    pub fn index(&self) -> usize {
        self.worker.number()
    }

    /// Identifies the pool.
    pub fn pool_id(&self) -> u32 {
        self.worker.core().id
    }

    /// Works on the calling thread until the pool has ended.
    pub fn run(self) {
        self.worker.run();
    }
}

/// Calls `f` with the worker of a push pool that the calling thread is or acts as, if there is one.
#[inline]
pub fn with_worker<R>(f: impl FnOnce(Option<DropInWorker<'_>>) -> R) -> R {
    PushWorker::with_current(|worker| f(worker.map(|worker| DropInWorker { worker })))
}

/// A worker of a push pool, for the calling thread.
#[derive(Clone, Copy)]
pub struct DropInWorker<'w> {
    worker: &'w PushWorker,
}

impl fmt::Debug for DropInWorker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DropInWorker").field("index", &self.index()).finish_non_exhaustive()
    }
}

impl<'w> DropInWorker<'w> {
    /// The number of the worker.
    #[inline]
    pub fn index(self) -> usize {
        self.worker.index()
    }

    /// What is common to the pool and its workers.
    #[inline]
    pub fn view(self) -> PoolView<'w> {
        PoolView { shared: self.worker.shared() }
    }

    /// Calls both closures, possibly at the same time, and returns both results. `b` is told whether another
    /// worker has taken it.
    ///
    /// # Panics
    /// With the panic of `a`, or otherwise of `b`, after both have ended.
    #[inline(always)]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce(bool) -> RB + Send,
        RB: Send,
    {
        self.worker.join(|_| a(), |_, ran_by| b(ran_by == RanBy::Thief))
    }

    /// Queues `task`. The caller handles its panics.
    ///
    /// # Errors
    /// Returns `task` if the pool has ended.
    #[inline]
    pub fn execute<F: FnOnce() + Send + 'static>(self, task: F) -> Result<(), F> {
        execute(self.worker.shared(), task)
    }

    /// Runs `task` once on each worker. The caller handles its panics. `false` if the pool is closed.
    pub fn broadcast(self, task: impl Fn(DropInWorker<'_>) + Send + Sync + 'static) -> bool {
        broadcast(self.worker.shared(), task)
    }

    /// Opens a scope on this worker, and waits until all its tasks have ended.
    ///
    /// # Panics
    /// With the first panic of `body` or of a task.
    #[inline]
    pub fn scope<R>(self, body: impl FnOnce(&DropInScope) -> R) -> R {
        scope::open(self.worker.shared(), |state| body(DropInScope::of(state)))
    }

    /// Runs any task of the pool on top of the present one. Returns whether it ran one.
    pub fn yield_now(self) -> bool {
        self.worker.yield_as_rayon()
    }

    /// Runs a task that this worker has queued. Returns whether it ran one.
    pub fn yield_local(self) -> bool {
        self.worker.yield_local_as_rayon()
    }

    /// Whether the own deque has a task, or a fork waits for its join.
    pub fn has_pending(self) -> bool {
        self.worker.has_pending()
    }
}

/// A scope, whose tasks get a reference to it.
#[repr(transparent)]
pub struct DropInScope {
    state: ScopeState,
}

impl fmt::Debug for DropInScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl DropInScope {
    #[inline]
    fn of(state: &ScopeState) -> &DropInScope {
        // SAFETY: `DropInScope` is a transparent wrapper of `ScopeState`, so the pointer is valid for it, for
        // as long as `state` is borrowed.
        unsafe { &*std::ptr::from_ref(state).cast() }
    }

    /// Identifies the pool.
    pub fn pool_id(&self) -> u32 {
        self.state.shared().id
    }

    /// The number of workers of the pool.
    pub fn workers(&self) -> usize {
        self.state.shared().config.limits.max
    }

    /// The number of the calling thread's worker, if it is one of the scope's pool.
    pub fn own_worker(&self) -> Option<usize> {
        PushWorker::with_current(|worker| {
            worker.filter(|worker| worker.belongs_to(self.state.shared())).map(PushWorker::index)
        })
    }

    /// Runs `task` before the scope ends.
    ///
    /// # Safety
    /// All that `task` borrows outlives the scope. The caller is the frame of the scope or a task of it,
    /// which has not ended.
    #[inline]
    pub unsafe fn spawn<F: FnOnce(&DropInScope) + Send>(&self, task: F) {
        if size_of::<F>() > recycle::LARGEST {
            let task = Box::new(task);
            // SAFETY: the duties are those of this function.
            unsafe { self.state.spawn(ScopeBody(|scope: &DropInScope| task(scope))) };
        } else {
            // SAFETY: the duties are those of this function.
            unsafe { self.state.spawn(ScopeBody(task)) };
        }
    }

    /// Runs `task` once on each worker before the scope ends, with the number of the worker. `false` if the
    /// pool is closed.
    ///
    /// # Safety
    /// All that `task` borrows outlives the scope. The caller is the frame of the scope or a task of it,
    /// which has not ended.
    pub unsafe fn spawn_broadcast<F>(&self, task: F) -> bool
    where
        F: Fn(&DropInScope, DropInWorker<'_>) + Send + Sync,
    {
        let task = Arc::new(task);
        let body = |_| {
            let task = task.clone();
            ScopeBody(move |scope: &DropInScope| {
                with_worker(|worker| task(scope, worker.expect("tasks run on workers")));
            })
        };
        // SAFETY: the duties are those of this function.
        unsafe { self.state.spawn_broadcast(body) }
    }
}

/// A closure that gets its scope.
struct ScopeBody<F>(F);

impl<F: FnOnce(&DropInScope) + Send> ScopeTask for ScopeBody<F> {
    #[inline]
    fn run(self, scope: &ScopeState, counts: &TaskCounts) {
        counts.start();
        match unwind::catch(|| (self.0)(DropInScope::of(scope))) {
            Ok(()) => counts.end(TaskEnd::Completed),
            Err(payload) => {
                counts.end(TaskEnd::Panicked);
                scope.keep_panic(payload);
            }
        }
    }

    fn discard(self, _: Unstarted) -> Result<Discarded, Payload> {
        unwind::drop_guarded(self.0).map(|()| Discarded::Unstarted)
    }
}
