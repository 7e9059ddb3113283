//! A gate: tasks that pass it wait until the test opens it. It holds workers without a sleep.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use longshore::AnyPool;

use super::{HasPool, PATIENCE};

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    /// Tasks that have arrived at the gate.
    arrived: usize,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn wait(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !condition(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain until {what}");
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The test's side. It opens on drop, so that a failing test releases its pool. Declare it after the pool.
#[derive(Debug, Default)]
pub struct Gate(Arc<Inner>);

/// A task's side.
#[derive(Debug, Clone)]
pub struct Visitor(Arc<Inner>);

impl Gate {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn visitor(&self) -> Visitor {
        Visitor(self.0.clone())
    }

    pub fn open(&self) {
        self.0.state().open = true;
        self.0.changed.notify_all();
    }

    /// Waits until `n` tasks have arrived.
    #[track_caller]
    pub fn wait_for(&self, n: usize) {
        self.0.wait("enough tasks have arrived at the gate", |state| state.arrived >= n);
    }

    /// Submits a task that waits at this gate when its turn comes.
    pub fn hold_later(&self, pool: &impl HasPool) {
        let visitor = self.visitor();
        pool.the_pool().execute_timeout(move || visitor.pass(), PATIENCE).expect("the pool is open");
    }

    /// Blocks `n` workers of `pool` at this gate.
    #[track_caller]
    pub fn hold(&self, pool: &impl HasPool, n: usize) {
        let before = self.0.state().arrived;
        for _ in 0..n {
            let visitor = self.visitor();
            // Waits whatever the overflow policy, because the previous task may not have begun.
            pool.the_pool().execute_timeout(move || visitor.pass(), PATIENCE).expect("the pool is open");
        }
        self.wait_for(before + n);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Visitor {
    /// Waits until the gate is open.
    pub fn pass(&self) {
        self.0.state().arrived += 1;
        self.0.changed.notify_all();
        self.0.wait("the gate was opened", |state| state.open);
    }

    /// Waits until `n` tasks have arrived.
    pub fn wait_for(&self, n: usize) {
        self.0.wait("enough tasks have arrived at the gate", |state| state.arrived >= n);
    }

    /// Whether `n` tasks have arrived. Does not wait.
    pub fn has_come(&self, n: usize) -> bool {
        self.0.state().arrived >= n
    }

    /// Whether the gate is open. Does not wait.
    pub fn is_open(&self) -> bool {
        self.0.state().open
    }
}
