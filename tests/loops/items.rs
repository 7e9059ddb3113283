//! What loops and streams promise: every item once, in order where the order is promised, whatever fails.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use longshore::{Source, chunks, chunks_mut};

use crate::support::{Gate, Rig, quiet_panic, text, wait_until};

#[test]
fn every_item_is_visited_once() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for len in [0, 1, 2, 3, 1000, 10_007usize] {
            let visits: Vec<AtomicU32> = (0..len).map(|_| AtomicU32::new(0)).collect();
            rig.for_each(0..len, |i: usize| _ = visits[i].fetch_add(1, Ordering::Relaxed));
            rig.for_each(&visits, |visit| _ = visit.fetch_add(1, Ordering::Relaxed));
            rig.for_each((0..len).with_grain(100), |i| _ = visits[i].fetch_add(1, Ordering::Relaxed));
            assert!(visits.iter().all(|visit| visit.load(Ordering::Relaxed) == 3));
        }
        let mut numbers: Vec<usize> = (0..5000).collect();
        rig.for_each(&mut numbers, |n| *n *= 2);
        rig.for_each(chunks_mut(&mut numbers, 7), |piece| piece.iter_mut().for_each(|n| *n += 1));
        assert!(numbers.iter().enumerate().all(|(i, &n)| n == 2 * i + 1));
        let sum =
            rig.map_reduce(chunks(&numbers, 11), || 0, |piece| piece.iter().sum::<usize>(), |a, b| a + b);
        assert_eq!(sum, 5000 * 5000);
        rig.finish();
    }
}

#[test]
fn results_are_in_the_order_of_the_items() {
    let rig = Rig::new(2);
    for len in [0, 1, 17, 10_000u64] {
        let expected: Vec<String> = (0..len).map(|n| n.to_string()).collect();
        assert_eq!(rig.map(0..len, |n| n.to_string()), expected);
        assert_eq!(rig.map(expected.clone(), |text| text), expected);
        let joined = rig.map_reduce(&expected, String::new, |text| text.clone(), |a, b| a + &b);
        assert_eq!(joined, expected.concat(), "not commutative, but associative");
    }
    assert_eq!(rig.map(0..1000, |_: i32| ()).len(), 1000);
    rig.finish();
}

/// A few items may be long: each item runs on a worker of its own, although the first waits for the last.
#[test]
fn a_few_items_are_distributed_at_once() {
    let rig = Rig::new(2);
    for _ in 0..200 {
        let (first, second) = (Gate::new(), Gate::new());
        rig.for_each(0..2, |i| {
            if i == 0 {
                first.open();
                second.visitor().pass();
            } else {
                second.open();
                first.visitor().pass();
            }
        });
    }
    rig.finish();
}

/// While one item takes long, another worker takes half of the remaining items.
#[test]
fn a_long_item_does_not_delay_the_others() {
    let rig = Rig::new(2);
    for _ in 0..20 {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let passed = AtomicUsize::new(0);
        rig.for_each(0..1000, |i| {
            // Long enough for the loop to split.
            (0..20_000).for_each(|n| _ = std::hint::black_box(n));
            if i == 4 {
                visitor.pass();
            } else if passed.fetch_add(1, Ordering::Relaxed) == 400 {
                gate.open();
            }
        });
        assert_eq!(passed.load(Ordering::Relaxed), 999);
    }
    rig.finish();
}

#[test]
fn the_first_error_ends_a_try_map() {
    for workers in [1, 2, 4] {
        let rig = Rig::new(workers);
        let begun = AtomicUsize::new(0);
        let result = rig.try_map(0..100_000u32, |n| {
            begun.fetch_add(1, Ordering::Relaxed);
            if n == 50 { Err(n) } else { Ok(vec![n]) }
        });
        assert_eq!(result, Err(50));
        assert!(workers > 1 || begun.load(Ordering::Relaxed) == 51);
        let all = rig.try_map(0..1000u32, Ok::<u32, ()>).expect("no error");
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        rig.finish();
    }
}

