//! [`Pool::map_unordered`] and [`Pool::map_ordered`]: a stream of results, with a bound on how many are under way.

use std::collections::VecDeque;
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

/// Tasks under way for each worker: one that runs, one that waits behind it, and two results that nobody has taken yet.
const PER_WORKER: usize = 4;

impl Pool {
    /// Calls `map` for each item on the pool and yields what it returns, in the order in which the calls end.
    ///
    /// Works as it is asked: at most four items for each worker are under way, results that have not been taken among
    /// them, so that neither a long input nor a slow reader takes memory. `items` is asked for its next item by the
    /// thread that takes the results. Dropping the iterator gives up what has not started.
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
    /// The iterator's `next` panics with the panic of a call, and if an item is thrown away by a shutdown, a purge or a full
    /// pool that drops tasks; the other calls go on, and it may be asked again.
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
            work: Arc::new(StreamWork { map, mail: Mutex::default(), is_given_up: AtomicBool::new(false) }),
            submitted: 0,
            under_way: 0,
        }
    }

    /// As [`Pool::map_unordered`], but yields the results in the order of the items. While the oldest item under way takes
    /// its time the others wait for it, within the same bound: a long item holds up at most four for each worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.map_ordered(0..10u64, |n| n * n).eq((0..10).map(|n| n * n)));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As there; the panic comes in its item's place.
    pub fn map_ordered<I, T, F>(&self, items: I, map: F) -> MapOrdered<'_, I::IntoIter, T, F>
    where
        I: IntoIterator,
        I::Item: Send + 'static,
        T: Send + 'static,
        F: Fn(I::Item) -> T + Send + Sync + 'static,
    {
        MapOrdered { results: self.map_unordered(items, map), early: VecDeque::new(), yielded: 0 }
    }
}

/// Results as they come. Made by [`Pool::map_unordered`].
#[must_use = "it does nothing until it is asked for results"]
pub struct MapUnordered<'p, I: Iterator, T, F> {
    pool: &'p Pool,
    items: std::iter::Fuse<I>,
    work: Arc<StreamWork<T, F>>,
    /// Items submitted so far.
    submitted: usize,
    /// Submitted, and the result has not been taken.
    under_way: usize,
}

/// Results in the order of their items. Made by [`Pool::map_ordered`].
#[must_use = "it does nothing until it is asked for results"]
pub struct MapOrdered<'p, I: Iterator, T, F> {
    results: MapUnordered<'p, I, T, F>,
    /// What has come before its turn, from the next item on; never longer than what may be under way.
    early: VecDeque<Option<Result<T, Payload>>>,
    /// Results yielded so far: the number of the next item.
    yielded: usize,
}

struct StreamWork<T, F> {
    map: F,
    mail: Mutex<Mail<T>>,
    is_given_up: AtomicBool,
}

/// What has come, and who waits for more.
struct Mail<T> {
    /// With the numbers of their items.
    results: VecDeque<(usize, Result<T, Payload>)>,
    reader: Option<Thread>,
}

impl<T> Default for Mail<T> {
    fn default() -> Self {
        Mail { results: VecDeque::new(), reader: None }
    }
}

impl<T, F> StreamWork<T, F> {
    fn mail(&self) -> MutexGuard<'_, Mail<T>> {
        lock(&self.mail)
    }

    fn post(&self, number: usize, result: Result<T, Payload>) {
        let mut mail = self.mail();
        mail.results.push_back((number, result));
        let reader = mail.reader.take();
        drop(mail);
        if let Some(reader) = reader {
            reader.unpark();
        }
    }
}

/// One item on its way. Whatever becomes of it, the reader hears of it.
struct Parcel<A, T, F> {
    work: Arc<StreamWork<T, F>>,
    number: usize,
    item: Option<A>,
}

impl<A, T, F: Fn(A) -> T> Parcel<A, T, F> {
    fn open(mut self) {
        let Some(item) = self.item.take() else { return };
        // Relaxed: news that may come late.
        if !self.work.is_given_up.load(Ordering::Relaxed) {
            let result = unwind::catch(|| (self.work.map)(item));
            self.work.post(self.number, result);
        }
    }
}

impl<A, T, F> Drop for Parcel<A, T, F> {
    fn drop(&mut self) {
        if self.item.is_some() {
            // Thrown away: by a shutdown, a purge, or a full pool that drops tasks.
            self.work.post(self.number, Err(Box::new("the pool has thrown away an item of the stream")));
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
    fn submit_more(&mut self) {
        while self.under_way < PER_WORKER * self.pool.workers() {
            let Some(item) = self.items.next() else { return };
            let number = self.submitted;
            self.submitted += 1;
            self.under_way += 1;
            let parcel = Parcel { work: self.work.clone(), number, item: Some(item) };
            if let Err(refused) = single::execute_anyway(&*self.pool.shared, move || parcel.open()) {
                // The pool takes no more: the reader does it.
                refused.into_inner()();
            }
        }
    }

    /// The next result to come, with the number of its item. One must be under way that has not been received.
    fn receive(&mut self) -> (usize, Result<T, Payload>) {
        loop {
            if let Some(result) = self.work.mail().results.pop_front() {
                return result;
            }
            let mut awaited = Post { work: &*self.work, pool: self.pool.shared.id };
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
        if self.under_way == 0 {
            return None;
        }
        let (_, result) = self.receive();
        self.under_way -= 1;
        Some(result.unwrap_or_else(|payload| panic::resume_unwind(payload)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.items.size_hint();
        (least.saturating_add(self.under_way), most.and_then(|most| most.checked_add(self.under_way)))
    }
}

impl<I, T, F> FusedIterator for MapUnordered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
}

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
        if self.results.under_way == 0 {
            return None;
        }
        let result = loop {
            if let Some(Some(_)) = self.early.front() {
                break self.early.pop_front().flatten()?;
            }
            let (number, result) = self.results.receive();
            let place = number - self.yielded;
            if self.early.len() <= place {
                self.early.resize_with(place + 1, || None);
            }
            self.early[place] = Some(result);
        };
        self.yielded += 1;
        self.results.under_way -= 1;
        Some(result.unwrap_or_else(|payload| panic::resume_unwind(payload)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.results.size_hint()
    }
}

impl<I, T, F> FusedIterator for MapOrdered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
{
}

impl<I: Iterator, T, F> fmt::Debug for MapOrdered<'_, I, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapOrdered").field("yielded", &self.yielded).finish_non_exhaustive()
    }
}

impl<I: Iterator, T, F> Drop for MapUnordered<'_, I, T, F> {
    fn drop(&mut self) {
        self.work.is_given_up.store(true, Ordering::Relaxed);
    }
}

impl<I: Iterator, T, F> fmt::Debug for MapUnordered<'_, I, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("under_way", &self.under_way).finish_non_exhaustive()
    }
}

/// The next result, to wait for.
struct Post<'a, T, F> {
    work: &'a StreamWork<T, F>,
    pool: u32,
}

impl<T, F> Awaited for Post<'_, T, F> {
    fn is_done(&self) -> bool {
        !self.work.mail().results.is_empty()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    fn run_here(&mut self, _: &TaskCounts) -> bool {
        false // no single task, but any of those that the waiting task has submitted
    }

    fn unpark_me(&mut self) {
        let mut mail = self.work.mail();
        if mail.results.is_empty() {
            mail.reader = Some(thread::current());
        } else {
            thread::current().unpark(); // the park that follows returns at once
        }
    }
}
