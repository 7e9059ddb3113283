//! A stream that has been dropped owns nothing: no item, no closure, no place in the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use longshore::{OnFull, Pool, SubmitErrorKind};

use crate::support::{Census, Gate, Rig, quiet_panic, wait_until};

const ITEMS: usize = 3;

/// Items of which the last panics when it is drawn, so that a stream whose items do not run returns.
fn items(census: &Census) -> impl Iterator<Item = crate::support::Tracked> {
    (0..=ITEMS).map(|n| if n == ITEMS { quiet_panic("no more items") } else { census.citizen() })
}

fn held() -> (Rig, Gate) {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(ITEMS).on_full(OnFull::Reject));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    (rig, gate)
}

/// The only worker is blocked. Nothing of a stream is left when it is dropped, and its places can be taken.
#[test]
fn items_that_have_not_begun_go_with_the_stream() {
    for is_ordered in [false, true] {
        let (rig, gate) = held();
        let (census, captured) = (Census::default(), Arc::new(()));
        let alive = captured.clone();
        let map = move |item: crate::support::Tracked| {
            let _ = &alive;
            item.check();
        };
        if is_ordered {
            let mut stream = rig.map_ordered(items(&census), map);
            assert!(catch_unwind(AssertUnwindSafe(|| stream.next())).is_err());
            assert_eq!((census.alive(), rig.stats().waiting), (ITEMS as i64, ITEMS as u64));
            drop(stream);
        } else {
            let mut stream = rig.map_unordered(items(&census), map);
            assert!(catch_unwind(AssertUnwindSafe(|| stream.next())).is_err());
            assert_eq!((census.alive(), rig.stats().waiting), (ITEMS as i64, ITEMS as u64));
            drop(stream);
        }
        census.assert_all_gone();
        assert_eq!(Arc::strong_count(&captured), 1, "the closure is gone");
        let stats = rig.stats();
        assert_eq!((stats.waiting, stats.cancelled), (0, ITEMS as u64), "{stats:?}");
        let again: Vec<_> = (0..ITEMS).map(|n| rig.try_submit(move || n).expect("free")).collect();
        assert_eq!(rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        gate.open();
        assert!(again.into_iter().map(|task| task.join().expect("runs")).eq(0..ITEMS));
        assert_eq!(rig.finish().completed, 1 + ITEMS as u64);
    }
}

/// An item that has begun keeps itself and the closure, until its call ends.
#[test]
fn an_item_that_runs_is_gone_when_its_call_ends() {
    let rig = Rig::new(1);
    let (gate, census, captured) = (Gate::new(), Census::default(), Arc::new(()));
    let (visitor, alive) = (gate.visitor(), captured.clone());
    let mut stream = rig.map_unordered(items(&census), move |item| {
        let _ = &alive;
        visitor.pass();
        item // a result that no reader takes
    });
    assert!(catch_unwind(AssertUnwindSafe(|| stream.next())).is_err());
    gate.wait_for(1);
    drop(stream);
    assert_eq!((census.alive(), Arc::strong_count(&captured)), (1, 2), "the others are gone");
    gate.open();
    wait_until("the closure is gone", || Arc::strong_count(&captured) == 1);
    rig.finish();
    census.assert_all_gone();
}

/// A reader that maps the items itself leaves no passes behind, however many items there are.
#[test]
fn passes_do_not_pile_up() {
    let rig = Rig::new(1);
    let pool = rig.pool().clone();
    let task = rig.submit(move || {
        let sum: u64 = pool.map_unordered(0..10_000u64, |n| n).sum();
        (sum, pool.stats())
    });
    let (sum, stats) = task.expect("open").join().expect("no panic");
    assert_eq!((sum, stats.waiting), (49_995_000, 0), "{stats:?}");
    let most = {
        let pool = rig.pool().clone();
        let task = rig.submit(move || {
            let waiting = pool.map_unordered(0..1_000u64, |n| n).map(|_| pool.stats().waiting);
            waiting.max()
        });
        task.expect("open").join().expect("no panic").expect("items")
    };
    assert!(most <= 8, "{most} passes wait, with four items in flight");
    rig.finish();
}

/// Items, results and closure of a stream in a scope borrow. Dropped early or read to its end, the stream
/// leaves nothing.
#[test]
fn streams_in_scopes_borrow() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let (census, text) = (Census::default(), "one two three four five six".repeat(20));
        let letters: usize = rig.in_place_scope(|scope| {
            let words = scope.map_unordered(text.split(' '), |word| (census.citizen(), word));
            words
                .map(|(tracked, word)| {
                    tracked.check();
                    word.len()
                })
                .sum()
        });
        assert_eq!(letters, text.len() - text.matches(' ').count());
        census.assert_all_gone();
        let first = rig.scope(|scope| scope.map_ordered(text.split(' '), |word| word).next());
        assert_eq!(first, Some("one"));
        let inside = rig.submit(|| {
            let numbers: Vec<u64> = (0..1_000).collect();
            longshore::scope(|scope| scope.map_ordered(&numbers, |n| *n).in_flight(3).sum::<u64>())
        });
        assert_eq!(inside.expect("open").join().expect("no panic"), 499_500);
        let leaked = rig.in_place_scope(|scope| {
            let mut stream = scope.map_unordered(text.split(' '), |_| census.citizen());
            let has_first = stream.next().is_some();
            std::mem::forget(stream); // its passes end all the same
            has_first
        });
        assert!(leaked);
        rig.finish();
    }
}

/// The pool is closed while a stream in a scope goes on.
#[test]
fn a_stream_in_a_scope_of_a_closed_pool_goes_on() {
    let rig = Rig::new(1);
    let sum: usize = rig.in_place_scope(|scope| {
        let mut stream = scope.map_unordered([1usize, 2, 3, 4, 5, 6, 7, 8], |n| n);
        let first = stream.next().expect("eight items");
        rig.shutdown().expect("from outside");
        first + stream.sum::<usize>()
    });
    assert_eq!(sum, 36);
    rig.finish();
}
