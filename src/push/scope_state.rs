//! The state of a scope, in the frame of the thread that opened it: pending tasks, end, panic, stored tasks.
//!
//! All threads that run or spawn tasks of the scope touch it. It is alive until the count of pending tasks is
//! 0, because the opening thread waits for that. A scope also outlives the scopes opened in its tasks, so all
//! parents of a live scope are alive. How tasks are spawned, run and awaited is in `scope.rs`. Guarded by
//! `tests/it/scopes.rs`, `tests/stress/joins.rs` and the model `latches`.

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
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word, pointer_in, words_with};
use crate::task::work::Unstarted;

/// The state of a scope.
pub struct ScopeState {
    /// Tasks that have not ended, plus one for the frame itself while it may spawn.
    pub pending: AtomicUsize,
    /// Set when `pending` becomes 0.
    pub end: Latch,
    /// The first panic of a task.
    pub panic: Mutex<Option<Payload>>,
    /// Whether a task was discarded because the pool stopped.
    pub incomplete: AtomicBool,
    /// The scope in whose task or frame this one was opened, or null.
    pub parent: *const ScopeState,
    shared: NonNull<PushShared>,
    /// Tasks for the worker that waits: spawned by threads that are no workers, or returned by a worker that
    /// had taken them. A queue of the pool holds a [`ProxyTask`] for each.
    pub stored: OnceLock<Arc<StoredTasks>>,
    /// Whether the thread that opened the scope acts as a worker of the pool.
    pub is_on_worker: bool,
}

type StoredTasks = Mutex<VecDeque<Task>>;

// SAFETY: the two pointers are never written, and point to a scope and a pool that outlive this scope and may
// be shared between threads. All other fields are `Sync`.
unsafe impl Sync for ScopeState {}

impl ScopeState {
    /// A scope of the pool `shared`, opened in a task or the frame of `parent`; null if it is the outermost.
    pub fn new(shared: &PushShared, parent: *const ScopeState, is_on_worker: bool) -> Self {
        ScopeState {
            pending: AtomicUsize::new(1),
            end: Latch::new(),
            panic: Mutex::new(None),
            incomplete: AtomicBool::new(false),
            parent,
            shared: NonNull::from(shared),
            stored: OnceLock::new(),
            is_on_worker,
        }
    }

    /// The pool.
    pub fn shared(&self) -> &PushShared {
        // SAFETY: made from a reference that the opening thread holds until the scope has ended.
        unsafe { self.shared.as_ref() }
    }

    /// Whether this scope is `ancestor` or was opened inside of it.
    pub fn descends_from(&self, ancestor: *const ScopeState) -> bool {
        let mut scope: *const ScopeState = self;
        // SAFETY: null, or a scope that ends after this one, as the head of this file says; only shared
        // references are made.
        while let Some(this) = unsafe { scope.as_ref() } {
            if std::ptr::eq(this, ancestor) {
                return true;
            }
            scope = this.parent;
        }
        false
    }

    /// Stores a task for the worker that waits for this scope. Returns a proxy task for the queues, which
    /// other workers can run instead.
    pub fn keep_for_waiter(&self, task: Task) -> Task {
        let stored = self.stored.get_or_init(Arc::default);
        lock(stored).push_back(task);
        ProxyTask::pack(stored.clone())
    }

    /// Whether a task is stored for the worker that waits.
    pub fn has_stored(&self) -> bool {
        self.stored.get().is_some_and(|stored| !lock(stored).is_empty())
    }

    /// Takes a task that is stored for the worker that waits.
    pub fn take_stored(&self) -> Option<Task> {
        self.stored.get().and_then(|stored| lock(stored).pop_front())
    }

    /// Stores the panic of a task, if it is the first.
    pub fn keep_panic(&self, payload: Payload) {
        let mut kept = lock(&self.panic);
        if kept.is_none() {
            *kept = Some(payload);
        } else {
            drop(kept);
            unwind::drop_silently(payload);
        }
    }

    /// Counts `tasks` more tasks as pending. Called on behalf of the frame or of a task that has not ended.
    #[inline]
    pub fn count(&self, tasks: usize) {
        // Relaxed: that frame or task is counted itself, so the count is not 0, and nothing is published.
        self.pending.fetch_add(tasks, Ordering::Relaxed);
    }

    /// Counts one task, or the frame itself, as ended.
    ///
    /// # Safety
    /// It is counted as pending (which keeps the scope alive), and its end is not counted again. The caller
    /// touches nothing of the scope after this on its behalf.
    pub unsafe fn end_one(this: *const ScopeState) {
        // SAFETY: one task is pending and is counted here only, and the scope is not touched after this; the
        // caller promises that.
        unsafe { ScopeState::end_many(this, 1) };
    }

