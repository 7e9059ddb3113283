//! Each loop gives the answer of the loop without a pool.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{Source, chain, chunks, chunks_mut, enumerate, rev, windows, zip};

use crate::{on_pools, work};

/// Lengths around those at which a loop changes its ways.
const LENGTHS: [usize; 8] = [0, 1, 2, 63, 64, 257, 1000, 50_021];

#[test]
fn reductions_of_numbers() {
    on_pools(|rig| {
        for len in LENGTHS {
            let numbers: Vec<u32> = (0..len as u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
            let sum = numbers.iter().fold(0u32, |a, b| a.wrapping_add(*b));
            assert_eq!(rig.map_reduce(&numbers, || 0, |n| *n, |a: u32, b| a.wrapping_add(b)), sum);
            assert_eq!(rig.map_reduce_option(&numbers, |n| *n, u32::max), numbers.iter().copied().max());
            let unordered = rig.map_reduce_unordered(&numbers, || 0, |n| *n, |a: u32, b| a.wrapping_add(b));
            assert_eq!(unordered, sum);
            let halves: Vec<f64> = numbers.iter().map(|n| f64::from(*n) / 2.0).collect();
            let exact = numbers.iter().map(|n| u64::from(*n)).sum::<u64>() as f64 / 2.0;
            assert_eq!(rig.map_reduce_unordered(&halves, || 0.0, |x| *x, |a, b| a + b), exact);
            let dot = rig.map_reduce_unordered(zip(&halves, &halves), || 0.0, |(a, b)| a + b, |a, b| a + b);
            assert_eq!(dot, 2.0 * exact);
            let by_block = rig.fold_blocks(
                &numbers,
                || 0,
                |sum: &mut u32, block| block.as_slice().iter().for_each(|n| *sum = sum.wrapping_add(*n)),
                |a, b| a.wrapping_add(b),
            );
            assert_eq!(by_block, sum);
        }
    });
}

#[test]
fn folds_keep_the_order_of_the_items_and_begin_few_states() {
    on_pools(|rig| {
        for len in LENGTHS {
            let begun = AtomicUsize::new(0);
            let items = rig.fold(
                0..len,
                || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    Vec::new()
                },
                |items, n| items.push(n),
                |mut left, right| {
                    left.extend(right);
                    left
                },
            );
            assert!(items.iter().copied().eq(0..len), "in order");
            let begun = begun.into_inner();
            assert!(begun >= 1 && begun <= len.max(1), "{begun} states for {len} items");
        }
    });
}

/// Items of which a few take much longer than the rest, so that parts are split at different places.
#[test]
fn uneven_items_keep_their_order() {
    on_pools(|rig| {
        let uneven = |i: usize| {
            work(if i % 97 == 0 { 100 } else { 1 });
            i
        };
        assert!(rig.map(0..5000usize, uneven).into_iter().eq(0..5000));
        let odd = rig.filter_map(0..5000usize, |i| (uneven(i) % 2 == 1).then_some(i));
        assert!(odd.into_iter().eq((0..5000).filter(|i| i % 2 == 1)));
        let text = rig.map_reduce(0..5000usize, String::new, |i| uneven(i).to_string(), |a, b| a + &b);
        assert_eq!(text, (0..5000).map(|i| i.to_string()).collect::<String>());
    });
}

#[test]
fn filters_return_what_is_left_in_order() {
    on_pools(|rig| {
        for len in LENGTHS {
            let none = rig.filter_map(0..len, |_| None::<u8>);
            assert!(none.is_empty());
            let some = rig.filter_map(0..len, |n| (n % 3 == 0).then(|| n.to_string()));
            assert!(some.into_iter().eq((0..len).step_by(3).map(|n| n.to_string())));
        }
    });
}

#[test]
fn searches_find_what_there_is() {
    on_pools(|rig| {
        for len in LENGTHS {
            assert!(!rig.any(0..len, |n| n == len));
            assert!(rig.all(0..len, |n| n < len));
            assert_eq!(rig.find_any(0..len, |n| *n >= len), None);
            assert_eq!(rig.find_first(0..len, |n| *n >= len), None);
            assert_eq!(rig.try_for_each(0..len, |_| Ok::<(), ()>(())), Ok(()));
            for wanted in [0, len / 3, len.saturating_sub(1)].into_iter().filter(|wanted| *wanted < len) {
                assert!(rig.any(0..len, |n| n == wanted));
                assert!(!rig.all(0..len, |n| n != wanted));
                assert!(rig.find_any(0..len, |n| *n >= wanted).is_some_and(|n| n >= wanted && n < len));
                assert_eq!(rig.find_first(0..len, |n| *n >= wanted), Some(wanted));
                assert_eq!(rig.find_first(rev(0..len), |n| *n <= wanted), Some(wanted));
                let failed = rig.try_for_each(0..len, |n| if n == wanted { Err(n) } else { Ok(()) });
                assert_eq!(failed, Err(wanted));
            }
        }
    });
}

