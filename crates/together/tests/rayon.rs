//! rayon's iterators on a pool of this library. In a process of its own, because the test counts threads.

use longshore::{OnPoolExt, Pool};
use rayon::prelude::*;

#[path = "../../../tests/support/mod.rs"]
mod support;

use support::{quiet_panic, text, thread_count};

#[test]
fn iterators_run_on_the_pool_and_rayon_starts_no_thread() {
    let pool = Pool::builder().workers(2).build().expect("starts");
    let before = thread_count();
    let numbers: Vec<u64> = (0..100_000).collect();
    for len in [0, 1, 2, 63, 1000, 100_000] {
        let numbers = &numbers[..len];
        assert_eq!(numbers.par_iter().on(&pool).sum::<u64>(), numbers.iter().sum());
        let doubled: Vec<u64> = numbers.par_iter().on(&pool).map(|n| 2 * n).collect();
        assert!(doubled.iter().eq(numbers.iter().map(|n| 2 * n).collect::<Vec<_>>().iter()), "in order");
        let odd: Vec<&u64> = numbers.par_iter().on(&pool).filter(|n| **n % 2 == 1).collect();
        assert_eq!(odd.len(), len / 2);
        let zipped: u64 = numbers.par_iter().zip(&doubled).on(&pool).map(|(a, b)| a + b).sum();
        assert_eq!(zipped, 3 * numbers.iter().sum::<u64>());
    }
    assert!(numbers.par_iter().on(&pool).any(|&n| n == 77_777));
    assert_eq!(numbers.par_iter().on(&pool).find_first(|&&n| n > 500), Some(&501));
    let mut copy = numbers.clone();
    copy.par_iter_mut().with_min_len(1000).on(&pool).for_each(|n| *n += 1);
    assert!(copy.iter().zip(&numbers).all(|(a, b)| *a == b + 1));
    let nested: usize = (0..50usize)
        .into_par_iter()
        .on(&pool)
        .map(|n| (0..n).into_par_iter().on(&pool).map(|n| n / n.max(1)).sum::<usize>())
        .sum();
    assert_eq!(nested, (1..50).map(|n| n - 1).sum());
    let caught = std::panic::catch_unwind(|| {
        (0..1000).into_par_iter().on(&pool).for_each(|n| {
            if n == 700 {
                quiet_panic("an item")
            }
        });
    });
    assert_eq!(text(&*caught.expect_err("panics")), "an item");
    assert_eq!(thread_count(), before, "rayon's own threads were not started");
    pool.shutdown().expect("ends");
}
