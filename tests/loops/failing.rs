//! Panics in each kind of loop: the panic of the body continues, every part has ended, and each result and
//! each item is dropped once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{enumerate, zip};

use crate::support::{Census, Gate, quiet_panic, text};
use crate::{on_pools, work};

fn panics<R>(call: impl FnOnce() -> R) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { panic!("the loop has returned") };
    assert_eq!(text(&*payload), "an item");
}

#[test]
fn a_panic_continues_and_drops_everything_once() {
    on_pools(|rig| {
        for place in [0, 1, 500, 2999] {
            let census = Census::default();
            let fails = |i: usize| {
                work(1);
                if i == place {
                    quiet_panic("an item");
                }
                census.citizen()
            };
            panics(|| rig.filter_map(0..3000usize, |i| Some(fails(i))));
            panics(|| {
                rig.map(enumerate((0..3000usize).map(|_| census.citizen()).collect::<Vec<_>>()), |(i, _)| {
                    fails(i)
                })
            });
            panics(|| rig.map_reduce(0..3000usize, || census.citizen(), fails, |a, _| a));
            panics(|| rig.map_reduce_option(0..3000usize, fails, |_, b| b));
            panics(|| rig.fold(0..3000usize, || census.citizen(), |kept, i| *kept = fails(i), |_, b| b));
            panics(|| rig.find_any(0..3000usize, |i| drop_of(fails(*i))));
            panics(|| rig.find_first(0..3000usize, |i| drop_of(fails(*i))));
            panics(|| rig.try_for_each(0..3000usize, |i| if drop_of(fails(i)) { Err(()) } else { Ok(()) }));
            let mut all: Vec<_> = (0..3000usize).map(|_| census.citizen()).collect();
            panics(|| rig.for_each(zip(&mut all, 0..3000usize), |(one, i)| *one = fails(i)));
            panics(|| rig.scan(&mut all, |_, _| fails(place)));
            all.iter().for_each(|one| one.check());
            drop(all);
            census.assert_all_gone();
        }
    });
}

/// Drops a value, and is never true.
fn drop_of<T>(value: T) -> bool {
    drop(value);
    false
}

#[test]
fn an_error_drops_all_results() {
    on_pools(|rig| {
        let census = Census::default();
        let failed = rig.try_map(0..3000usize, |i| {
            work(1);
            if i == 1234 { Err(census.citizen()) } else { Ok(census.citizen()) }
        });
        assert_eq!(census.alive(), 1, "the error");
        drop(failed.expect_err("fails"));
        census.assert_all_gone();
    });
}

/// Two items that wait for each other run on two workers, however cheap the items before them were.
#[test]
fn a_worker_takes_the_other_half_while_an_item_waits() {
    let rig = crate::support::Rig::new(2);
    for _ in 0..20 {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let passed = AtomicUsize::new(0);
        rig.for_each(0..100_000usize, |i| {
            // After the first look at the clock, and long enough for one.
            work(if i < 100 { 300 } else { 1 });
            if i == 99 {
                visitor.pass();
            } else if passed.fetch_add(1, Ordering::Relaxed) == 40_000 {
                gate.open();
            }
        });
        assert_eq!(passed.into_inner(), 99_999);
    }
    rig.finish();
}
