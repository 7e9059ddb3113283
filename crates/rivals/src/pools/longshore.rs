//! Longshore's pools, of either kind. Inside a task, the free functions find the worker's own pool.

use longshore::{AnyPool, Pinning, Pool, PullPool};

use super::{Batch, Execute, Partitioned, Return, Rival, Spawner};

/// A pool of one of the two kinds.
pub struct Longshore<P>(pub(super) P);

/// `push`.
pub type Push = Longshore<Pool>;

/// `pull`.
pub type Pull = Longshore<PullPool>;

impl<P: AnyPool> Rival for Longshore<P> {
    fn new(workers: usize) -> Self {
        Self(P::builder().workers(workers).build().expect("a pool"))
    }
}

impl<P: AnyPool> Execute for Longshore<P> {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.execute(task).is_ok(), "refused");
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
        assert!(longshore::execute(task).is_ok(), "refused");
    }
}

impl<P: AnyPool> Return for Longshore<P> {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        let Ok(handle) = self.0.submit(task) else { panic!("refused") };
        handle.join().expect("a result")
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| {
            let Ok(handle) = self.0.submit(task) else { panic!("refused") };
            handle
        }));
        handles.into_iter().map(|handle| handle.join().expect("a result")).for_each(check);
    }
}

impl<P: AnyPool> Batch for Longshore<P> {
    fn execute_batch<F: FnOnce() + Send + 'static>(&self, tasks: impl Iterator<Item = F>) {
        assert!(self.0.execute_batch(tasks).is_ok(), "refused");
    }
}

/// A partition for each worker, so its number is that of a worker. (A pool that pulls has no queue to send it
/// to.)
impl<P: AnyPool> Partitioned for Longshore<P> {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, partition: usize, task: F) {
        let worker = partition % self.0.workers();
        assert!(self.0.task().worker(worker).execute(task).is_ok(), "refused");
    }
}

/// A pool that pushes, whose user does not say where a task belongs.
pub struct Unaddressed(Push);

impl Rival for Unaddressed {
    fn new(workers: usize) -> Self {
        Self(Push::new(workers))
    }
}

impl Partitioned for Unaddressed {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, _partition: usize, task: F) {
        self.0.execute(task);
    }
}

/// A pool that pushes, whose user names the data by a key.
pub struct Keyed(Push);

impl Rival for Keyed {
    fn new(workers: usize) -> Self {
        Self(Push::new(workers))
    }
}

impl Partitioned for Keyed {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, partition: usize, task: F) {
        assert!(self.0.0.task().key(partition).execute(task).is_ok(), "refused");
    }
}

/// The same, each worker bound to a core of its own.
pub struct Pinned<R>(R);

impl<P: AnyPool> Rival for Pinned<Longshore<P>> {
    fn new(workers: usize) -> Self {
        let builder = P::builder().workers(workers).pinning(Pinning::Spread);
        Self(Longshore(builder.build().expect("a pool")))
    }
}

impl<P: AnyPool> Partitioned for Pinned<Longshore<P>> {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, partition: usize, task: F) {
        self.0.visit(partition, task);
    }
}

/// Tasks that the bounded pools let wait: as many as the bounded channel.
const CAPACITY: usize = 1024;

/// The same with a bounded queue. A producer that is ahead waits.
pub struct Bounded<R>(R);

impl<P: AnyPool> Rival for Bounded<Longshore<P>> {
    fn new(workers: usize) -> Self {
        let builder = P::builder().workers(workers).queue_capacity(CAPACITY);
        Self(Longshore(builder.build().expect("a pool")))
    }
}

impl<P: AnyPool> Execute for Bounded<Longshore<P>> {
    const UNBOUNDED: bool = false;

    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task);
    }

    fn spawner(&'static self) -> impl Spawner {
        self.0.spawner()
    }
}
