//! What spares tasks of a scope from meeting at its count.
//!
//! The count of a scope's pending tasks is one place that all workers write to, at each spawn and each end. Most tasks of a
//! tree are spawned and run by the same worker. So a worker keeps the ends of tasks for itself and spends them on the next
//! that it spawns, and the count changes once in many tasks. (Two workers that ran a tree of empty tasks took three times
//! as long without this.) Before a worker does anything but run tasks of this scope, it *settles*: the scope must not wait
//! for more than its tasks.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::push::scope_state::ScopeState;

/// Ends of tasks of one scope that ran on one worker, which the scope still counts as pending.
#[derive(Debug, Default)]
pub struct BatchedCount {
    /// Null if there is none. The scope is alive as long as there is some, for it waits.
    scope: Cell<Option<NonNull<ScopeState>>>,
    ends: Cell<usize>,
}

/// Tasks that a worker has counted at once.
const CHUNK: usize = 64;

impl BatchedCount {
    /// Whether there is no credit but of the scope at this address.
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
    /// As for `ScopeState::end_one`.
    #[inline]
    pub unsafe fn count_end(&self, scope: *const ScopeState) {
        let scope = NonNull::new(scope.cast_mut());
        if self.scope.get() != scope {
            self.flush();
            self.scope.set(scope);
        }
        self.ends.set(self.ends.get() + 1);
    }

    /// Tells the scope.
    #[inline]
    pub fn flush(&self) {
        if self.scope.get().is_some() {
            self.flush_now();
        }
    }

    #[cold]
    fn flush_now(&self) {
        let (Some(scope), ends) = (self.scope.take(), self.ends.take()) else { return };
        if ends > 0 {
            // SAFETY: so many are counted and have ended, or were counted for tasks that were never spawned.
            unsafe { ScopeState::end_many(scope.as_ptr(), ends) };
        }
    }
}
