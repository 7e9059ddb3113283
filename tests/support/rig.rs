//! A pool under a watchdog, and the check that its numbers add up at the end.

use std::ops::Deref;
use std::sync::Arc;
use std::thread;

use longshore::{Pool, PoolBuilder, PoolStats};

use super::{PATIENCE, Watchdog, watchdog};

/// A pool whose test cannot hang unnoticed.
#[derive(Debug)]
pub struct Rig {
    pool: Arc<Pool>,
    watchdog: Watchdog,
}

impl Rig {
    pub fn new(workers: usize) -> Self {
        Self::with(Pool::builder().workers(workers))
    }

    pub fn with(builder: PoolBuilder) -> Self {
        let watchdog = watchdog(thread::current().name().unwrap_or("a test"), PATIENCE);
        let pool = Arc::new(builder.build().expect("the pool starts"));
        watchdog.watch(&pool);
        Rig { pool, watchdog }
    }

    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Shuts down and checks the numbers; returns them.
    #[track_caller]
    pub fn finish(self) -> PoolStats {
        self.pool.shutdown().expect("shuts down");
        let stats = assert_quiescent(&self.pool);
        assert_eq!((stats.waiting, stats.running), (0, 0), "nothing is left: {stats:?}");
        stats
    }
}

impl Deref for Rig {
    type Target = Arc<Pool>;

    fn deref(&self) -> &Arc<Pool> {
        &self.pool
    }
}

/// The identity of the counters, for a pool at rest; returns them.
#[track_caller]
pub fn assert_quiescent(pool: &Pool) -> PoolStats {
    let stats = pool.stats();
    let sum = stats.completed + stats.panicked + stats.cancelled + stats.waiting + stats.running;
    assert_eq!(stats.submitted, sum, "the numbers add up: {stats:?}");
    let executed: u64 = stats.workers.iter().map(|worker| worker.executed).sum();
    assert_eq!(executed, stats.completed + stats.panicked, "{stats:?}");
    assert_eq!(stats.workers.len(), pool.workers());
    stats
}
