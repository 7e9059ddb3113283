//! Fork-join: [`join`], and the [`Context`] that carries a worker through a recursion.
//!
//! A thin layer over `push/worker/fork.rs` (joins) and `push/lease.rs` (external threads that act as
//! workers). A context never leaves the thread that acts as its worker. Guarded by `tests/it/joins`,
//! `compile_fail.rs` and the models `forks`, `fork_slots` and `latches`.

use std::fmt;

use crate::api::global;
use crate::api::pool::Pool;
use crate::push::worker::PushWorker;
use crate::push::worker::wait::MayRun;

/// The worker of a [`Pool`] that the calling thread is or acts as, passed by hand through a recursion.
///
/// A context is copied and costs nothing. The free functions ([`join`], [`scope`](crate::scope()) and so on)
/// look up the worker in a thread-local variable; the methods of a context need not.
///
/// A context is neither [`Send`] nor [`Sync`], and it cannot leave the closure that receives it. A closure
/// that may run on another thread, such as the second closure of a join, receives a context of its own as its
/// argument.
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

/// Implemented by no type. Gives a closure that captures a [`Context`] one error that says what to do,
/// instead of an error for each field of the worker.
#[diagnostic::on_unimplemented(
    message = "a `Context` cannot be used on another thread",
    label = "captures a `Context`, and may run on another thread",
    note = "use the `Context` that the closure receives as its argument: `cx.join(|cx| .., |cx| ..)`",
    note = "a closure without an argument calls `longshore::join`, `scope` or `with_context` instead"
)]
pub trait UsableOnAnyThread {}

// SAFETY: no type implements the trait and no other crate can name it, so the bound never holds and no
// context is `Send`.
#[doc(hidden)]
unsafe impl Send for Context<'_> where Self: UsableOnAnyThread {}

// SAFETY: no type implements the trait and no other crate can name it, so the bound never holds and no
// context is `Sync`.
#[doc(hidden)]
unsafe impl Sync for Context<'_> where Self: UsableOnAnyThread {}

impl<'w> Context<'w> {
    #[inline(always)]
    pub(crate) fn new(worker: &'w PushWorker) -> Self {
        Context { worker }
    }