#[test]
fn a_panic_continues_and_drops_all_results() {
    for workers in [1, 3] {
        let rig = Rig::new(workers);
        for place in [0, 1, 500, 999] {
            let alive = Arc::new(());
            let caught = catch_unwind(AssertUnwindSafe(|| {
                rig.map(0..1000, |i| {
                    if i == place {
                        quiet_panic("an item");
                    }
                    alive.clone()
                })
            }));
            assert_eq!(text(&*caught.expect_err("panics")), "an item");
            assert_eq!(Arc::strong_count(&alive), 1, "no result is left");
            // Items that are passed by value and never reached are dropped as well.
            let items: Vec<_> = (0..1000).map(|i| (i, alive.clone())).collect();
            let caught = catch_unwind(AssertUnwindSafe(|| {
                rig.for_each(items, |(i, _)| {
                    if i == place {
                        quiet_panic("an item")
                    }
                });
            }));
            caught.expect_err("panics");
            assert_eq!(Arc::strong_count(&alive), 1, "no item is left");
        }
        rig.finish();
    }
}

#[test]
fn loops_in_loops_in_joins_in_scopes_in_tasks() {
    let rig = Rig::new(2);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let pool = rig.pool().clone();
    let handle = rig.submit(move || {
        let counted = &counted;
        pool.scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    longshore::join(
                        || {
                            pool.for_each(0..20, |_| {
                                pool.for_each(0..20, |_| _ = counted.fetch_add(1, Ordering::Relaxed))
                            })
                        },
                        || pool.map(0..20, |_| counted.fetch_add(1, Ordering::Relaxed)),
                    );
                });
            }
        });
    });
    handle.expect("open").join().expect("ran");
    assert_eq!(count.load(Ordering::Relaxed), 4 * 420);
    rig.finish();
}

#[test]
fn a_stream_yields_every_result_and_draws_no_more_items_than_it_may() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let drawn = Arc::new(AtomicUsize::new(0));
        let counted = drawn.clone();
        let items = (0..1000u64).inspect(move |_| _ = counted.fetch_add(1, Ordering::Relaxed));
        let mut seen = Vec::new();
        for (taken, square) in rig.map_unordered(items, |n| n * n).enumerate() {
            assert!(drawn.load(Ordering::Relaxed) <= taken + 4 * workers);
            seen.push(square);
        }
        seen.sort_unstable();
        assert!(seen.iter().copied().eq((0..1000).map(|n| n * n)));

        // Consumed inside the pool, also by its only worker.
        let pool = rig.pool().clone();
        let sum = rig.submit(move || pool.map_unordered(0..100u64, |n| n).sum::<u64>());
        assert_eq!(sum.expect("open").join().expect("ran"), 4950);

        // Dropped before its end.
        let alive = Arc::new(());
        let items: Vec<_> = (0..100).map(|_| alive.clone()).collect();
        let mut stream = rig.map_unordered(items, |item| item);
        assert!(stream.next().is_some());
        drop(stream);
        rig.finish();
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[test]
fn a_stream_reports_panics_and_continues() {
    let rig = Rig::new(2);
    let mut stream = rig.map_unordered(0..10, |n| if n == 3 { quiet_panic("three") } else { n });
    let (mut panics, mut sum) = (0, 0);
    loop {
        match catch_unwind(AssertUnwindSafe(|| stream.next())) {
            Ok(Some(n)) => sum += n,
            Ok(None) => break,
            Err(_) => panics += 1,
        }
    }
    assert_eq!((panics, sum), (1, 42));
    drop(stream);
    rig.shutdown().expect("ends");
    assert_eq!(
        rig.map_unordered(0..10, |n| n).sum::<i32>(),
        45,
        "a closed pool leaves the work to the caller"
    );
    rig.finish();
}

#[test]
fn a_task_can_yield_to_others() {
    let rig = Rig::new(1);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (first, own, other) = (order.clone(), order.clone(), order.clone());
    let gate = Gate::new();
    let visitor = gate.visitor();
    let yielding = rig.submit(move || {
        visitor.pass();
        longshore::execute(move || own.lock().expect("no panic").push("own")).expect("inside");
        assert!(longshore::yield_local());
        assert!(!longshore::yield_local());
        assert!(longshore::yield_now());
        first.lock().expect("no panic").push("yielding");
    });
    gate.wait_for(1);
    rig.execute(move || other.lock().expect("no panic").push("other")).expect("open");
    gate.open();
    yielding.expect("open").join().expect("ran");
    assert_eq!(*order.lock().expect("no panic"), ["own", "other", "yielding"]);
    assert!(!longshore::yield_now(), "this thread is no worker");
    rig.finish();
}

