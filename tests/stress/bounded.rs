//! Bounded pools under eight producers: small capacities and every policy. Each task runs once, is returned
//! or is dropped, and no more tasks wait than the capacity. Compiled once for each kind: `Pool` is that of
//! the module that includes this one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use longshore::{OnFull, SubmitErrorKind};

use super::*;
use crate::support::{Hits, PATIENCE, assert_quiescent, scaled, watchdog};

const PRODUCERS: usize = 8;
const POLICIES: [OnFull; 5] =
    [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::Reject, OnFull::Drop, OnFull::CallerRuns];

/// Submits task number `n` by one of the possible calls. Returns whether it was accepted.
fn submit(pool: &Pool, hits: &Hits, n: usize) -> bool {
    let task = hits.task(n);
    let result = match n % 7 {
        0 => pool.submit(task).map(drop).map_err(|refused| refused.kind),
        1 => pool.submit_timeout(task, PATIENCE).map(drop).map_err(|refused| refused.kind),
        2 => pollster::block_on(pool.submit_async(task)).map(drop).map_err(|refused| refused.kind),
        3 => pool.try_execute(task).map_err(|refused| refused.kind),
        4 => pool.execute_batch([task]).map(drop).map_err(|refused| refused.kind),
        _ => pool.execute(task).map_err(|refused| refused.kind),
    };
    assert!(matches!(result, Ok(()) | Err(SubmitErrorKind::Full)), "{result:?}");
    result.is_ok()
}

#[test]
fn every_capacity_and_policy() {
    let _watchdog = watchdog("bounded pools", 10 * PATIENCE);
    for capacity in [0, 1, 2, 64] {
        for on_full in POLICIES {
            let each = scaled(700);
            let pool = Pool::builder().workers(2).queue_capacity(capacity).on_full(on_full);
            let pool = pool.build().expect("starts");
            let hits = Hits::new(PRODUCERS * each);
            let (refused, left) = (AtomicUsize::new(0), AtomicUsize::new(PRODUCERS));
            thread::scope(|scope| {
                for producer in 0..PRODUCERS {
                    let (pool, hits, refused, left) = (&pool, &hits, &refused, &left);
                    scope.spawn(move || {
                        let mine = producer * each..(producer + 1) * each;
                        let back = mine.filter(|&n| !submit(pool, hits, n)).count();
                        refused.fetch_add(back, Ordering::Relaxed);
                        left.fetch_sub(1, Ordering::Release);
                    });
                }
                while left.load(Ordering::Acquire) > 0 {
                    let (stats, most) = (pool.stats(), if capacity == 0 { 2 } else { capacity as u64 });
                    assert!(stats.waiting <= most, "{on_full:?}: {stats:?}");
                    thread::yield_now();
                }
            });
            pool.shutdown().expect("shuts down");
            let stats = assert_quiescent(&pool);
            assert_eq!(stats.waiting + stats.running + stats.blocked, 0, "{stats:?}");
            assert_eq!(stats.submitted + refused.into_inner() as u64, (PRODUCERS * each) as u64);
            assert_eq!(stats.completed, hits.total() as u64);
            hits.assert_at_most_once_each();
        }
    }
}
