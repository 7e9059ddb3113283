//! rayon: `spawn` from outside, `install` to call and wait, a scope for tasks that spawn tasks. It has no
//! handles; a oneshot channel carries the result.

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

use crate::ledger;

use super::{Execute, Partitioned, Return, Rival, collect_by_channel};

/// The pool of rayon.
pub struct Rayon(ThreadPool);

impl Rival for Rayon {
    fn new(workers: usize) -> Self {
        Self(ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool"))
    }
}

impl Execute for Rayon {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.spawn(task);
    }

    fn tree(&'static self, depth: u32) {
        self.0.scope(|scope| branch(scope, depth, 1));
    }
}

/// One task of the tree, as a task of the scope.
fn branch<'scope>(scope: &Scope<'scope>, depth: u32, number: u64) {
    ledger::enter(number);
    if depth > 0 {
        scope.spawn(move |scope| branch(scope, depth - 1, 2 * number));
        scope.spawn(move |scope| branch(scope, depth - 1, 2 * number + 1));
    }
}

impl Return for Rayon {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        self.0.install(task)
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        collect_by_channel(self, tasks, check);
    }
}

impl Partitioned for Rayon {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, _partition: usize, task: F) {
        self.execute(task);
    }
}
