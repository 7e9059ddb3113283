//! [`Pool::map_unordered`] and [`Pool::map_ordered`]: an iterator over results, with a bound on the items in
//! flight.
//!
//! The thread that iterates (the reader) draws the items and submits a task for each. The tasks append their
//! results to a list behind a mutex, which reader and tasks share, and wake the reader. Guarded by
//! `tests/loops`.

use std::collections::{BTreeMap, VecDeque};
use std::iter::FusedIterator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::{fmt, panic};

use crate::api::pool::Pool;
use crate::base::facade::{Mutex, MutexGuard, lock};
use crate::base::unwind::{self, Payload};
use crate::runtime::current;
use crate::runtime::wait::Awaited;
use crate::submit::single;
use crate::task::counts::TaskCounts;

/// Items in flight for each worker: one running task, one waiting task, and two results that the reader has
/// not taken.
const PER_WORKER: usize = 4;

/// Streams of results.
impl Pool {
    /// Calls `map` for each item on the pool and yields the results in the order in which the calls end.
    ///
    /// At most four items for each worker are in flight: submitted, with a result that has not been taken. So
    /// neither a long input nor a slow reader uses much memory. The thread that takes the results draws the
    /// items. Dropping the iterator cancels the items that have not started.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut squares: Vec<u64> = pool.map_unordered(0..10u64, |n| n * n).collect();
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// The iterator's `next` panics with the panic of a call of `map`, or if a shutdown or a purge has
    /// discarded an item. The other calls continue, and `next` may be called again.
    #[doc(alias = "par_bridge")]
    pub fn map_unordered<I, T, F>(&self, items: I, map: F) -> MapUnordered<'_, I::IntoIter, T, F>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        MapUnordered {
            pool: self,
            items: items.into_iter().fuse(),
            work: Arc::new(StreamWork {
                map,
                output: Mutex::default(),
                is_cancelled: AtomicBool::new(false),
            }),
            submitted: 0,
            in_flight: 0,
        }
    }

    /// Calls `map` for each item on the pool and yields the results in the order of the items.
    ///
    /// The bound is that of [`Pool::map_unordered`]: four items for each worker are in flight. So while the
    /// oldest item runs for long, at most that many other items are finished ahead of it.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.map_ordered(0..10u64, |n| n * n).eq((0..10).map(|n| n * n)));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// The iterator's `next` panics, in the place of the item, with the panic of a call of `map`, or if a
    /// shutdown or a purge has discarded the item. The other calls continue, and `next` may be called again.
    pub fn map_ordered<I, T, F>(&self, items: I, map: F) -> MapOrdered<'_, I::IntoIter, T, F>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        MapOrdered { results: self.map_unordered(items, map), early: BTreeMap::new(), yielded: 0 }
    }
}

/// An iterator over results in the order in which they arrive. Made by [`Pool::map_unordered`].
#[must_use = "iterators are lazy: no item is submitted before the first call of `next`"]
pub struct MapUnordered<'p, I: Iterator, T, F> {
    pool: &'p Pool,
    items: std::iter::Fuse<I>,
    work: Arc<StreamWork<T, F>>,
    /// How many items were submitted so far.
    submitted: usize,
    /// How many submitted items have a result that has not been taken.
    in_flight: usize,
}

/// An iterator over results in the order of their items. Made by [`Pool::map_ordered`].
#[must_use = "iterators are lazy: no item is submitted before the first call of `next`"]
pub struct MapOrdered<'p, I: Iterator, T, F> {
    results: MapUnordered<'p, I, T, F>,
    /// Results that arrived before their turn, by the number of the item. At most as many as items in flight.
    early: BTreeMap<usize, Result<T, Payload>>,
    /// How many results were yielded so far: the number of the next item.
    yielded: usize,
}

/// What the reader and the tasks of a stream share.
struct StreamWork<T, F> {
    map: F,
    output: Mutex<Output<T>>,
    /// The reader has dropped the iterator.
    is_cancelled: AtomicBool,
}

/// Results that have arrived, and the waiting reader.
struct Output<T> {
    /// With the numbers of their items.
    results: VecDeque<(usize, Result<T, Payload>)>,
    reader: Option<Thread>,
}

impl<T> Default for Output<T> {
    fn default() -> Self {
        Output { results: VecDeque::new(), reader: None }
    }
}

impl<T, F> StreamWork<T, F> {
    fn output(&self) -> MutexGuard<'_, Output<T>> {
        lock(&self.output)
    }

    /// Appends the result of item `number` and wakes the reader.
    fn push(&self, number: usize, result: Result<T, Payload>) {
        let mut output = self.output();
        output.results.push_back((number, result));
        let reader = output.reader.take();
        drop(output);
        if let Some(reader) = reader {
            reader.unpark();
        }
    }
}

