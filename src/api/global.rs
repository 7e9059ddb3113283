//! The global pool: built at its first use, used by the free functions outside of every pool.
//!
//! A static that is set once holds the pool, and no thread ever drops it. A mutex makes sure that two threads
//! do not build two pools. `runtime/process_end.rs` warns of tasks that have not run when the process ends.
//! Guarded by `tests/process_global.rs`.

use std::sync::{Mutex, OnceLock};

use crate::api::builder::PoolBuilder;
use crate::api::pool::Pool;
use crate::base::error::BuildError;
use crate::base::facade::lock;
use crate::runtime::{current, current_pool};

static GLOBAL: OnceLock<Pool> = OnceLock::new();

/// Held while the global pool is built.
static BUILDING: Mutex<()> = Mutex::new(());

/// The global pool.
impl Pool {
    /// Returns the global pool of the process, and builds it at the first call, with the settings of
    /// [`Pool::new`]. The free functions [`submit`](crate::submit), [`join`](crate::join()),
    /// [`map`](crate::map) and so on use it outside of every pool.
    ///
    /// [`PoolBuilder::build_global`] chooses other settings, before the first use.
    ///
    /// The global pool is never dropped. When `main` returns, the process ends, and tasks that have not run
    /// are lost. So a program that submits tasks whose handles it does not join calls
    /// `Pool::global().shutdown()` at the end of `main`. A program that forgets this gets a line on standard
    /// error, unless the environment variable `LONGSHORE_EXIT_WARNING` is `0`. After a shutdown submissions
    /// are refused, and joins, scopes and loops run on the calling thread alone.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// let answer = longshore::submit(|| 6 * 7)?; // on the global pool
    /// assert_eq!(answer.join()?, 42);
    /// assert!(Pool::global().stats().completed >= 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If the pool cannot be built, with the [`BuildError`]: the environment variable `LONGSHORE_THREADS`
    /// holds no number of workers, or the operating system starts no thread. The next call tries again.
    #[doc(alias = "commonPool")]
    pub fn global() -> &'static Pool {
        match get_or_build() {
            Ok(pool) => pool,
            Err(error) => panic!("the global pool cannot be built: {error}"),
        }
    }
}

impl PoolBuilder {
    /// Starts the [global pool](Pool::global) with these settings. Works once in a process, before the first
    /// use of the global pool; so a program calls it at the beginning of `main`, and a library never does.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// let pool = Pool::builder().workers(2).thread_name("all").build_global()?;
    /// assert_eq!(pool.workers(), 2);
    /// assert_eq!(longshore::map(0..3, |n| n * n), [0, 1, 4]);
    /// assert!(Pool::builder().build_global().is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::GlobalExists`] if there is a global pool already. Otherwise the errors of
    /// [`PoolBuilder::build`]; then there is no global pool yet.
    pub fn build_global(self) -> Result<&'static Pool, BuildError> {
        let _building = lock(&BUILDING);
        match GLOBAL.get() {
            Some(_) => Err(BuildError::GlobalExists),
            None => build(self),
        }
    }
}

/// The global pool for the calling thread. `None` if it cannot be built, and for the thread of a worker that
/// has left its pool: the destructors of the thread's locals must not start another pool.
pub fn for_this_thread() -> Option<&'static Pool> {
    let has_left = current_pool::is_of_a_pool() && !current::is_worker();
    if has_left { None } else { get_or_build().ok() }
}

fn get_or_build() -> Result<&'static Pool, BuildError> {
    if let Some(pool) = GLOBAL.get() {
        return Ok(pool);
    }
    let _building = lock(&BUILDING);
    match GLOBAL.get() {
        Some(pool) => Ok(pool),
        None => build(Pool::builder()),
    }
}

/// Builds the pool. Called with the mutex held, and without a global pool.
#[cold]
fn build(builder: PoolBuilder) -> Result<&'static Pool, BuildError> {
    let pool = builder.build()?;
    Ok(GLOBAL.get_or_init(|| pool))
}