/// All items from one place on pass, and take long: the first of them must win, whichever part is faster.
#[test]
fn the_first_of_many_is_found() {
    on_pools(|rig| {
        for first in [0, 1, 700, 1999] {
            let found = rig.find_first(0..2000usize, |n| {
                work(1 + (n % 7) * 3);
                *n >= first
            });
            assert_eq!(found, Some(first));
        }
    });
}

#[test]
fn a_search_ends_soon_after_it_has_found() {
    on_pools(|rig| {
        let looked_at = AtomicUsize::new(0);
        let found = rig.any(0..1_000_000_000usize, |n| {
            looked_at.fetch_add(1, Ordering::Relaxed);
            n == 1000
        });
        assert!(found);
        // The rest of a billion would take seconds; how many blocks other parts run depends on the machine.
        assert!(looked_at.into_inner() < 100_000_000);
    });
}

#[test]
fn scans_are_running_sums() {
    on_pools(|rig| {
        for len in LENGTHS {
            let mut sums: Vec<u64> = (0..len as u64).collect();
            rig.scan(&mut sums, |a, b| a + b);
            assert!(sums.iter().enumerate().all(|(i, sum)| *sum == (i * (i + 1) / 2) as u64));
        }
        // Associative, not commutative, and long enough for a split.
        let mut texts: Vec<String> = (0..600).map(|n| (n % 10).to_string()).collect();
        rig.scan(&mut texts, |a, b| {
            work(20);
            format!("{a}{b}")
        });
        let whole: String = (0..600).map(|n| (n % 10).to_string()).collect();
        assert!(texts.iter().enumerate().all(|(i, text)| *text == whole[..=i]));
    });
}

#[test]
fn adaptors_in_loops() {
    on_pools(|rig| {
        for len in LENGTHS {
            let x: Vec<u64> = (0..len as u64).collect();
            let mut y = vec![1; len];
            rig.for_each(zip(&mut y, &x), |(y, x)| *y += 2 * x);
            assert!(y.iter().zip(0..).all(|(y, x)| *y == 2 * x + 1));
            rig.for_each(enumerate(rev(&mut y)), |(i, y)| *y = i as u64);
            assert!(y.iter().rev().zip(0..).all(|(y, i)| *y == i));
            let sums = rig.map(windows(&x), |[a, b, c]| a + b + c);
            assert!(sums.into_iter().eq(x.windows(3).map(|w| w.iter().sum::<u64>())));
            let doubled: Vec<u64> = x.iter().chain(&x).copied().collect();
            assert_eq!(rig.map(chain(&x, &x), |n| *n), doubled);
            assert_eq!(rig.map(rev(x.clone()), |n| n), x.iter().rev().copied().collect::<Vec<_>>());
            rig.for_each(zip(chunks_mut(&mut y, 10), chunks(&x, 10)), |(y, x)| y.copy_from_slice(x));
            assert_eq!(x, y);
            let counted = rig.map(0..=len as u32, |n| n);
            assert!(counted.into_iter().eq(0..=len as u32));
            assert_eq!(rig.map((0..len).with_grain(100), |n| n).len(), len);
        }
    });
}

#[test]
fn collections_in_loops() {
    on_pools(|rig| {
        let mut deque: VecDeque<u32> = (0..5000).collect();
        deque.rotate_left(1234);
        rig.for_each(&mut deque, |n| *n += 1);
        assert_eq!(rig.map(&deque, |n| *n), Vec::from(deque.clone()));
        let map: BTreeMap<u32, String> = (0..3000).map(|n| (n, n.to_string())).collect();
        assert!(rig.all(&map, |(n, text)| n.to_string() == *text));
        let mut lengths: HashMap<u32, usize> = (0..3000).map(|n| (n, 0)).collect();
        rig.for_each(&mut lengths, |(n, length)| *length = n.to_string().len());
        assert!(lengths.iter().all(|(n, length)| n.to_string().len() == *length));
        assert_eq!(rig.map([1, 2, 3], |n| n * 2), [2, 4, 6]);
        let shared: Arc<[u8]> = vec![1; 5000].into();
        assert_eq!(rig.map_reduce(&shared, || 0, |n| u64::from(*n), |a, b| a + b), 5000);
        assert_eq!(rig.map(vec![7u8; 3].into_boxed_slice(), |n| n), [7, 7, 7]);
        assert_eq!(rig.map(i128::MIN..i128::MIN + 2, |n| n), [i128::MIN, i128::MIN + 1]);
    });
}

/// Loops in a task of the pool, where the worker that calls them is not an external thread.
#[test]
fn loops_inside_of_tasks() {
    on_pools(|rig| {
        let sum = rig.submit(|| {
            longshore::with_context(|cx| {
                let cx = cx.expect("in a task");
                cx.for_each(0..10, |_| work(10));
                cx.map_reduce(0..10_000u64, || 0, |n| n, |a, b| a + b)
            })
        });
        assert_eq!(sum.expect("open").join().expect("ran"), 49_995_000);
    });
}