/// The task of one item. It pushes a result in any case, also when it is dropped without running.
struct ItemTask<A, T, F> {
    work: Arc<StreamWork<T, F>>,
    number: usize,
    item: Option<A>,
}

impl<A, T, F: Fn(A) -> T> ItemTask<A, T, F> {
    fn run(mut self) {
        let Some(item) = self.item.take() else { return };
        // Relaxed: a hint that may arrive late. A task that misses it runs, and its result is dropped with
        // `work`.
        if !self.work.is_cancelled.load(Ordering::Relaxed) {
            let result = unwind::catch(|| (self.work.map)(item));
            self.work.push(self.number, result);
        }
    }
}

impl<A, T, F> Drop for ItemTask<A, T, F> {
    fn drop(&mut self) {
        if self.item.is_some() {
            self.work.push(self.number, Err(Box::new("the pool has discarded an item of the stream")));
        }
    }
}

impl<I, T, F> MapUnordered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
    /// Submits items until as many as allowed are in flight.
    fn submit_more(&mut self) {
        while self.in_flight < PER_WORKER * self.pool.workers() {
            let Some(item) = self.items.next() else { return };
            let number = self.submitted;
            self.submitted += 1;
            self.in_flight += 1;
            let task = ItemTask { work: self.work.clone(), number, item: Some(item) };
            if let Err(refused) = single::execute_anyway(&*self.pool.shared, move || task.run()) {
                // The pool is closed, so the reader runs the task.
                refused.into_inner()();
            }
        }
    }

    /// Waits for the next result and returns it with the number of its item. At least one item must be in
    /// flight.
    fn receive(&mut self) -> (usize, Result<T, Payload>) {
        loop {
            if let Some(result) = self.work.output().results.pop_front() {
                return result;
            }
            let mut awaited = NextResult { work: &*self.work, pool: self.pool.shared.id };
            let _ = current::wait_until(&mut awaited, None);
        }
    }
}

impl<I, T, F> Iterator for MapUnordered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.submit_more();
        if self.in_flight == 0 {
            return None;
        }
        let (_, result) = self.receive();
        self.in_flight -= 1;
        Some(result.unwrap_or_else(|payload| panic::resume_unwind(payload)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.items.size_hint();
        (least.saturating_add(self.in_flight), most.and_then(|most| most.checked_add(self.in_flight)))
    }
}

impl<I: Iterator, T, F> FusedIterator for MapUnordered<'_, I, T, F> where Self: Iterator {}

impl<I, T, F> Iterator for MapOrdered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.results.submit_more();
        if self.results.in_flight == 0 {
            return None;
        }
        let result = loop {
            if let Some(result) = self.early.remove(&self.yielded) {
                break result;
            }
            let (number, result) = self.results.receive();
            if number == self.yielded {
                break result;
            }
            self.early.insert(number, result);
        };
        self.yielded += 1;
        self.results.in_flight -= 1;
        Some(result.unwrap_or_else(|payload| panic::resume_unwind(payload)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.results.size_hint()
    }
}

impl<I: Iterator, T, F> FusedIterator for MapOrdered<'_, I, T, F> where Self: Iterator {}

impl<I: Iterator, T, F> fmt::Debug for MapOrdered<'_, I, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOrdered").field("yielded", &self.yielded).finish_non_exhaustive()
    }
}

impl<I: Iterator, T, F> Drop for MapUnordered<'_, I, T, F> {
    fn drop(&mut self) {
        self.work.is_cancelled.store(true, Ordering::Relaxed);
    }
}

impl<I: Iterator, T, F> fmt::Debug for MapUnordered<'_, I, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// The arrival of the next result, which the reader waits for.
struct NextResult<'a, T, F> {
    work: &'a StreamWork<T, F>,
    pool: u32,
}

impl<T, F> Awaited for NextResult<'_, T, F> {
    fn is_done(&self) -> bool {
        !self.work.output().results.is_empty()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    fn run_here(&mut self, _: &TaskCounts) -> bool {
        // The result may come from any task of the stream. A worker runs the tasks that it has submitted
        // meanwhile.
        false
    }

    fn unpark_me(&mut self) {
        let mut output = self.work.output();
        if output.results.is_empty() {
            output.reader = Some(thread::current());
        } else {
            thread::current().unpark(); // a result has arrived: the park that follows returns at once
        }
    }
}
