//! Tokens that cancel themselves when their time is over.
//!
//! A helper thread of the process sleeps until the first time limit of all tokens, and cancels the tokens
//! whose limits have passed. It starts with the first such token, blocks all signals, and sleeps for the rest
//! of the process. When a token is cancelled, another helper is there for the next one (`task/deadlines.rs`).
//! Where no helper can be started, and in a forked child, a look at the token compares the limit with the
//! clock.
//!
//! Any thread may make such a token. Guarded by `tests/cancelling`.

use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::{fork, signals};
use crate::task::cancel::{CancelToken, TimeLimit};
use crate::task::deadlines::{DeadlineRegistration, Deadlines, HelperEnd};

/// The time limits of all tokens, and the fork generation of the process whose thread watches them. `None`
/// if that thread could not be started.
static LIMITS: OnceLock<Option<(u32, Arc<Deadlines>)>> = OnceLock::new();

/// A time limit in the list.
struct ListedLimit {
    registration: ManuallyDrop<DeadlineRegistration>,
    generation: u32,
}

impl Drop for ListedLimit {
    fn drop(&mut self) {
        // In a forked child a thread that does not exist there may hold the lock of the list. The entry is
        // leaked then.
        if self.generation == fork::generation() {
            // SAFETY: it is dropped here only, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.registration) };
        }
    }
}

/// The list of time limits, if the helper thread of this process watches it.
fn limits() -> Option<&'static (u32, Arc<Deadlines>)> {
    let start = || {
        let limits = Arc::new(Deadlines::default());
        (fork::register() && start_helper(&limits)).then(|| (fork::generation(), limits))
    };
    LIMITS.get_or_init(start).as_ref().filter(|(generation, _)| *generation == fork::generation())
}

/// Starts a helper thread. Returns whether it did.
fn start_helper(limits: &Arc<Deadlines>) -> bool {
    let limits = limits.clone();
    let life = move || match limits.serve(|| start_helper(&limits)) {
        HelperEnd::Surplus | HelperEnd::PoolEnd => {}
    };
    let helper = thread::Builder::new().name("longshore-timer".to_owned());
    signals::with_all_blocked(|| helper.spawn(life)).is_ok()
}

impl CancelToken {
    /// A token that is cancelled when `time` has passed, or before by [`cancel`](CancelToken::cancel). Queued
    /// tasks with the token end at that moment. Running tasks and loops see it when they ask.
    ///
    /// The first such token starts a thread of the process for all of them. If the operating system has no
    /// thread, tasks with the token end when a worker finds them.
    ///
    /// A time that ends beyond the range of [`Instant`] never passes.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use longshore::{CancelToken, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let token = CancelToken::after(Duration::from_millis(10));
    /// let steps = pool.submit(move || (0u64..).take_while(|_| !token.is_cancelled()).count())?;
    /// assert!(steps.join()? > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "timeout")]
    #[doc(alias = "deadline")]
    pub fn after(time: Duration) -> CancelToken {
        let token = CancelToken::new();
        if time.is_zero() {
            token.cancel();
        } else if let Some(limit) = Instant::now().checked_add(time) {
            token.limit_time(|node| {
                let listed = limits().and_then(|(generation, limits)| {
                    let registration = ManuallyDrop::new(limits.add(limit, node, || Ok(()))?);
                    Some(ListedLimit { registration, generation: *generation })
                });
                match listed {
                    Some(listed) => TimeLimit::Helper { _registration: Box::new(listed) },
                    None => TimeLimit::Clock(limit),
                }
            });
        }
        token
    }
}
