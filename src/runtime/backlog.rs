//! Tasks that a pool has accepted and that none of its queues shows: those that wait in lanes
//! (`submit/lane.rs`). Statistics count them, and a purge discards them.
//!
//! [`Core`](crate::runtime::core::Core) owns the list. Any thread adds a lane, or looks through the list.
//! Guarded by `tests/it/behaviour/lanes.rs`.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use crate::base::facade::lock;

/// Tasks that wait in front of a pool.
pub trait Backlog: Send + Sync {
    /// How many entries there are: tasks that wait, and those of tasks that were ended while they waited.
    fn entries(&self) -> u64;
    /// Discards the tasks that wait, and returns how many they were.
    fn purge(&self) -> u64;
}

/// The backlogs in front of a pool. Their owners may have dropped them.
#[derive(Default)]
pub struct Backlogs(Mutex<Vec<Weak<dyn Backlog>>>);

impl Backlogs {
    /// Adds `backlog`, for as long as it lives.
    pub fn add(&self, backlog: &Arc<dyn Backlog>) {
        let mut all = lock(&self.0);
        all.retain(|backlog| backlog.strong_count() > 0);
        all.push(Arc::downgrade(backlog));
    }

    /// The sum of what `look` returns for each. `look` may call user code.
    pub fn sum(&self, look: impl Fn(&dyn Backlog) -> u64) -> u64 {
        let all = lock(&self.0).clone();
        all.iter().filter_map(Weak::upgrade).map(|backlog| look(&*backlog)).sum()
    }
}

impl fmt::Debug for Backlogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backlogs").field(&lock(&self.0).len()).finish()
    }
}
