//! Fork-join: [`join`] and the [`Context`] that carries a worker through a recursion.

use std::fmt;

use crate::api::pool::Pool;
use crate::push::worker::PushWorker;

/// A place in a pool: the worker that the calling code runs on, at hand.
///
/// A small value that is passed on by copying. The functions of this library that take a closure look for the worker of
/// the calling thread in a thread-local; a recursion that carries a context along does not have to. It cannot leave its
/// thread, nor the closure that it was given to.
///
/// ```
/// use longshore::{Context, Pool};
///
/// fn fib(cx: Context<'_>, n: u64) -> u64 {
///     if n < 2 {
///         return n;
///     }
///     let (a, b) = cx.join(|cx| fib(cx, n - 1), |cx| fib(cx, n - 2));
///     a + b
/// }
///
/// let pool = Pool::new()?;
/// assert_eq!(pool.enter(|cx| fib(cx, 20)), 6765);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Context<'w> {
    pub(crate) worker: &'w PushWorker,
}

impl<'w> Context<'w> {
    #[inline(always)]
    pub(crate) fn new(worker: &'w PushWorker) -> Self {
        Context { worker }
    }

    /// Calls both closures, perhaps at the same time, and returns what both return.
    ///
    /// This thread calls `a`. Another worker may take `b` meanwhile; if none does, this thread calls it afterwards.
    /// While nobody comes for it that costs some plain memory accesses and no atomic operation; nothing is allocated.
    ///
    /// Both have ended when this returns or unwinds. While it waits for a `b` that another worker has taken, this thread
    /// runs parts of that `b` and nothing else (see the [crate's text](crate#what-may-run-while-a-task-waits)).
    ///
    /// Recursion takes stack: about 130 bytes a level where the compiler optimises (1,300 where it does not) beside what the
    /// closures hold, so the [default stack](crate::DEFAULT_STACK_SIZE) bears more than ten thousand levels; for a million,
    /// see [`PoolBuilder::stack_size`](crate::PoolBuilder::stack_size). Every worker needs it, for a thief may get all that
    /// is below the first level.
    ///
    /// # Panics
    /// With the panic of `a`, or else of `b`, after the other one has ended. In the child of a process that was forked in
    /// the middle of the join, if another worker had taken `b`: it does not exist there.
    // Not inlined into the caller, so that a recursive caller is inlined into *this*: the compiler does not inline a
    // function into itself, and this way half of the calls go (2.9 instead of 4.1 ns a join of Fibonacci numbers).
    #[inline(never)]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Context<'_>) -> RA,
        B: FnOnce(Context<'_>) -> RB + Send,
        RB: Send,
    {
        self.worker.join(|worker| a(Context::new(worker)), |worker, _| b(Context::new(worker)))
    }

    /// Whether another worker would take something if this one had anything to give: it has taken what was there.
    /// A loop that splits its work only then makes hardly any more pieces than are taken.
    #[inline(always)]
    pub fn is_wanted(self) -> bool {
        self.worker.is_wanted()
    }

    /// Makes sure that the oldest work which was forked on this worker can be taken by others, if there is any.
    ///
    /// Each fork and each join does this. Between two of them, in a long serial section, forked work that became the
    /// oldest meanwhile, because the one before it was taken, is hidden; a call now and then (it costs a nanosecond) shows
    /// it.
    #[inline]
    pub fn offer(self) {
        if self.worker.is_wanted() {
            self.worker.offer_oldest();
        }
    }

    /// The number of the worker, from 0.
    pub fn worker(self) -> usize {
        self.worker.index()
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("worker", &self.worker()).finish_non_exhaustive()
    }
}

/// Joining.
impl Pool {
    /// Calls `f` on this pool, with the [`Context`] for joins, scopes and loops in it, and returns its result.
    ///
    /// A thread that belongs to no pool takes the place of a worker that has nothing to do, and calls `f` itself: the
    /// pool's other workers join in when there is something to take. If all workers are busy, or the caller is a worker of
    /// another pool (which goes on serving that meanwhile), `f` is sent to one of this pool's threads, as by
    /// [`Pool::install`].
    ///
    /// It cannot be refused: if the pool is shut down, or belongs to the parent of this forked process, the calling
    /// thread does all of the work.
    ///
    /// # Panics
    /// With the panic of `f`.
    #[inline]
    pub fn enter<F, R>(&self, f: F) -> R
    where
        F: FnOnce(Context<'_>) -> R + Send,
        R: Send,
    {
        self.shared.enter(|worker| f(Context::new(worker)))
    }

    /// Calls `f` on a thread of this pool and returns its result: for what depends on the thread, its stack, its name,
    /// or the core to which it is pinned. [`Pool::enter`] is cheaper where it does not matter.
    ///
    /// On a worker of this pool, or a thread that has taken the place of one by [`Pool::enter`], `f` is called at once; elsewhere the caller waits, and if it is a worker of another pool,
    /// goes on serving that. A pool that is shut down, or belongs to the parent of this forked process, has no threads:
    /// then the caller calls `f` itself.
    ///
    /// # Panics
    /// With the panic of `f`.
    pub fn install<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        if PushWorker::with_current(|worker| worker.is_some_and(|worker| worker.belongs_to(&self.shared))) {
            return f();
        }
        self.shared.send_in(|_| f())
    }

