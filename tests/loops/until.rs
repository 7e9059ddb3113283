//! Loops that a token ends: what was begun ends, what was not begun is dropped, and the loop says which is
//! which.

use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::CancelToken;

use crate::on_pools;
use crate::support::{Census, quiet_panic};

#[test]
fn without_a_cancellation_everything_runs() {
    on_pools(|rig| {
        let (token, ran) = (CancelToken::new(), AtomicUsize::new(0));
        let count = |_| _ = ran.fetch_add(1, Ordering::Relaxed);
        assert!(rig.for_each_until(0..3000, &token, count));
        assert_eq!(ran.into_inner(), 3000);
        let all = rig.map_until(0..3000usize, &token, |n| 2 * n);
        assert!(all.into_iter().eq((0..3000).map(|n| Some(2 * n))));
    });
}

#[test]
fn a_cancelled_token_lets_nothing_begin() {
    on_pools(|rig| {
        let (token, census) = (CancelToken::new(), Census::default());
        token.cancel();
        let items: Vec<_> = (0..100).map(|_| census.citizen()).collect();
        assert!(!rig.for_each_until(items, &token, |_| panic!("an item has run")));
        census.assert_all_gone();
        assert!(
            rig.map_until(0..100, &token, |_| panic!("an item has run")).iter().all(Option::<()>::is_none)
        );
        assert!(rig.for_each_until(0..0, &token, |_: i32| ()), "no item was left out");
    });
}

#[test]
fn the_results_until_the_cancellation_are_returned() {
    on_pools(|rig| {
        let (token, ran, census) = (CancelToken::new(), AtomicUsize::new(0), Census::default());
        let results = rig.map_until(0..10_000usize, &token, |n| {
            if ran.fetch_add(1, Ordering::Relaxed) == 700 {
                token.cancel();
            }
            (n, census.citizen())
        });
        assert_eq!(results.len(), 10_000);
        let done: Vec<usize> = results.iter().flatten().map(|(n, _)| *n).collect();
        assert_eq!(done.len(), ran.into_inner(), "each item that has run has its result");
        assert!(done.len() > 700 && done.len() < 10_000);
        assert!(
            results
                .iter()
                .enumerate()
                .all(|(place, result)| result.as_ref().is_none_or(|(n, _)| *n == place))
        );
        assert_eq!(census.alive(), done.len() as i64);
        drop(results);
        census.assert_all_gone();
    });
}

#[test]
fn a_panic_drops_all_results() {
    on_pools(|rig| {
        let (token, census) = (CancelToken::new(), Census::default());
        let map = |n: usize| if n == 1500 { quiet_panic("an item") } else { census.citizen() };
        let call = std::panic::AssertUnwindSafe(|| rig.map_until(0..3000usize, &token, map));
        assert!(std::panic::catch_unwind(call).is_err());
        census.assert_all_gone();
    });
}
