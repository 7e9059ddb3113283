//! The state of a scope, in the frame of the thread that has opened it: what is pending, how it ended, what came back.

use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::facade::{Mutex, lock};
use crate::base::unwind::{self, Payload};
use crate::push::shared::PushShared;
use crate::sync::latch::{Latch, LatchResult};
use crate::task::counts::TaskCounts;
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, Words};
use crate::task::work::Unstarted;

/// A scope, on the frame of whoever opened it.
pub struct ScopeState {
    /// Tasks that have not ended, and one for the frame itself while it may spawn.
    pub pending: AtomicUsize,
    /// Set by the last task, if the frame has come to its end before.
    pub end: Latch,
    /// The first panic of a task.
    pub panic: Mutex<Option<Payload>>,
    /// A task has been thrown away by the end of the pool.
    pub incomplete: AtomicBool,
    /// The scope in whose task (or frame) this one was opened, or null.
    pub parent: *const ScopeState,
    shared: NonNull<PushShared>,
    /// Tasks for the worker that waits: spawned by threads that are no workers, or handed back by one that had taken
    /// them. A queue of the pool holds a [`ProxyTask`] for each.
    pub returned: OnceLock<Arc<Returned>>,
    /// Whether the thread that opened it acts as a worker of the pool.
    pub is_on_worker: bool,
}

type Returned = Mutex<VecDeque<Task>>;

// SAFETY: the pointers are read only, and what is behind them lives longer; the rest is made to be shared.
unsafe impl Sync for ScopeState {}

impl ScopeState {
    pub fn new(shared: &PushShared, parent: *const ScopeState, is_on_worker: bool) -> Self {
        ScopeState {
            pending: AtomicUsize::new(1),
            end: Latch::new(),
            panic: Mutex::new(None),
            incomplete: AtomicBool::new(false),
            parent,
            shared: NonNull::from(shared),
            returned: OnceLock::new(),
            is_on_worker,
        }
    }

    /// The pool.
    pub fn shared(&self) -> &PushShared {
        // SAFETY: whoever opened the scope has borrowed the pool until the end of it.
        unsafe { self.shared.as_ref() }
    }

    /// Whether this scope is `ancestor`, or was opened inside of it.
    pub fn descends_from(&self, ancestor: *const ScopeState) -> bool {
        let mut scope: *const ScopeState = self;
        // SAFETY: null, or a scope that cannot end before this one (see the module's text).
        while let Some(this) = unsafe { scope.as_ref() } {
            if std::ptr::eq(this, ancestor) {
                return true;
            }
            scope = this.parent;
        }
        false
    }

    /// Keeps a task where the worker that waits finds it. Returns the note for the others.
    pub fn keep_for_waiter(&self, task: Task) -> Task {
        let returned = self.returned.get_or_init(Arc::default);
        lock(returned).push_back(task);
        ProxyTask::pack(returned.clone())
    }

    pub fn keep_panic(&self, payload: Payload) {
        let mut kept = lock(&self.panic);
        if kept.is_none() {
            *kept = Some(payload);
        } else {
            drop(kept);
            unwind::drop_silently(payload);
        }
    }

    /// Counts so many tasks more. Only for what is itself counted.
    #[inline]
    pub fn count(&self, tasks: usize) {
        // Relaxed: the caller is counted, so this cannot be the increment that comes too late.
        self.pending.fetch_add(tasks, Ordering::Relaxed);
    }

    /// Counts a task, or the frame itself, as ended.
    ///
    /// # Safety
    /// It is counted, and `this` is alive until then. Nothing of the scope is touched after this.
    pub unsafe fn end_one(this: *const ScopeState) {
        // SAFETY: the caller's promise.
        unsafe { ScopeState::end_many(this, 1) };
    }

    /// # Safety
    /// As for `end_one`, of so many.
    pub unsafe fn end_many(this: *const ScopeState, tasks: usize) {
        // SAFETY: the caller's promise.
        let scope = unsafe { &*this };
        // AcqRel. Release: what the tasks did comes before the end of the scope. Acquire: the last one passes on what all
        // others did.
        if scope.pending.fetch_sub(tasks, Ordering::AcqRel) == tasks {
            // SAFETY: only the last comes here, and whoever opened the scope waits for this.
            unsafe { Latch::set(&raw const scope.end, LatchResult::Done) };
        }
    }
}

/// Gives away a task that a worker has taken and may not run now.
pub fn hand_back(shared: &PushShared, task: Task) {
    // SAFETY: a scope outlives its tasks, and this one is still to be run.
    let scope =
        task.scope().map(|address| unsafe { &*std::ptr::with_exposed_provenance::<ScopeState>(address) });
    match scope {
        Some(scope) if scope.is_on_worker => {
            // Counted in, so that the scope is there for the nudge even if somebody runs the task at once.
            scope.count(1);
            shared.inject(scope.keep_for_waiter(task));
            scope.end.nudge(); // after the fence of the notification
            // SAFETY: counted above.
            unsafe { ScopeState::end_one(scope) };
        }
        _ => shared.inject(task),
    }
}

/// In a queue, in place of a task that its scope keeps. It is counted for the task: the task counts its own end, and the
/// note none.
struct ProxyTask;

impl ProxyTask {
    fn pack(returned: Arc<Returned>) -> Task {
        static TABLE: TaskTable =
            TaskTable { run: ProxyTask::run, discard: ProxyTask::discard, kind: TaskKind::Sent };
        let mut words: Words = [const { Word::uninit() }; 3];
        words[0].write(Arc::into_raw(returned).expose_provenance());
        // SAFETY: the functions expect the address of such a queue, with the count that comes with it.
        unsafe { Task::from_parts(&TABLE, words) }
    }

    /// # Safety
    /// `address` was made by `pack` and is not used again.
    unsafe fn unpack(address: Word) -> Arc<Returned> {
        // SAFETY: `pack` wrote it.
        let address = unsafe { address.assume_init() };
        // SAFETY: it comes from `into_raw`.
        unsafe { Arc::from_raw(std::ptr::with_exposed_provenance(address)) }
    }

    unsafe fn run(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the table.
        let returned = unsafe { Self::unpack(address) };
        let task = lock(&returned).pop_front();
        task.map_or(Finished::Done, |task| task.run(counts))
    }

    unsafe fn discard(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, Payload> {
        // The task stays for whoever waits.
        // SAFETY: the contract of the table.
        drop(unsafe { Self::unpack(address) });
        Ok(Discarded::RunBefore)
    }
}

impl fmt::Debug for ScopeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// Whether `task`, which the caller has for itself, belongs to `scope` or to one opened inside of it.
pub fn belongs(task: &Task, scope: &ScopeState) -> bool {
    let Some(address) = task.scope() else { return false };
    let its_own = std::ptr::with_exposed_provenance::<ScopeState>(address);
    // SAFETY: a scope outlives its tasks, and this one is still to be run.
    unsafe { &*its_own }.descends_from(scope)
}