    /// Calls both closures on this pool, perhaps at the same time: [`Context::join`] inside [`Pool::enter`].
    ///
    /// ```
    /// # let pool = longshore::Pool::new()?;
    /// let mut numbers = [3, 1, 2];
    /// let (left, right) = numbers.split_at_mut(1);
    /// let (a, b) = pool.join(|| left.iter().sum::<i32>(), || right.iter().sum::<i32>());
    /// assert_eq!((a, b), (3, 3));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As [`Context::join`].
    #[inline]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.enter(|cx| cx.join(|_| a(), |_| b()))
    }
}

/// Calls both closures, perhaps at the same time, on the pool whose task calls this: [`Context::join`] without the
/// context at hand. Outside of every pool the caller calls one after the other.
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() < 1000 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (a, b) = longshore::join(|| sum(left), || sum(right));
///     a + b
/// }
///
/// let pool = longshore::Pool::new()?;
/// let numbers: Vec<u64> = (0..100_000).collect();
/// assert_eq!(pool.enter(|_| sum(&numbers)), 4_999_950_000);
/// # Ok::<(), longshore::BuildError>(())
/// ```
///
/// # Panics
/// As [`Context::join`].
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    PushWorker::with_current(|worker| match worker {
        Some(worker) => worker.join(|_| a(), |_, _| b()),
        None => {
            // As on a worker: if `a` panics, `b` is called all the same.
            struct Then<B: FnOnce() -> RB, RB>(Option<B>);
            impl<B: FnOnce() -> RB, RB> Drop for Then<B, RB> {
                fn drop(&mut self) {
                    if let Some(b) = self.0.take() {
                        crate::base::unwind::drop_silently(crate::base::unwind::catch(b));
                    }
                }
            }
            let mut then = Then(Some(b));
            let ra = a();
            let b = then.0.take().expect("not called yet");
            (ra, b())
        }
    })
}

/// Calls `f` with the [`Context`] of the calling thread, or `None` outside of every [`Pool`]: for code inside a task that
/// wants loops or many joins and has not been given a context.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let total = pool.submit(|| {
///     longshore::with_context(|cx| cx.expect("inside a task").map_reduce(0..100u64, |n| n, |a, b| a + b))
/// })?;
/// assert_eq!(total.join()?, Some(4950));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn with_context<R>(f: impl FnOnce(Option<Context<'_>>) -> R) -> R {
    PushWorker::with_current(|worker| f(worker.map(Context::new)))
}

/// Runs one task of the pool whose task calls this, whatever it is, on top of the calling task. Whether there was one.
/// For a task that has nothing better to do for a while; it must hold nothing that the other might want.
///
/// On a thread that is no worker of a [`Pool`] it does nothing.
pub fn yield_now() -> bool {
    PushWorker::with_current(|worker| worker.is_some_and(PushWorker::run_any))
}

/// Runs the youngest task that the calling task has submitted, on top of it. Whether there was one that no other worker
/// has taken. See [`yield_now`].
pub fn yield_local() -> bool {
    PushWorker::with_current(|worker| worker.is_some_and(PushWorker::run_local_child))
}
