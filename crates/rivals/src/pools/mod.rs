//! The competitors: one file each, behind traits that say what a competitor offers.
//!
//! Everything is dispatched statically (the macros of `registry` expand a row's generic function once for
//! each competitor), so that no competitor pays for a box, a virtual call or a clone that its own API does
//! not ask for. Where an API leaves a choice, each competitor gets its fastest idiom. Pools live in `static`
//! references (a leaked box), so that a task that spawns carries a plain reference and no competitor has to
//! count references to its pool.

pub(crate) mod affinity;
pub(crate) mod channel;
pub(crate) mod executors;
#[cfg(feature = "forte")]
pub(crate) mod forte;
pub(crate) mod in_place;
pub(crate) mod longshore;
pub(crate) mod mutex;
pub(crate) mod optional;
pub(crate) mod parkring;
pub(crate) mod rayon;
mod registry;
pub(crate) mod rusty;
pub(crate) mod std_thread;
pub(crate) mod threadpool;
pub(crate) mod tokio;

use crate::ledger;
use crate::outcome::Failure;

pub use registry::{
    BOUNDED, BURST, CENTRAL, ELASTIC, HISTOGRAMS, LOCAL, NAMES, SIDE_BY_SIDE, TICKETS, TO_IDEAL, is_known,
    is_ours,
};
pub(crate) use registry::{batching, bounding, bursting, choosing, executing, locating, opting, returning};

/// A pool that can be made and taken down again.
pub trait Rival: Sized + Send + Sync + 'static {
    /// The most workers that it can have.
    const MAX_WORKERS: usize = usize::MAX;

    /// The most tasks of a workload for which it makes sense.
    const MOST_TASKS: u64 = u64::MAX;

    /// Makes the pool with so many workers.
    fn new(workers: usize) -> Self;

    /// How many workers it has now, where that changes by itself.
    fn size(&self) -> Option<usize> {
        None
    }

    /// Takes the pool down in the most thorough way that it offers.
    fn finish(self) {
        drop(self);
    }
}

/// Fire and forget.
pub trait Execute: Rival {
    /// The caller does the work itself, there and then: the floor of each row.
    const IN_PLACE: bool = false;

    /// Any number of tasks may wait; where this is false, a producer that is ahead is held back.
    const UNBOUNDED: bool = true;

    /// A task that blocks may hold up others while a worker has nothing to do.
    const STRANDS: bool = false;

    /// Hands over one task, from outside the pool.
    fn execute<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static;

    /// What a task of this pool carries to hand over more tasks, if it is not a scope or the like.
    fn spawner(&'static self) -> impl Spawner {
        FromOutside(self)
    }

    /// A binary tree of tasks of this depth: each enters its number in the ledger (the root is 1, the
    /// children of n are 2n and 2n + 1) and spawns its children. Returns when the root has been handed over,
    /// or later.
    fn tree(&'static self, depth: u32) {
        let spawner = self.spawner();
        self.execute(move || branch(spawner, depth, 1));
    }
}

/// Hands over tasks from inside a task.
pub trait Spawner: Copy + Send + 'static {
    /// Hands over one task.
    fn spawn<F>(self, task: F)
    where
        F: FnOnce() + Send + 'static;
}

/// For pools that take a task from their own workers by the same call as from any other thread.
struct FromOutside<R: 'static>(&'static R);

impl<R> Clone for FromOutside<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for FromOutside<R> {}

impl<R: Execute> Spawner for FromOutside<R> {
    #[inline]
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        self.0.execute(task);
    }
}

/// One task of [`Execute::tree`].
fn branch<S: Spawner>(spawner: S, depth: u32, number: u64) {
    ledger::enter(number);
    if depth > 0 {
        spawner.spawn(move || branch(spawner, depth - 1, 2 * number));
        spawner.spawn(move || branch(spawner, depth - 1, 2 * number + 1));
    }
}

/// Tasks with results.
pub trait Return: Rival {
    /// Hands over one task, waits for it and returns its result.
    fn call<F>(&self, task: F) -> u64
    where
        F: FnOnce() -> u64 + Send + 'static;

    /// Hands over `tasks`, then asks each handle for its result, in order, and gives it to `check`.
    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static;
}

/// Tasks that belong to data.
pub trait Partitioned: Rival {
    /// Hands over a task that visits the partition of this number, from outside the pool.
    fn visit<F>(&self, partition: usize, task: F)
    where
        F: FnOnce() + Send + 'static;
}

/// Many tasks by one call.
pub trait Batch: Execute {
    /// Hands over all of them, from outside the pool.
    fn execute_batch<F>(&self, tasks: impl Iterator<Item = F>)
    where
        F: FnOnce() + Send + 'static;
}

/// [`Return::collect`] for pools without handles of their own: a oneshot channel for each task.
pub fn collect_by_channel<R, F>(pool: &R, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
where
    R: Execute,
    F: FnOnce() -> u64 + Send + 'static,
{
    let mut handles = Vec::with_capacity(tasks.len());
    handles.extend(tasks.map(|task| {
        let (sender, receiver) = oneshot::channel();
        pool.execute(move || drop(sender.send(task())));
        receiver
    }));
    handles.into_iter().map(|handle| handle.recv().expect("the task was dropped")).for_each(check);
}

/// [`Return::call`] for pools without handles of their own.
pub fn call_by_channel<R, F>(pool: &R, task: F) -> u64
where
    R: Execute,
    F: FnOnce() -> u64 + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    pool.execute(move || drop(sender.send(task())));
    receiver.recv().expect("the task was dropped")
}

/// Makes a pool that lives until the process ends, for a workload of so many tasks at full scale.
pub fn leak<R: Rival>(workers: usize, tasks: u64) -> Result<&'static R, Failure> {
    if workers > R::MAX_WORKERS || tasks > R::MOST_TASKS {
        return Err(Failure::NotOffered);
    }
    Ok(Box::leak(Box::new(R::new(workers))))
}
