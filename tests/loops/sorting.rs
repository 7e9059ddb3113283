//! Sorts: the order of the standard library's, every element once, whatever the comparison does.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};

use rand::RngExt;

use crate::on_pools;
use crate::support::{Census, quiet_panic, rng, seed};

const LENGTHS: [usize; 6] = [0, 1, 20, 4095, 4096, 70_001];

/// The patterns that sorts meet: random, few values, rising, falling, a rising run with a random tail.
fn patterns(len: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut rng = rng(seed, len as u64);
    let mut random = |most: u32| (0..len).map(|_| rng.random_range(0..most)).collect::<Vec<u32>>();
    let (any, few, tail) = (random(u32::MAX), random(7), random(u32::MAX));
    let rising: Vec<u32> = (0..len as u32).collect();
    let falling: Vec<u32> = rising.iter().rev().copied().collect();
    let run = rising.iter().take(len / 2).copied().chain(tail.into_iter().skip(len / 2)).collect();
    vec![any, few, rising, falling, run]
}

#[test]
fn numbers_are_sorted() {
    let seed = seed();
    on_pools(|rig| {
        for numbers in LENGTHS.into_iter().flat_map(|len| patterns(len, seed)) {
            let mut sorted = numbers.clone();
            sorted.sort();
            let falling: Vec<u32> = sorted.iter().rev().copied().collect();
            let check_for = |wanted: &[u32], sort: &dyn Fn(&mut Vec<u32>)| {
                let mut numbers = numbers.clone();
                sort(&mut numbers);
                assert_eq!(numbers, wanted);
            };
            let check = |sort: &dyn Fn(&mut Vec<u32>)| check_for(&sorted, sort);
            check(&|numbers| rig.sort(numbers));
            check(&|numbers| rig.sort_unstable(numbers));
            check(&|numbers| rig.sort_by_key(numbers, |n| *n));
            check(&|numbers| rig.sort_unstable_by_key(numbers, |n| *n));
            let check = |sort: &dyn Fn(&mut Vec<u32>)| check_for(&falling, sort);
            check(&|numbers| rig.sort_by(numbers, |a, b| b.cmp(a)));
            check(&|numbers| rig.sort_unstable_by(numbers, |a, b| b.cmp(a)));
        }
    });
}

#[test]
fn equal_elements_keep_their_order() {
    let seed = seed();
    on_pools(|rig| {
        for numbers in patterns(70_001, seed) {
            let mut pairs: Vec<(u32, usize)> = numbers.into_iter().map(|n| n % 10).zip(0..).collect();
            rig.sort_by_key(&mut pairs, |pair| pair.0);
            assert!(pairs.is_sorted(), "by the key, and then by the place");
            let mut pairs: Vec<(u32, usize)> =
                pairs.into_iter().map(|(n, _)| (n * 7) % 10).zip(0..).collect();
            rig.sort_by(&mut pairs, |a, b| a.0.cmp(&b.0));
            assert!(pairs.is_sorted());
        }
        let mut nothing = vec![(); 10_000];
        rig.sort(&mut nothing);
        assert_eq!(nothing.len(), 10_000);
    });
}

/// A comparison that panics, in whatever phase: each element is in the slice once.
#[test]
fn a_panic_loses_no_element() {
    let seed = seed();
    on_pools(|rig| {
        for panics_at in [0, 1000, 60_000, 120_000, 140_000, 200_000] {
            let census = Census::default();
            let mut elements: Vec<_> =
                patterns(10_000, seed).swap_remove(0).into_iter().map(|n| (n, census.citizen())).collect();
            let mut before: Vec<u32> = elements.iter().map(|element| element.0).collect();
            let calls = AtomicUsize::new(0);
            let sorted = catch_unwind(AssertUnwindSafe(|| {
                rig.sort_by(&mut elements, |a, b| {
                    if calls.fetch_add(1, Atomic::Relaxed) == panics_at {
                        quiet_panic("a comparison");
                    }
                    a.0.cmp(&b.0)
                });
            }));
            let mut after: Vec<u32> = elements.iter().map(|element| element.0).collect();
            assert!(sorted.is_err() || after.is_sorted());
            before.sort_unstable();
            after.sort_unstable();
            assert_eq!(before, after);
            elements.iter().for_each(|element| element.1.check());
            drop(elements);
            census.assert_all_gone();
        }
    });
}

/// An order that contradicts itself may panic, and still loses no element.
#[test]
fn a_comparison_without_sense_loses_no_element() {
    let seed = seed();
    on_pools(|rig| {
        let census = Census::default();
        let mut elements: Vec<_> = (0..30_000).map(|_| census.citizen()).collect();
        let state = AtomicUsize::new(seed as usize);
        for _ in 0..3 {
            _ = catch_unwind(AssertUnwindSafe(|| {
                rig.sort_by(&mut elements, |_, _| {
                    let n = state.fetch_add(0x9E37_79B9, Atomic::Relaxed);
                    match (n >> 7) % 3 {
                        0 => Ordering::Less,
                        1 => Ordering::Equal,
                        _ => Ordering::Greater,
                    }
                });
            }));
        }
        assert_eq!(elements.len(), 30_000);
        drop(elements);
        census.assert_all_gone();
    });
}