#[test]
fn an_ordered_stream_keeps_the_order_and_the_bound() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let drawn = Cell::new(0);
        let items = (0..1000u64).inspect(|_| drawn.set(drawn.get() + 1));
        for (taken, square) in rig.map_ordered(items, |n| n * n).enumerate() {
            assert_eq!(square, (taken * taken) as u64);
            assert!(drawn.get() <= taken + 4 * workers + 1, "at most four items a worker are drawn ahead");
        }
        rig.finish();
    }
}

#[test]
fn a_slow_first_item_delays_no_more_items_than_the_bound() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let (visitor, begun) = (gate.visitor(), Arc::new(AtomicUsize::new(0)));
    let counted = begun.clone();
    let work = move |n: usize| {
        counted.fetch_add(1, Ordering::SeqCst);
        if n == 0 {
            visitor.pass();
        }
        n
    };
    let mut stream = rig.map_ordered(0..100, work);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| stream.next());
        wait_until("all items that may be drawn ahead have begun", || begun.load(Ordering::SeqCst) == 8);
        gate.open();
        assert_eq!(reading.join().expect("no panic"), Some(0));
    });
    assert!(stream.eq(1..100));
    rig.finish();
}

#[test]
fn a_panic_is_in_the_place_of_its_item_and_a_purge_is_reported() {
    let rig = Rig::new(1);
    let mut stream = rig.map_ordered(0..10, |n| if n == 3 { quiet_panic("three") } else { n });
    assert_eq!([(); 3].map(|()| stream.next()), [Some(0), Some(1), Some(2)]);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.next())).is_err());
    assert!(stream.eq(4..10));

    let gate = Gate::new();
    let visitor = gate.visitor();
    let mut stream = rig.map_ordered(0..4, move |n| {
        visitor.pass();
        n
    });
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let next = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stream.next())).ok();
            std::iter::repeat_with(next).take(4).collect::<Vec<_>>()
        });
        gate.wait_for(1);
        wait_until("the other items wait", || rig.stats().waiting == 3);
        assert_eq!(rig.purge(), 3);
        gate.open();
        assert_eq!(reading.join().expect("no panic"), [Some(Some(0)), None, None, None]);
    });
    drop(stream);
    rig.finish();
}

#[test]
fn loops_and_their_items_are_counted() {
    crate::on_pools(|rig| {
        rig.for_each(0..1_000, |_| crate::work(1));
        assert_eq!(rig.map(0..500, |n| n).len(), 500);
        assert!(!rig.any(0..0, |_: i32| true));
        let stats = rig.stats();
        assert_eq!((stats.loops, stats.loop_items), (3, 1_500));
        assert!(stats.to_string().contains("loops 3 of 1500 items"), "{stats}");
    });
}

/// However many items there are, the first one alone tells that items are long.
#[test]
fn a_loop_over_very_many_long_items_is_shared_after_the_first() {
    let rig = Rig::new(2);
    for items in [1_000, 100_000, 10_000_000] {
        let (first_worker, others) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        let found = rig.find_any(0..items, |item| {
            let worker = longshore::current_worker().expect("on a worker");
            if *item == 0 {
                first_worker.store(worker, Ordering::Release);
                let begin = std::time::Instant::now();
                while begin.elapsed() < std::time::Duration::from_millis(2) {}
            } else if first_worker.load(Ordering::Acquire) == worker {
                // Another worker has got a part before the second item begins.
                wait_until("another worker takes a part", || others.load(Ordering::Acquire) > 0);
            } else {
                others.fetch_add(1, Ordering::Release);
            }
            others.load(Ordering::Acquire) > 0
        });
        assert!(found.is_some());
    }
    rig.finish();
}
