//! [`Pool::map_unordered`], [`Pool::map_ordered`] and the same in a scope: an iterator over results, with a
//! bound on the items in flight.
//!
//! The thread that iterates (the reader) draws the items, puts each into a list behind a mutex, and submits a
//! *pass* for it: a task that takes the oldest item of the list, maps it, and puts the result into another
//! list. A worker that waits as the reader takes items itself. So whichever task drew an item, a reader never
//! waits for an item that no thread has begun. A pass that is left over by that serves the next item. The
//! reader keeps the handles of the passes, and its drop cancels those that have not begun. Guarded by
//! `tests/loops`, `tests/cancelling/streams.rs` and `tests/waits/cases.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::iter::FusedIterator;
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use std::{fmt, mem, panic};

use crate::api::pool::Pool;
use crate::api::scope::Scope;
use crate::base::facade::{Mutex, MutexGuard, lock};
use crate::base::unwind::{self, Payload};
use crate::push::scope_state::ScopeState;
use crate::push::shared::PushShared;
use crate::runtime::current;
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, Waited, block};
use crate::submit::handle::JoinHandle;
use crate::submit::{pack, single};
use crate::task::counts::TaskCounts;

/// Items in flight for each worker: one running task, one waiting task, and two results that the reader has
/// not taken.
const PER_WORKER: usize = 4;

/// Streams of results.
impl Pool {
    /// Calls `map` for each item on the pool and yields the results in the order in which the calls end.
    ///
    /// At most four items for each worker are in flight: submitted, with a result that has not been taken. So
    /// neither a long input nor a slow reader uses much memory. Dropping the iterator cancels the items that
    /// have not started.
    ///
    /// The items and `map` own what they use, unlike those of a loop: an item may still run when the iterator
    /// has been dropped.
    ///
    /// The thread that takes the results draws the items. A result that is there is returned before an item
    /// that takes more than a millisecond to draw. An iterator that yields an item only after a result was
    /// taken (a channel that the reader of the results fills) needs [`MapUnordered::in_flight`]: otherwise
    /// the reader draws ahead, and waits for ever. (A draw cannot be interrupted, and a reader that did not
    /// draw ahead would leave the other workers idle. So the program decides.)
    ///
    /// In a scope the items may borrow: [`Scope::map_unordered`].
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
        MapUnordered::new(PassTarget::Pool(self), items, map)
    }

    /// Calls `map` for each item on the pool and yields the results in the order of the items.
    ///
    /// The bound is that of [`Pool::map_unordered`]: four items for each worker are in flight. So while the
    /// oldest item runs for long, at most that many other items are finished ahead of it. As there, the items
    /// and `map` own what they use, and items that wait for results need [`MapOrdered::in_flight`].
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
        MapOrdered::of(self.map_unordered(items, map))
    }
}

