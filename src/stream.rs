//! [`Pool::map_unordered`]: results as they come, with a bound on how many are under way.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::base::unwind::{self, Payload};
use crate::pool::Pool;
use crate::primitives::tally::Tally;
use crate::runtime::current::Current;
use crate::runtime::worker::wait::Awaited;
use crate::submission;

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
    /// The iterator's `next` panics with the panic of a call; the other calls go on, and it may be asked again.
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
            work: Arc::new(Work { map, mail: Mutex::default(), is_given_up: AtomicBool::new(false) }),
            under_way: 0,
        }
    }
}

/// Results as they come. Made by [`Pool::map_unordered`].
#[must_use = "it does nothing until it is asked for results"]
pub struct MapUnordered<'p, I: Iterator, T, F> {
    pool: &'p Pool,
    items: std::iter::Fuse<I>,
    work: Arc<Work<T, F>>,
    /// Submitted, and the result has not been taken.
    under_way: usize,
}

struct Work<T, F> {
    map: F,
    mail: Mutex<Mail<T>>,
    is_given_up: AtomicBool,
}

/// What has come, and who waits for more.
struct Mail<T> {
    results: VecDeque<Result<T, Payload>>,
    reader: Option<Thread>,
}

impl<T> Default for Mail<T> {
    fn default() -> Self {
        Mail { results: VecDeque::new(), reader: None }
    }
}

impl<T, F> Work<T, F> {
    fn mail(&self) -> MutexGuard<'_, Mail<T>> {
        lock(&self.mail)
    }

    fn run<A>(&self, item: A)
    where
        F: Fn(A) -> T,
    {
        // Relaxed: news that may come late.
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let result = unwind::catch(|| (self.map)(item));
        let mut mail = self.mail();
        mail.results.push_back(result);
        let reader = mail.reader.take();
        drop(mail);
        if let Some(reader) = reader {
            reader.unpark();
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
            self.under_way += 1;
            let work = self.work.clone();
            if let Err(refused) = submission::execute_anyway(&*self.pool.shared, move || work.run(item)) {
                // The pool is shut down: the reader does it.
                refused.into_inner()();
            }
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
        let mut result = self.work.mail().results.pop_front();
        while result.is_none() {
            let mut awaited = Post { work: &*self.work, pool: self.pool.shared.id };
            let _ = Current::with(|current| current.wait_until(&mut awaited, None));
            result = self.work.mail().results.pop_front();
        }
        self.under_way -= 1;
        match result? {
            Ok(value) => Some(value),
            Err(payload) => panic::resume_unwind(payload),
        }
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
    work: &'a Work<T, F>,
    pool: u32,
}

impl<T, F> Awaited for Post<'_, T, F> {
    fn is_done(&self) -> bool {
        !self.work.mail().results.is_empty()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    fn run_here(&mut self, _: &Tally) -> bool {
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
