//! [`WorkerLocal`]: a value for each worker of a pool, made when a worker first needs it.
//!
//! Each worker has a list of values behind a mutex. Only that worker takes values for use; another thread
//! locks the list only to collect the values. A use removes a value from the list and returns it afterwards.
//! So a second use on the same worker, which begins because a wait in the first use runs another task, finds
//! the list empty and makes a second value. Guarded by `tests/it/behaviour/worker_locals.rs`.

use std::sync::{Arc, Mutex};
use std::{fmt, mem};

use crossbeam_utils::CachePadded;

use crate::api::pool::Pool;
use crate::base::facade::lock;
use crate::runtime::core::Core;
use crate::runtime::current;

/// A value of type `T` for each worker of a pool: a buffer, a cache, a random generator, a partial sum. Made
/// by [`Pool::worker_local`](crate::Pool::worker_local).
///
/// Unlike a `thread_local!`, it belongs to one pool and needs no `static`. The values outlive the workers and
/// the pool: they are dropped with the last clone of this handle, by the thread that drops it. So
/// [`take_all`](WorkerLocal::take_all) after a shutdown returns the values of all workers. A worker that
/// joins later uses the value of the worker that had its number before. Clones share the same values.
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
    /// Values not in use, by the number of the worker. The last list is for threads that are not a worker of
    /// this pool.
    free: Box<[CachePadded<Mutex<Vec<T>>>]>,
}

impl<T: Send + 'static> WorkerLocal<T> {
    pub(crate) fn new(core: &Core, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let free = (0..=core.config.limits.capacity()).map(|_| CachePadded::default()).collect();
        WorkerLocal { values: Arc::new(Values { pool: core.id, make: Box::new(make), free }) }
    }

    /// Calls `f` with the value of the calling worker, and makes the value if there is none.
    ///
    /// A use may begin while another use runs on the same worker: if `f` waits for a task, the worker runs
    /// another task meanwhile. The second use then gets another value, which the worker also keeps. So two
    /// uses never share a value. Threads that are not a worker of the pool share a list of values of their
    /// own.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let buffers = pool.worker_local(|| Vec::<u8>::with_capacity(1 << 16));
    /// let length = pool.submit(move || {
    ///     buffers.with(|buffer| {
    ///         buffer.clear();
    ///         buffer.extend_from_slice(b"hello");
    ///         buffer.len()
    ///     })
    /// })?;
    /// assert_eq!(length.join()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `f`, or of the function that makes values. A value whose use has panicked is dropped.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let list = &self.values.free[self.values.list_here()];
        let spare = lock(list).pop(); // the lock is released before user code runs
        let mut value = spare.unwrap_or_else(|| (self.values.make)());
        let result = f(&mut value);
        lock(list).push(value);
        result
    }

    /// Removes and returns the values of all workers, except those that are in use. The next use on each
    /// worker makes a new value. For adding up partial results.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let sums = pool.worker_local(|| 0u64);
    /// pool.for_each(1..101u64, |n| sums.with(|sum| *sum += n));
    /// assert_eq!(sums.take_all().iter().sum::<u64>(), 5050);
    /// assert!(sums.take_all().is_empty());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn take_all(&self) -> Vec<T> {
        self.values.free.iter().flat_map(|list| mem::take(&mut *lock(list))).collect()
    }
}

impl<T> Values<T> {
    /// The index of the calling thread's list.
    fn list_here(&self) -> usize {
        let not_a_worker = self.free.len() - 1;
        current::with(|worker| match worker {
            Some(worker) if worker.core().id == self.pool => worker.index(),
            _ => not_a_worker,
        })
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
    /// Makes a [`WorkerLocal`]: a value for each worker, made by `make` when the worker first needs it.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let counts = pool.worker_local(|| 0u32);
    /// pool.for_each(0..10, |_| counts.with(|count| *count += 1));
    /// assert_eq!(counts.take_all().iter().sum::<u32>(), 10);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(&self.shared, make)
    }
}
