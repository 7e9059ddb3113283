//! One test at a time: a test that counts threads must not see those of another test.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::{thread_names, wait_until};

static ONE: Mutex<()> = Mutex::new(());

/// The right to count the threads of pools.
pub struct Alone {
    _one: MutexGuard<'static, ()>,
}

/// Waits for that right, and until no thread of an earlier test is left.
pub fn alone() -> Alone {
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the threads of the previous test have ended", || pool_threads() == 0);
    Alone { _one: one }
}

impl Alone {
    /// The number of threads that belong to pools.
    pub fn threads(&self) -> usize {
        pool_threads()
    }

    /// Waits until there are exactly `n` threads that belong to pools. (The operating system lists a thread
    /// for a moment after it was joined.)
    #[track_caller]
    pub fn wait_for_threads(&self, n: usize) {
        wait_until(&format!("there are {n} threads"), || pool_threads() == n);
    }
}

/// Counts the threads of pools in this process by their names, which begin with that of the pool.
fn pool_threads() -> usize {
    thread_names().iter().filter(|name| name.starts_with("longshore-")).count()
}