    /// Calls both closures, possibly at the same time, and returns both results.
    ///
    /// This thread calls `a`. Meanwhile another worker may take `b`; if none does, this thread calls `b`
    /// afterwards. A join whose `b` is not taken costs a few plain memory accesses: no fence, no lock, no
    /// allocation.
    ///
    /// Both closures have ended when this returns or unwinds. While it waits for a `b` that another worker
    /// has taken, this thread runs parts of that `b` and nothing else
    /// ([what may run](crate#what-may-run-while-a-task-waits)). So a lock may be held over a join.
    ///
    /// A level of recursion uses about 130 bytes of stack in an optimised build, about 1,300 bytes otherwise,
    /// and the captures of the closures. So the [default stack](crate::DEFAULT_STACK_SIZE) is enough for more
    /// than ten thousand levels. For a million levels set
    /// [`PoolBuilder::stack_size`](crate::PoolBuilder::stack_size); a thief may get all levels but the first,
    /// so the size applies to every worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "and", "steal"];
    /// let (a, b) = pool.enter(|cx| cx.join(|_| words[0].len(), |_| words[1].len()));
    /// assert_eq!((a, b), (4, 3));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `a`, or otherwise of `b`, after both have ended. Also in the child of a process that
    /// was forked during the join, if another worker had taken `b`: that worker does not exist in the child.
    // Not inlined into the caller, so that a recursive caller is inlined into this function. The compiler
    // does not inline a function into itself; this way half of the calls disappear (2.9 instead of 4.1 ns a
    // join of Fibonacci numbers).
    #[inline(never)]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(Context<'_>) -> RA,
        B: FnOnce(Context<'_>) -> RB + Send,
        RB: Send,
    {
        self.worker.join(|worker| a(Context::new(worker)), |worker, _| b(Context::new(worker)))
    }

    /// Returns whether this worker shows no fork that another worker could take. A loop that splits its work
    /// only then makes few more parts than are taken. Costs one relaxed load.
    ///
    /// ```
    /// use longshore::{Context, Pool};
    ///
    /// fn sum(cx: Context<'_>, numbers: &[u64]) -> u64 {
    ///     if numbers.len() < 2 || !cx.is_wanted() {
    ///         return numbers.iter().sum();
    ///     }
    ///     let (left, right) = numbers.split_at(numbers.len() / 2);
    ///     let (a, b) = cx.join(|cx| sum(cx, left), |cx| sum(cx, right));
    ///     a + b
    /// }
    ///
    /// let pool = Pool::new()?;
    /// assert_eq!(pool.enter(|cx| sum(cx, &[1, 2, 3])), 6);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[inline(always)]
    pub fn is_wanted(self) -> bool {
        self.worker.is_wanted()
    }

    /// Makes the oldest fork of this worker visible to other workers, if there is one. Costs about a
    /// nanosecond.
    ///
    /// Each fork and each join does this. In a long serial section between two joins, a fork stays hidden if
    /// the fork before it has been taken meanwhile. An occasional call makes it visible.
    ///
    /// ```
    /// # fn step(_: u32) {}
    /// let pool = longshore::Pool::new()?;
    /// pool.enter(|cx| {
    ///     let serial = || {
    ///         for i in 0..1_000 {
    ///             step(i);
    ///             cx.offer();
    ///         }
    ///     };
    ///     cx.join(|cx| cx.join(|_| serial(), |_| step(1)), |_| step(2))
    /// });
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[inline]
    pub fn offer(self) {
        if self.worker.is_wanted() {
            self.worker.offer_oldest();
        }
    }

    /// Returns the number of the worker, from 0.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(2).build()?;
    /// assert!(pool.enter(|cx| cx.worker()) < 2);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn worker(self) -> usize {
        self.worker.index()
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("worker", &self.worker()).finish_non_exhaustive()
    }
}

/// Joins.
impl Pool {
    /// Calls `f` as a worker of this pool and returns its result. The [`Context`] is for joins, scopes and
    /// loops in `f`.
    ///
    /// - A worker of this pool calls `f` at once.
    /// - An external thread acts as a parked worker of this pool and calls `f` itself. The other workers take
    ///   forks of `f`. If no worker is parked, one of the pool's threads calls `f`, and the caller sleeps.
    /// - For a worker of another pool, and for a thread whose stack is smaller than the
    ///   [stacks](crate::PoolBuilder::stack_size) of this pool, one of this pool's threads calls `f`. A
    ///   stand-in serves the caller's own pool meanwhile.
    ///
    /// The call cannot be refused. If the pool is shut down, or belongs to the parent of this forked process,
    /// the calling thread does all of the work.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let (a, b) = pool.enter(|cx| cx.join(|_| 6 * 7, |_| "hello".len()));
    /// assert_eq!((a, b), (42, 5));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
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

    /// Calls `f` on a thread of this pool and returns its result. For code that depends on the thread: its
    /// stack, its name, or its core. Other code runs at less cost in [`Pool::enter`].
    ///
    /// Unlike in rayon, this does not move parallel iterators to the pool: `v.par_iter()` within `f` runs on
    /// rayon's own threads, unless the feature `rayon` moves it by `.on(&pool)`.
    ///
    /// A worker of this pool, or an external thread that acts as a worker in [`Pool::enter`], calls `f` at
    /// once. Any other caller waits; a stand-in serves the pool of a worker of another pool meanwhile. A pool
    /// that is shut down, or that belongs to the parent of this forked process, has no threads, so the caller
    /// calls `f` itself.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(1).thread_name("deep").build()?;
    /// let name = pool.install(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(name.as_deref(), Some("deep-0"));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
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

