//! A pool under a watchdog, and the check that its statistics add up at the end.

use std::ops::Deref;
use std::sync::Arc;
use std::thread;

use longshore::{AnyPool, Pool, PoolBuilder, PoolStats, PullPool};

use super::{PATIENCE, Watchdog, scaled, watchdog};

/// A push pool under a watchdog, which ends a test that hangs.
pub type Rig = AnyRig<Pool>;

/// A pool of either kind under a watchdog, which ends a test that hangs.
#[derive(Debug)]
pub struct AnyRig<P: AnyPool> {
    pool: Arc<P>,
    watchdog: Watchdog,
}

impl<P: AnyPool> AnyRig<P> {
    pub fn new(workers: usize) -> Self {
        Self::with(P::builder().workers(workers))
    }

    pub fn with(builder: PoolBuilder<P>) -> Self {
        let watchdog = watchdog(thread::current().name().unwrap_or("a test"), PATIENCE * scaled(1) as u32);
        let pool = Arc::new(builder.build().expect("the pool starts"));
        watchdog.watch(&pool);
        AnyRig { pool, watchdog }
    }

    pub fn pool(&self) -> &Arc<P> {
        &self.pool
    }

    /// Shuts the pool down, checks its statistics and returns them.
    #[track_caller]
    pub fn finish(self) -> PoolStats {
        self.pool.shutdown().expect("shuts down");
        let stats = assert_quiescent(&self.pool);
        assert_eq!((stats.waiting, stats.running), (0, 0), "no task is left: {stats:?}");
        stats
    }
}

impl<P: AnyPool> Deref for AnyRig<P> {
    type Target = Arc<P>;

    fn deref(&self) -> &Arc<P> {
        &self.pool
    }
}

/// A pool, or a value that has one, as an argument of test helpers.
pub trait HasPool {
    type Kind: AnyPool;

    fn the_pool(&self) -> &Self::Kind;
}

/// Waits until every worker has run a task. On Windows no thread can start while another one ends: a test
/// whose threads wait for results when they end needs workers that have started.
pub fn wait_for_started_workers(pool: &impl HasPool) {
    for started in pool.the_pool().broadcast(|_| ()).expect("open") {
        started.join().expect("ran");
    }
}

impl HasPool for Pool {
    type Kind = Pool;

    fn the_pool(&self) -> &Pool {
        self
    }
}

impl HasPool for PullPool {
    type Kind = PullPool;

    fn the_pool(&self) -> &PullPool {
        self
    }
}

impl<P: AnyPool> HasPool for Arc<P> {
    type Kind = P;

    fn the_pool(&self) -> &P {
        self
    }
}

impl<P: AnyPool> HasPool for AnyRig<P> {
    type Kind = P;

    fn the_pool(&self) -> &P {
        &self.pool
    }
}

/// Checks that the statistics of a pool without work add up, and returns them.
#[track_caller]
pub fn assert_quiescent(pool: &impl HasPool) -> PoolStats {
    let pool = pool.the_pool();
    let stats = pool.stats();
    let ended = stats.completed + stats.failed + stats.panicked;
    let unstarted = stats.cancelled + stats.expired + stats.dropped;
    let sum = ended + unstarted + stats.waiting + stats.running;
    assert_eq!(stats.submitted, sum, "the numbers add up: {stats:?}");
    let executed: u64 = stats.workers.iter().map(|worker| worker.executed).sum();
    assert_eq!(executed + stats.run_by_callers, ended, "{stats:?}");
    assert_eq!(stats.live, pool.workers());
    stats
}
