//! executors' work-stealing pool, with the parker that its documentation advises for the number of threads.
//! Inside a task, `execute_locally` puts work on the worker's own deque.

use executors::Executor;
use executors::crossbeam_workstealing_pool::{ThreadPool, execute_locally, large_pool, small_pool};
use executors::futures_executor::FuturesExecutor;
use executors::parker::{LargeThreadData, SmallThreadData, StaticParker};
use futures_lite::future::block_on;

use super::{Execute, Return, Rival, Spawner};

/// The most threads of the parker that keeps its state in one 64-bit word.
const SMALL: usize = 32;

/// The pool, with the parker that its size asks for.
pub enum Executors {
    /// Up to [`SMALL`] threads.
    Small(ThreadPool<StaticParker<SmallThreadData>>),
    /// More.
    Large(ThreadPool<StaticParker<LargeThreadData>>),
}

/// The same expression for either kind of pool.
macro_rules! either {
    ($pool:expr, $inner:ident => $body:expr) => {
        match $pool {
            Executors::Small($inner) => $body,
            Executors::Large($inner) => $body,
        }
    };
}

impl Rival for Executors {
    const MAX_WORKERS: usize = 64;

    fn new(workers: usize) -> Self {
        if workers <= SMALL { Self::Small(small_pool(workers)) } else { Self::Large(large_pool(workers)) }
    }

    fn finish(self) {
        either!(self, pool => pool.shutdown()).expect("an orderly end");
    }
}

impl Execute for Executors {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        either!(self, pool => pool.execute(task));
    }

    fn spawner(&'static self) -> impl Spawner {
        Inside
    }
}

/// A worker finds its own pool.
#[derive(Clone, Copy)]
struct Inside;

impl Spawner for Inside {
    #[inline]
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        assert!(execute_locally(task).is_ok(), "not on a worker");
    }
}

impl Return for Executors {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        block_on(either!(self, pool => pool.spawn(async move { task() })))
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, mut check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| either!(self, pool => pool.spawn(async move { task() }))));
        block_on(async {
            for handle in handles {
                check(handle.await);
            }
        });
    }
}
