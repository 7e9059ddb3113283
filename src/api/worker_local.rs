//! [`WorkerLocal`]: a value for each worker of a pool, made where it is first needed.
//!
//! Each worker has a list of its own, behind a lock that only others' visits (of the statistics' kind: collecting, dropping)
//! ever make it wait for. A use takes an instance out of the list and puts it back; so one that begins while another runs
//! on the same worker (because a wait inside it runs another task on top) finds the list empty and makes a second one.

use crate::api::pool::Pool;
use std::sync::{Arc, Mutex};
use std::{fmt, mem};

use crossbeam_utils::CachePadded;

use crate::base::facade::lock;
use crate::base::unwind;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::runtime::record::PerWorker;

/// A value of type `T` for each worker of a pool: buffers, caches, random generators, partial sums.
///
/// From [`Pool::worker_local`](crate::Pool::worker_local). Unlike a `thread_local!` it belongs to one pool, needs no
/// `static`, and is dropped with the pool's workers or with the last clone of this, whichever comes first. Clones are
/// handles on the same values.
///
/// ```
/// use longshore::Pool;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let sums = pool.worker_local(|| 0u64);
/// let adding = sums.clone();
/// pool.submit_batch((1..=100u64).map(|n| {
///     let adding = adding.clone();
///     move || adding.with(|sum| *sum += n)
/// }))?
/// .into_iter()
/// .for_each(|handle| handle.join().expect("no panic"));
/// assert_eq!(sums.take_all().iter().sum::<u64>(), 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerLocal<T> {
    values: Arc<Values<T>>,
}

struct Values<T> {
    pool: u32,
    make: Box<dyn Fn() -> T + Send + Sync>,
    /// Instances not in use, by the number of the worker. The last list is for threads that are no worker of this pool.
    free: Box<[CachePadded<Mutex<Vec<T>>>]>,
}

impl<T: Send + 'static> WorkerLocal<T> {
    pub(crate) fn new(core: &Core, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let free = (0..=core.config.limits.capacity()).map(|_| CachePadded::default()).collect();
        let values = Arc::new(Values { pool: core.id, make: Box::new(make), free });
        let per_worker: Arc<dyn PerWorker> = values.clone();
        core.keep_per_worker(&per_worker);
        WorkerLocal { values }
    }

    /// Calls `f` with this worker's value, which is made if there is none yet.
    ///
    /// If a use on the same worker is under way already (`f` has waited for something, and the worker runs another task
    /// meanwhile) a further value is made, and kept as well: so several uses never see one value, and a worker may have
    /// more than one. Threads that are no worker of the pool share a set of values of their own, made in the same way.
    ///
    /// # Panics
    /// As `f` and the function that makes values do. A value whose use panicked is dropped: it may be in pieces.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let list = &self.values.free[self.values.list_here()];
        let spare = lock(list).pop(); // the lock is let go before user code runs
        let mut value = spare.unwrap_or_else(|| (self.values.make)());
        let result = f(&mut value);
        lock(list).push(value);
        result
    }

    /// Takes all values that are not in use just now, those of every worker: to add up what they have collected. The next
    /// use on each worker makes a new one.
    pub fn take_all(&self) -> Vec<T> {
        self.values.free.iter().flat_map(|list| mem::take(&mut *lock(list))).collect()
    }
}

impl<T> Values<T> {
    /// The number of the calling thread's list.
    fn list_here(&self) -> usize {
        let others = self.free.len() - 1;
        current::with(|worker| match worker {
            Some(worker) if worker.core().id == self.pool => worker.index(),
            _ => others,
        })
    }
}

impl<T: Send + 'static> PerWorker for Values<T> {
    fn forget(&self, worker: usize) {
        let values = mem::take(&mut *lock(&self.free[worker]));
        values.into_iter().for_each(unwind::drop_silently);
    }
}

impl<T> Clone for WorkerLocal<T> {
    fn clone(&self) -> Self {
        WorkerLocal { values: self.values.clone() }
    }
}

impl<T> fmt::Debug for WorkerLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerLocal").field("pool", &self.values.pool).finish_non_exhaustive()
    }
}

/// Values for each worker.
impl Pool {
    /// A value for each worker, made by `make` when it is first needed there; see [`WorkerLocal`].
    pub fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(&self.shared, make)
    }
}
