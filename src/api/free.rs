//! The free functions that submit tasks and run loops: on the pool whose task calls them, or else on the
//! global pool. [`join`](crate::join()) and [`scope`](crate::scope()) are in files of their own.
//!
//! No state. Guarded by `tests/it/behaviour/dispatch.rs` (inside of a task) and `tests/process_global.rs`.

use crate::api::global;
use crate::api::join::{Context, with_context};
use crate::api::pool::Pool;
use crate::api::source::IntoSource;
use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::push::worker::PushWorker;
use crate::runtime::current::{self, CurrentWorker};
use crate::runtime::current_intake::CurrentIntake;
use crate::submit::handle::JoinHandle;
use crate::submit::single;

/// Runs `task`, without a handle, on the pool whose task calls this, or outside of every pool on the
/// [global pool](Pool::global). Works in tasks of both kinds of pool.
///
/// Otherwise the same as [`Pool::execute`].
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let pool = longshore::Pool::new()?;
/// let count = Arc::new(AtomicU32::new(0));
/// let counted = count.clone();
/// pool.execute(move || {
///     for _ in 0..10 {
///         let counted = counted.clone();
///         longshore::execute(move || _ = counted.fetch_add(1, Ordering::Relaxed)).expect("has a pool");
///     }
/// })?;
/// pool.shutdown()?;
/// assert_eq!(count.load(Ordering::Relaxed), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A [`SubmitError`] returns the task because the pool is shut down or full, as [`Pool::execute`] says. With
/// [`SubmitErrorKind::NoPool`] if the global pool cannot be built, or on the thread of a worker that has left
/// its pool.
#[inline]
pub fn execute<F>(task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    PushWorker::with_current(|worker| match worker {
        // Without a virtual call, because the cost of a task matters most in this kind of pool.
        Some(worker) => single::execute(&**worker.shared(), task, None),
        None => current::with(|worker| match worker {
            Some(worker) => single::execute(&CurrentIntake::new(worker), task, None),
            None => match global::for_this_thread() {
                Some(pool) => pool.execute(task),
                None => Err(SubmitError::new(task, SubmitErrorKind::NoPool)),
            },
        }),
    })
}

/// The same as [`execute`], which is the main name. For programs that come from rayon, tokio or std, where
/// this is the word. Unlike there, a submission may be refused.
///
/// ```
/// longshore::spawn(|| println!("hello"))?;
/// longshore::Pool::global().shutdown()?; // after this the line is printed
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`execute`].
#[inline]
pub fn spawn<F>(task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    execute(task)
}