/// Streams of results whose items may borrow.
impl<'scope> Scope<'scope, '_> {
    /// Calls `map` for each item in the scope and yields the results in the order in which the calls end, as
    /// [`Pool::map_unordered`] does. Items, results and `map` may borrow what outlives the scope.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = String::from("push and steal");
    /// let letters: usize =
    ///     pool.in_place_scope(|scope| scope.map_unordered(text.split(' '), |word| word.len()).sum());
    /// assert_eq!(letters, 12);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As in [`Pool::map_unordered`], the iterator's `next` panics with the panic of a call of `map`.
    #[doc(alias = "par_bridge")]
    pub fn map_unordered<I, T, F>(&'scope self, items: I, map: F) -> MapUnordered<'scope, I::IntoIter, T, F>
    where
        I: IntoIterator,
        I::Item: Send + 'scope,
        T: Send + 'scope,
        F: Fn(I::Item) -> T + Send + Sync + 'scope,
    {
        MapUnordered::new(PassTarget::Scope(self.state()), items, map)
    }

    /// Calls `map` for each item in the scope and yields the results in the order of the items, as
    /// [`Pool::map_ordered`] does. Items, results and `map` may borrow what outlives the scope.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = String::from("push and steal");
    /// let lengths: Vec<_> =
    ///     pool.in_place_scope(|scope| scope.map_ordered(text.split(' '), |word| word.len()).collect());
    /// assert_eq!(lengths, [4, 3, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As in [`Pool::map_ordered`], the iterator's `next` panics in the place of an item whose call of `map`
    /// has panicked.
    pub fn map_ordered<I, T, F>(&'scope self, items: I, map: F) -> MapOrdered<'scope, I::IntoIter, T, F>
    where
        I: IntoIterator,
        I::Item: Send + 'scope,
        T: Send + 'scope,
        F: Fn(I::Item) -> T + Send + Sync + 'scope,
    {
        MapOrdered::of(self.map_unordered(items, map))
    }
}

/// Where a stream sends its passes. Items, results and closure of a stream to a pool are `'static`; those of
/// a stream in a scope outlive the scope. The only functions that make a stream demand that.
#[derive(Debug, Clone, Copy)]
enum PassTarget<'p> {
    Pool(&'p Pool),
    Scope(&'p ScopeState),
}

impl<'p> PassTarget<'p> {
    fn shared(self) -> &'p PushShared {
        match self {
            PassTarget::Pool(pool) => &pool.shared,
            PassTarget::Scope(scope) => scope.shared(),
        }
    }
}

/// An iterator over results in the order in which they arrive. Made by [`Pool::map_unordered`] and
/// [`Scope::map_unordered`].
#[must_use = "iterators are lazy: no item is submitted before the first call of `next`"]
pub struct MapUnordered<'p, I: Iterator, T, F> {
    target: PassTarget<'p>,
    items: std::iter::Fuse<I>,
    work: Arc<StreamWork<I::Item, T, F>>,
    /// The handles of the passes, but for most of those that have ended.
    passes: Vec<JoinHandle<()>>,
    /// How many items were submitted so far.
    submitted: usize,
    /// How many submitted items have a result that has not been taken.
    in_flight: usize,
    /// How many items may be in flight; `None` for the default.
    most: Option<usize>,
    /// How long the last draw took.
    last_draw: Duration,
}

/// An iterator over results in the order of their items. Made by [`Pool::map_ordered`] and
/// [`Scope::map_ordered`].
#[must_use = "iterators are lazy: no item is submitted before the first call of `next`"]
pub struct MapOrdered<'p, I: Iterator, T, F> {
    results: MapUnordered<'p, I, T, F>,
    /// Results that arrived before their turn, by the number of the item. At most as many as items in flight.
    early: BTreeMap<usize, Result<T, Payload>>,
    /// How many results were yielded so far: the number of the next item.
    yielded: usize,
}

/// What the reader and the passes of a stream share.
struct StreamWork<A, T, F> {
    state: Mutex<StreamState<A, T, F>>,
}

struct StreamState<A, T, F> {
    /// `None` after the iterator was dropped.
    map: Option<Arc<F>>,
    /// Items that no thread has begun, the oldest first, with their numbers. There are at least as many
    /// passes.
    items: VecDeque<(usize, A)>,
    /// Passes that have not begun.
    passes: usize,
    /// Results that have arrived, with the numbers of their items.
    results: VecDeque<(usize, Result<T, Payload>)>,
    /// The waiting reader.
    reader: Option<Thread>,
}

impl<A, T, F> StreamState<A, T, F> {
    fn new(map: F) -> Self {
        StreamState {
            map: Some(Arc::new(map)),
            items: VecDeque::new(),
            passes: 0,
            results: VecDeque::new(),
            reader: None,
        }
    }
}

impl<A, T, F: Fn(A) -> T> StreamWork<A, T, F> {
    fn lock(&self) -> MutexGuard<'_, StreamState<A, T, F>> {
        lock(&self.state)
    }

    /// Appends the result of item `number` and wakes the reader.
    fn push(&self, number: usize, result: Result<T, Payload>) {
        let reader = {
            let mut state = self.lock();
            if state.map.is_none() {
                drop(state);
                return unwind::drop_silently(result); // no reader takes it
            }
            state.results.push_back((number, result));
            state.reader.take()
        };
        reader.into_iter().for_each(|reader| reader.unpark());
    }

    /// Maps the oldest item that no thread has begun. Returns whether there was one. `of` is the pass that
    /// this uses up, or the reader, which leaves a pass over.
    fn run_one(&self, of: RunBy) -> bool {
        let (map, number, item) = {
            let mut state = self.lock();
            state.passes -= usize::from(of == RunBy::Pass);
            let Some(map) = state.map.clone() else { return false };
            let Some((number, item)) = state.items.pop_front() else { return false };
            (map, number, item)
        };
        let result = unwind::catch(|| map(item));
        // Before the reader can see the last result, so that the closure is gone when the stream is.
        drop(map);
        self.push(number, result);
        true
    }
}

