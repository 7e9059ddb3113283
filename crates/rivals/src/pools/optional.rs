//! Longshore's pools with an ability in use that is off unless one asks for it.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use longshore::{AnyPool, CancelToken, Histograms, Pool, PoolBuilder, Priority, Scaling};

use super::longshore::{Longshore, Push};
use super::{Execute, Rival, Spawner};

/// How long the growing pools keep a worker that has nothing to do: long beside a burst's gaps, short for who
/// waits for it.
pub const IDLE_TIMEOUT: Duration = Duration::from_millis(100);

fn made<P: AnyPool>(builder: PoolBuilder<P>) -> Longshore<P> {
    Longshore(builder.build().expect("a pool"))
}

/// One worker as long as it has nothing to do, and up to the number that the others have.
pub struct Growing<R>(R);

impl<P: AnyPool> Rival for Growing<Longshore<P>> {
    fn new(workers: usize) -> Self {
        let scaling = Scaling::balanced().idle_timeout(IDLE_TIMEOUT);
        Self(made(P::builder().workers(1..=workers).scaling(scaling)))
    }

    fn size(&self) -> Option<usize> {
        Some(self.0.0.workers())
    }
}

/// The same, and a worker for every task that finds no idle worker.
pub struct Eager(Push);

impl Rival for Eager {
    fn new(workers: usize) -> Self {
        let scaling = Scaling::eager().idle_timeout(IDLE_TIMEOUT);
        Self(made(Pool::builder().workers(1..=workers).scaling(scaling)))
    }

    fn size(&self) -> Option<usize> {
        Some(self.0.0.workers())
    }
}

/// Twice as many workers as the others if it sees a need for them.
pub struct Elastic<R>(R);

impl<P: AnyPool> Rival for Elastic<Longshore<P>> {
    fn new(workers: usize) -> Self {
        Self(made(P::builder().workers(workers..=2 * workers)))
    }

    fn size(&self) -> Option<usize> {
        Some(self.0.0.workers())
    }
}

/// As many workers as the others, which has come to be because they were needed, and cannot be more.
pub struct Grown<R>(R);

impl<P: AnyPool> Rival for Grown<Longshore<P>> {
    fn new(workers: usize) -> Self {
        // Keeps them for longer than any measurement takes.
        let pool = made(P::builder().workers(1..=workers).scaling(Scaling::eager()));
        let all_there = Arc::new(Barrier::new(workers + 1));
        for _ in 0..workers {
            let all_there = Arc::clone(&all_there);
            pool.execute(move || {
                all_there.wait();
            });
        }
        all_there.wait();
        Self(pool)
    }

    fn size(&self) -> Option<usize> {
        Some(self.0.0.workers())
    }
}

/// Measures how long some of its tasks wait and run.
pub struct Sampled<R>(R);

impl<P: AnyPool> Rival for Sampled<Longshore<P>> {
    fn new(workers: usize) -> Self {
        Self(made(P::builder().workers(workers).histograms(Histograms::Sampled)))
    }
}

/// Measures how long each of its tasks waits and runs.
pub struct Timed<R>(R);

impl<P: AnyPool> Rival for Timed<Longshore<P>> {
    fn new(workers: usize) -> Self {
        Self(made(P::builder().workers(workers).histograms(Histograms::All)))
    }
}

/// Those that differ in how they are made, and hand over tasks as all do.
macro_rules! execute_as_all {
    ($($pool:ident<$inner:ident>),*) => {$(
        impl<P: AnyPool> Execute for $pool<$inner<P>> {
            #[inline]
            fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
                self.0.execute(task);
            }

            fn spawner(&'static self) -> impl Spawner {
                self.0.spawner()
            }
        }
    )*};
}

execute_as_all!(
    Growing<Longshore>,
    Elastic<Longshore>,
    Grown<Longshore>,
    Sampled<Longshore>,
    Timed<Longshore>
);

impl Execute for Eager {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task);
    }

    fn spawner(&'static self) -> impl Spawner {
        self.0.spawner()
    }
}

/// Each task says its priority, which is the usual one.
pub struct Prioritised<R>(R);

impl<P: AnyPool> Rival for Prioritised<Longshore<P>> {
    fn new(workers: usize) -> Self {
        Self(made(P::builder().workers(workers)))
    }
}

impl<P: AnyPool> Execute for Prioritised<Longshore<P>> {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.0.task().priority(Priority::Normal).execute(task).is_ok(), "refused");
    }
}

/// Each task looks at a token, the same for all, whether it is cancelled; it never is.
pub struct Tokened<R>(R, CancelToken);

impl<P: AnyPool> Rival for Tokened<Longshore<P>> {
    fn new(workers: usize) -> Self {
        Self(made(P::builder().workers(workers)), CancelToken::new())
    }
}

impl<P: AnyPool> Execute for Tokened<Longshore<P>> {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.0.task().token(&self.1).execute(task).is_ok(), "refused");
    }
}
