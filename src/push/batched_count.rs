//! Batched counting of a scope's tasks, so that workers rarely write the scope's shared count.
//!
//! The count of pending tasks of a scope is one word that all workers would write, at each spawn and at each
//! end. Most tasks of a tree are spawned and run by the same worker. So a worker counts 64 tasks in advance,
//! stores the ends of tasks locally, and uses them up for the tasks that it spawns next. (Two workers that
//! ran a tree of empty tasks took three times as long without this.) Before a worker does anything else than
//! run tasks of this scope it *flushes* its count, because the scope must not wait for more than its tasks.
//!
//! Part of the owner half of a worker: no other thread touches it. Guarded by `tests/it/scopes.rs` and
//! `tests/stress/joins.rs`.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use crate::push::scope_state::ScopeState;

/// By how much the count of a scope exceeds the number of its tasks that have not ended.
#[derive(Debug, Default)]
pub struct BatchedCount {
    /// The scope, which is alive as long as `ends` is not 0, because it waits for these tasks.
    scope: Cell<Option<NonNull<ScopeState>>>,
    ends: Cell<usize>,
}

/// Tasks that a worker adds to the scope's count at once.
const CHUNK: usize = 64;

impl BatchedCount {
    /// Whether nothing is stored for another scope than the one at this address.
    #[inline]
    pub fn is_of(&self, scope: Option<usize>) -> bool {
        self.scope.get().is_none_or(|own| Some(own.addr().get()) == scope)
    }

    /// Counts a new task of `scope`.
    #[inline]
    pub fn count_spawn(&self, scope: &ScopeState) {
        if self.scope.get() != Some(NonNull::from(scope)) || self.ends.get() == 0 {
            self.flush();
            scope.count(CHUNK);
            self.scope.set(Some(NonNull::from(scope)));
            self.ends.set(CHUNK);
        }
        self.ends.set(self.ends.get() - 1);
    }

    /// Counts the end of a task of `scope`.
    ///
    /// # Safety
    /// The task is counted as pending, and the caller does not count its end again. The scope is alive, and
    /// the caller touches nothing of it after this call on behalf of the task.
    #[inline]
    pub unsafe fn count_end(&self, scope: *const ScopeState) {
        let scope = NonNull::new(scope.cast_mut());
        if self.scope.get() != scope {
            self.flush();
            self.scope.set(scope);
        }
        self.ends.set(self.ends.get() + 1);
    }

    /// Subtracts the stored ends from the scope's count.
    #[inline]
    pub fn flush(&self) {
        if self.scope.get().is_some() {
            self.flush_now();
        }
    }

    /// Subtracts the stored ends if they are the last of `scope`, which then ends.
    #[inline]
    pub fn flush_last_of(&self, scope: &ScopeState) {
        let is_stored = self.scope.get() == Some(NonNull::from(scope));
        // Relaxed: if the count is greater, some task has not ended, or its worker has yet to report it, and
        // that worker ends the scope. If it is equal, no other thread changes it any more.
        if is_stored && scope.pending.load(Ordering::Relaxed) == self.ends.get() {
            self.flush_now();
        }
    }

    #[cold]
    fn flush_now(&self) {
        let (Some(scope), ends) = (self.scope.take(), self.ends.take()) else { return };
        if ends > 0 {
            // SAFETY: `ends` tasks are counted as pending and have ended, or were counted in advance and
            // never spawned. The scope waits until its count is 0, so it is alive; it is not touched after
            // this.
            unsafe { ScopeState::end_many(scope.as_ptr(), ends) };
        }
    }
}