/// Runs `task` on the pool whose task calls this, or outside of every pool on the
/// [global pool](Pool::global), and returns a handle. Works in tasks of both kinds of pool.
///
/// Otherwise the same as [`Pool::submit`].
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let sum = pool.submit(|| {
///     let half = longshore::submit(|| (0..500).sum::<u32>()).expect("a task has a pool");
///     (500..1000).sum::<u32>() + half.join().expect("no panic")
/// })?;
/// assert_eq!(sum.join()?, 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A [`SubmitError`] returns the task because the pool is shut down or full, as [`Pool::execute`] says. With
/// [`SubmitErrorKind::NoPool`] if the global pool cannot be built, or on the thread of a worker that has left
/// its pool.
#[doc(alias = "spawn")]
#[doc(alias = "spawn_blocking")]
#[inline]
pub fn submit<F, T>(task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    PushWorker::with_current(|worker| match worker {
        // Without a virtual call, because the cost of a task matters most in this kind of pool.
        Some(worker) => single::submit(&**worker.shared(), task, None),
        None => current::with(|worker| match worker {
            Some(worker) => single::submit(&CurrentIntake::new(worker), task, None),
            None => match global::for_this_thread() {
                Some(pool) => pool.submit(task),
                None => Err(SubmitError::new(task, SubmitErrorKind::NoPool)),
            },
        }),
    })
}

/// Returns the number of the worker that the calling thread is or acts as, from 0, or `None` outside of every
/// pool.
///
/// ```
/// let pool = longshore::Pool::builder().workers(2).build()?;
/// let worker = pool.submit(longshore::current_worker)?.join()?;
/// assert!(worker.is_some_and(|worker| worker < 2));
/// assert_eq!(longshore::current_worker(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "current_thread_index")]
pub fn current_worker() -> Option<usize> {
    current::with(|worker| worker.map(CurrentWorker::index))
}

/// Calls `f` as a worker of the [`Pool`] whose task calls this, or else of the [global pool](Pool::global).
/// All loops are methods of the [`Context`] that `f` receives.
///
/// Otherwise the same as [`Pool::enter`].
///
/// ```
/// let sum = longshore::enter(|cx| cx.map_reduce(0..1_000u64, || 0, |n| n * n, |a, b| a + b));
/// assert_eq!(sum, 332_833_500);
/// ```
///
/// # Panics
/// With a panic of `f`. Also if the global pool is needed and [cannot be built](Pool::global).
#[doc(alias = "install")]
pub fn enter<F, R>(f: F) -> R
where
    F: FnOnce(Context<'_>) -> R + Send,
    R: Send,
{
    with_context(|cx| match cx {
        Some(cx) => f(cx),
        None => Pool::global().enter(f),
    })
}

/// Calls `body` for each item, in no particular order, on the [`Pool`] whose task calls this, or else on the
/// [global pool](Pool::global).
///
/// Otherwise the same as [`Pool::for_each`].
///
/// ```
/// let mut numbers = [1, 2, 3];
/// longshore::for_each(&mut numbers, |number| *number *= 10);
/// assert_eq!(numbers, [10, 20, 30]);
/// ```
///
/// # Panics
/// With a panic of `body`, after all parts have ended. Also if the global pool is needed and
/// [cannot be built](Pool::global).
#[doc(alias = "par_iter")]
pub fn for_each<I, F>(items: I, body: F)
where
    I: IntoSource,
    F: Fn(I::Item) + Sync + Send,
{
    let source = items.into_source();
    enter(|cx| cx.for_each(source, body));
}

/// Calls `map` for each item and returns the results in the order of the items, on the [`Pool`] whose task
/// calls this, or else on the [global pool](Pool::global).
///
/// Otherwise the same as [`Pool::map`].
///
/// ```
/// assert_eq!(longshore::map(&["push", "and", "steal"], |word| word.len()), [4, 3, 5]);
/// ```
///
/// # Panics
/// With a panic of `map`, after all parts have ended. Also if the global pool is needed and
/// [cannot be built](Pool::global).
#[doc(alias = "par_iter")]
pub fn map<I, T, F>(items: I, map: F) -> Vec<T>
where
    I: IntoSource,
    T: Send,
    F: Fn(I::Item) -> T + Sync + Send,
{
    let source = items.into_source();
    enter(|cx| cx.map(source, map))
}

/// Calls `map` for each item and returns the results in the order of the items, or the first error, on the
/// [`Pool`] whose task calls this, or else on the [global pool](Pool::global).
///
/// Otherwise the same as [`Pool::try_map`].
///
/// ```
/// assert_eq!(longshore::try_map(&["1", "2"], |text| text.parse::<u32>()), Ok(vec![1, 2]));
/// assert!(longshore::try_map(&["1", "two"], |text| text.parse::<u32>()).is_err());
/// ```
///
/// # Errors
/// The error of the first item, in the order of the items, for which `map` failed.
///
/// # Panics
/// With a panic of `map`, after all parts have ended. Also if the global pool is needed and
/// [cannot be built](Pool::global).
pub fn try_map<I, T, E, F>(items: I, map: F) -> Result<Vec<T>, E>
where
    I: IntoSource,
    T: Send,
    E: Send,
    F: Fn(I::Item) -> Result<T, E> + Sync + Send,
{
    let source = items.into_source();
    enter(|cx| cx.try_map(source, map))
}