/// On whose behalf an item is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunBy {
    Pass,
    Reader,
}

/// The task of the pool that maps an item. If it is dropped without running, an item has a result
/// nevertheless.
struct Pass<A, T, F: Fn(A) -> T> {
    work: Option<Arc<StreamWork<A, T, F>>>,
}

impl<A, T, F: Fn(A) -> T> Pass<A, T, F> {
    fn run(mut self) {
        if let Some(work) = self.work.take() {
            work.run_one(RunBy::Pass);
        }
    }
}

impl<A, T, F: Fn(A) -> T> Drop for Pass<A, T, F> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let discarded = {
            let mut state = work.lock();
            state.passes -= 1;
            if state.items.len() > state.passes { state.items.pop_front() } else { None }
        };
        if let Some((number, item)) = discarded {
            unwind::drop_silently(item);
            work.push(number, Err(Box::new("the pool has discarded an item of the stream")));
        }
    }
}

/// A draw that takes longer is slow: a result that is there is returned before the next draw.
const SLOW_DRAW: Duration = Duration::from_millis(1);

/// Before a draw the reader waits for a result for this part of the time that the draw before it took.
const PART_OF_DRAW: u32 = 8;

impl<'p, I: Iterator, T, F> MapUnordered<'p, I, T, F> {
    fn new(target: PassTarget<'p>, items: impl IntoIterator<IntoIter = I>, map: F) -> Self {
        MapUnordered {
            target,
            items: items.into_iter().fuse(),
            work: Arc::new(StreamWork { state: Mutex::new(StreamState::new(map)) }),
            passes: Vec::new(),
            submitted: 0,
            in_flight: 0,
            most: None,
            last_draw: Duration::ZERO,
        }
    }

    /// How many items may be in flight.
    fn most_in_flight(&self) -> usize {
        self.most.unwrap_or_else(|| PER_WORKER * self.target.shared().roster.live())
    }

    /// Sets how many items may be in flight: submitted, with a result that has not been taken. 0 counts as 1.
    /// With 1 the next item is drawn when the result before it was taken.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let (answer, questions) = mpsc::channel();
    /// answer.send(1).expect("the receiver exists");
    /// for doubled in pool.map_unordered(questions.into_iter().take(4), |n: u32| 2 * n).in_flight(1) {
    ///     answer.send(doubled).expect("the receiver exists"); // the next question
    /// }
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn in_flight(mut self, most: usize) -> Self {
        self.most = Some(most.max(1));
        self
    }
}

impl<'p, I: Iterator, T, F> MapOrdered<'p, I, T, F> {
    fn of(results: MapUnordered<'p, I, T, F>) -> Self {
        MapOrdered { results, early: BTreeMap::new(), yielded: 0 }
    }

    /// Sets how many items may be in flight, as [`MapUnordered::in_flight`] does.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.map_ordered(0..10, |n| n).in_flight(2).eq(0..10));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn in_flight(mut self, most: usize) -> Self {
        self.results = self.results.in_flight(most);
        self
    }
}

