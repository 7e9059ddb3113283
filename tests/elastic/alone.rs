//! One test at a time: a test that counts threads must not see those of another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::{thread_names, wait_until};

static ONE: Mutex<()> = Mutex::new(());

/// The right to count threads.
pub struct Alone {
    _one: MutexGuard<'static, ()>,
}

/// Waits for it.
pub fn alone() -> Alone {
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    wait_until("the threads of the test before are gone", || pool_threads() == 0);
    Alone { _one: one }
}

impl Alone {
    /// The threads that pools have.
    pub fn threads(&self) -> usize {
        pool_threads()
    }

    /// Waits until the operating system shows so many, and no others.
    #[track_caller]
    pub fn wait_for_threads(&self, n: usize) {
        wait_until(&format!("there are {n} threads"), || pool_threads() == n);
    }
}

/// Threads of pools of this process: their names begin with that of the pool.
fn pool_threads() -> usize {
    thread_names().iter().filter(|name| name.starts_with("longshore-")).count()
}