    /// Counts `tasks` tasks as ended.
    ///
    /// # Safety
    /// They are counted as pending (which keeps the scope alive), and their ends are not counted again. The
    /// caller touches nothing of the scope after this on their behalf.
    pub unsafe fn end_many(this: *const ScopeState, tasks: usize) {
        // SAFETY: pending tasks of the caller keep the scope alive; only shared references are made.
        let scope = unsafe { &*this };
        // AcqRel pairs with itself: the last thread to subtract acquires what the tasks of all other threads
        // have released, and the Release in `Latch::set` passes it on to the waiter. With less, the waiter
        // might not see a task's effects.
        if scope.pending.fetch_sub(tasks, Ordering::AcqRel) == tasks {
            // SAFETY: the opening thread waits for the latch, so it is alive until it is set. Only the thread
            // that brings the count to 0 sets it, once, and touches nothing after that.
            unsafe { Latch::set(&raw const scope.end, LatchResult::Done) };
        }
    }
}

/// The scope that `task` belongs to, if it belongs to one.
///
/// # Safety
/// The scope is alive while the reference is used: this task has not been run or discarded, or another task
/// is pending.
unsafe fn scope_of<'a>(task: &Task) -> Option<&'a ScopeState> {
    let scope = std::ptr::with_exposed_provenance::<ScopeState>(task.scope()?);
    // SAFETY: `Packed::task` exposed the address of a reference to the scope, which is alive; the caller
    // promises that. Only shared references to a scope are made.
    Some(unsafe { &*scope })
}

/// Whether `task`, which the caller has taken, belongs to `scope` or to a scope opened inside of it.
pub fn belongs(task: &Task, scope: &ScopeState) -> bool {
    // SAFETY: the task has been neither run nor discarded.
    unsafe { scope_of(task) }.is_some_and(|its_own| its_own.descends_from(scope))
}

/// Returns a task that a worker has taken and may not run now: to its scope if that waits on a worker, and to
/// all workers by the injector.
pub fn hand_back(shared: &PushShared, task: Task) {
    // SAFETY: until it is injected the task keeps the scope alive, and from then on another count does.
    match unsafe { scope_of(&task) } {
        Some(scope) if scope.is_on_worker => {
            // Keeps the scope alive for the nudge, even if another thread runs the task at once.
            scope.count(1);
            shared.inject(scope.keep_for_waiter(task));
            scope.end.nudge(); // after the fence in `inject`, which notifies
            // SAFETY: counted above, and not touched after this.
            unsafe { ScopeState::end_one(scope) };
        }
        _ => shared.inject(task),
    }
}

/// A task in a queue, in place of a task that its scope stores. It runs that task, if it is still stored.
/// Only the stored task is counted.
struct ProxyTask;

impl ProxyTask {
    fn pack(stored: Arc<StoredTasks>) -> Task {
        static TABLE: TaskTable =
            TaskTable { run: ProxyTask::run, discard: ProxyTask::discard, kind: TaskKind::Structured };
        // SAFETY: the functions of the table expect the pointer of `Arc::into_raw` in the first word, and its
        // reference count becomes theirs. Any thread may call them: the queue is `Send` and `Sync`.
        unsafe { Task::from_parts(&TABLE, words_with(Arc::into_raw(stored))) }
    }

    /// # Safety
    /// `address` is the first word of a task made by `pack`, and is not used again.
    unsafe fn unpack(address: Word) -> Arc<StoredTasks> {
        // SAFETY: `pack` has written the word.
        let stored = unsafe { pointer_in(address) };
        // SAFETY: the address was exposed from the pointer of `Arc::into_raw`, and its reference count is
        // taken over once.
        unsafe { Arc::from_raw(stored.as_ptr()) }
    }

    unsafe fn run(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: a function of the table of `pack` gets the words that `pack` has written, and uses them
        // once.
        let stored = unsafe { Self::unpack(address) };
        let task = lock(&stored).pop_front();
        let Some(task) = task else {
            counts.empty_entry();
            return Finished::Done;
        };
        task.run(counts)
    }

    unsafe fn discard(address: Word, _: Word, _: Word, _: Unstarted) -> Result<Discarded, Payload> {
        // The stored task stays for the worker that waits for the scope.
        // SAFETY: a function of the table of `pack` gets the words that `pack` has written, and uses them
        // once.
        drop(unsafe { Self::unpack(address) });
        Ok(Discarded::RunBefore)
    }
}

impl fmt::Debug for ScopeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("pending", &self.pending).finish_non_exhaustive()
    }
}