    /// Calls both closures on this pool, possibly at the same time, and returns both results:
    /// [`Context::join`] inside [`Pool::enter`].
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
    /// With the panic of `a`, or otherwise of `b`, after both have ended.
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

/// Calls both closures, possibly at the same time, and returns both results: on the [`Pool`] whose task calls
/// this, or else on the [global pool](Pool::global). The same as [`Context::join`], without a context.
///
/// Outside of every pool the calling thread acts as a worker of the global pool, and so it does in a task of
/// a [`PullPool`](crate::PullPool), which has no joins. A recursion should begin inside of [`Pool::enter`],
/// so that this happens once.
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
/// With the panic of `a`, or otherwise of `b`, after both have ended. If the global pool
/// [cannot be built](Pool::global), the calling thread calls one closure after the other.
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    PushWorker::with_current(|worker| match worker {
        Some(worker) => worker.join(|_| a(), |_, _| b()),
        None => join_outside(a, b),
    })
}

/// [`join()`] on a thread that is not a worker of a [`Pool`].
#[cold]
fn join_outside<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // If `a` panics, `b` is called nevertheless, as on a worker.
    struct Then<B: FnOnce() -> RB, RB>(Option<B>);
    impl<B: FnOnce() -> RB, RB> Drop for Then<B, RB> {
        fn drop(&mut self) {
            if let Some(b) = self.0.take() {
                crate::base::unwind::drop_silently(crate::base::unwind::catch(b));
            }
        }
    }
    if let Some(pool) = global::for_this_thread() {
        return pool.join(a, b);
    }
    let mut then = Then(Some(b));
    let ra = a();
    let b = then.0.take().expect("`b` is called only here, or in the drop");
    (ra, b())
}

/// Calls `f` with the [`Context`] of the calling thread, or with `None` if the thread is not a worker of a
/// [`Pool`]. For code inside a task that needs loops or many joins and has no context.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let total = pool.submit(|| {
///     longshore::with_context(|cx| {
///         let cx = cx.expect("inside a task");
///         cx.map_reduce(0..100u64, || 0, |n| n, |a, b| a + b)
///     })
/// })?;
/// assert_eq!(total.join()?, 4950);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn with_context<R>(f: impl FnOnce(Option<Context<'_>>) -> R) -> R {
    PushWorker::with_current(|worker| f(worker.map(Context::new)))
}

/// Runs one task of the pool whose task calls this, on top of the calling task, whatever that task is.
/// Returns whether there was one. On a thread that is not a worker of a [`Pool`] it does nothing.
///
/// For a task that has nothing else to do for a while. It must hold no lock that another task may need, and
/// the task that runs inside must not wait for it. Yields may nest: when nested tasks have used half of the
/// worker's stack, a yield runs nothing and returns `false`.
///
/// ```
/// let pool = longshore::Pool::builder().workers(1).build()?;
/// let ran = pool.submit(|| {
///     longshore::execute(|| println!("runs inside `yield_now`")).expect("a task has a pool");
///     longshore::yield_now()
/// })?;
/// assert!(ran.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn yield_now() -> bool {
    PushWorker::with_current(|worker| worker.is_some_and(|worker| worker.run_for_yield(MayRun::Any)))
}

/// Runs the newest task that the calling task has submitted, on top of the calling task. Returns whether
/// there was one that no other worker had taken. On a thread that is not a worker of a [`Pool`], and when
/// nested tasks have used half of the worker's stack, it does nothing.
///
/// ```
/// let pool = longshore::Pool::builder().workers(1).build()?;
/// let ran = pool.submit(|| {
///     longshore::execute(|| println!("runs inside `yield_local`")).expect("a task has a pool");
///     longshore::yield_local()
/// })?;
/// assert!(ran.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn yield_local() -> bool {
    PushWorker::with_current(|worker| worker.is_some_and(|worker| worker.run_for_yield(MayRun::OwnChildren)))
}