impl<I, T, F> MapUnordered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send,
    T: Send,
    F: Fn(I::Item) -> T + Send + Sync,
{
    /// Whether one more item may be in flight.
    fn may_draw(&self) -> bool {
        self.in_flight < self.most_in_flight()
    }

    /// How long to wait for a result before the next draw.
    fn patience(&self) -> Duration {
        if self.in_flight > 0 && self.last_draw > SLOW_DRAW {
            self.last_draw / PART_OF_DRAW
        } else {
            Duration::ZERO
        }
    }

    /// Draws an item and submits it. Returns false if there is none left.
    fn draw(&mut self) -> bool {
        let begin = Instant::now();
        let Some(item) = self.items.next() else { return false };
        self.last_draw = begin.elapsed();
        let number = self.submitted;
        self.submitted += 1;
        self.in_flight += 1;
        let needs_pass = {
            let mut state = self.work.lock();
            state.items.push_back((number, item));
            let needs_pass = state.passes < state.items.len();
            state.passes += usize::from(needs_pass);
            needs_pass
        };
        if needs_pass {
            self.send_pass();
        }
        true
    }

    /// Submits a pass, which the caller has counted.
    fn send_pass(&mut self) {
        // There are as many handles of passes that have not ended as items in flight, and as many again of
        // passes that are left over: what is kept beyond that has ended.
        if self.passes.len() >= 4 * self.most_in_flight() {
            self.passes.retain(|pass| !pass.is_finished());
        }
        let pass = Pass { work: Some(self.work.clone()) };
        let run = move || pass.run();
        match self.target {
            // SAFETY: the pass borrows what items, results and closure borrow: nothing, as `PassTarget` says.
            PassTarget::Pool(pool) => match unsafe { single::submit_apart(&*pool.shared, run) } {
                Ok(pass) => self.passes.push(pass),
                // The pool is closed, so the reader runs the task.
                Err(refused) => refused.into_inner()(),
            },
            PassTarget::Scope(scope) => {
                // SAFETY: the pass becomes a task of the scope, which ends before anything that items,
                // results and closure borrow, as `PassTarget` says.
                let (task, handle) = unsafe { pack::pack_borrowing(scope.shared().id, run, None) };
                // SAFETY: as for `pack_borrowing`. Only the frame of the scope and its tasks can use what
                // lives no longer than the scope, such as this stream, and the caller is one that has not
                // ended.
                unsafe { scope.spawn(task) };
                self.passes.push(JoinHandle::new(handle));
            }
        }
    }

    /// Draws items until as many as allowed are in flight, as long as no draw has to wait for anything.
    fn top_up(&mut self) {
        while self.may_draw() && self.patience() == Duration::ZERO && self.draw() {}
    }

    /// Returns the next result with the number of its item, and draws items meanwhile. `None` if there is no
    /// item left.
    fn receive(&mut self) -> Option<(usize, Result<T, Payload>)> {
        self.top_up();
        loop {
            if let Some(result) = self.work.lock().results.pop_front() {
                return Some(result);
            }
            if self.in_flight == 0 {
                return None;
            }
            let deadline = self.may_draw().then(|| Instant::now().checked_add(self.patience())).flatten();
            if !self.wait(deadline) && !self.draw() {
                self.wait(None);
            }
        }
    }

    /// Waits for a result. Returns false if the deadline passed first.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut awaited = NextResult { work: &*self.work, pool: self.target.shared().id };
        match current::wait_until(&mut awaited, deadline) {
            Waited::Done => true,
            Waited::TimedOut => false,
            // The operating system gives no thread with a fresh stack, and half of this one is left.
            Waited::NoStack(_) => {
                self.work.run_one(RunBy::Reader) || !matches!(block(&mut awaited, deadline), Waited::TimedOut)
            }
        }
    }
}

impl<I, T, F> Iterator for MapUnordered<'_, I, T, F>
where
    I: Iterator,
    I::Item: Send,
    T: Send,
    F: Fn(I::Item) -> T + Send + Sync,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (_, result) = self.receive()?;
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
    I::Item: Send,
    T: Send,
    F: Fn(I::Item) -> T + Send + Sync,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let result = loop {
            if let Some(result) = self.early.remove(&self.yielded) {
                break result;
            }
            let (number, result) = self.results.receive()?;
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
        let (map, items, results) = {
            let mut state = lock(&self.work.state);
            (state.map.take(), mem::take(&mut state.items), mem::take(&mut state.results))
        };
        // After the lock is released, because these drops are user code.
        unwind::drop_silently((map, items, results));
        // Passes that have not begun give back their places now.
        mem::take(&mut self.passes).into_iter().for_each(|pass| _ = pass.cancel());
    }
}

impl<I: Iterator, T, F> fmt::Debug for MapUnordered<'_, I, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapUnordered").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

/// The arrival of the next result, which the reader waits for.
struct NextResult<'a, A, T, F> {
    work: &'a StreamWork<A, T, F>,
    pool: u32,
}

impl<A, T, F: Fn(A) -> T> Awaited for NextResult<'_, A, T, F> {
    fn is_done(&self) -> bool {
        !self.work.lock().results.is_empty()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    /// Maps an item that no thread has begun. Its pass remains, and finds another item or none.
    fn run_here(&mut self, _: &TaskCounts) -> bool {
        self.work.run_one(RunBy::Reader)
    }

    fn target(&self) -> Target {
        Target::Stream(self.pool)
    }

    fn unpark_me(&mut self) {
        let mut state = self.work.lock();
        if state.results.is_empty() {
            state.reader = Some(thread::current());
        } else {
            thread::current().unpark(); // a result has arrived: the park that follows returns at once
        }
    }
}
