//! Panics inside joins: in sides, in the drop of their results and captures, and in the drop of payloads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{Context, Pool};

use crate::support::{Census, Gate, Rig, Tracked, quiet_panic};

/// Panics when it is dropped.
struct Bomb<'a>(&'a AtomicUsize);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        quiet_panic("dropped");
    }
}

/// Where the second side of a join runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Second {
    /// On the same worker, after the first side.
    Here,
    /// On a thief, which begins before the first side continues.
    There,
}

/// Runs both sides. If the second side runs on a thief, the first waits until it has begun.
fn on<RA: Send, RB: Send>(
    second: Second,
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce() -> RB + Send,
) -> std::thread::Result<(RA, RB)> {
    let rig = Rig::new(if second == Second::Here { 1 } else { 2 });
    let begun = Gate::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        rig.join(
            || {
                if second == Second::There {
                    begun.visitor().pass();
                }
                a()
            },
            || {
                begun.open();
                b()
            },
        )
    }));
    rig.enter(|_| ()); // the pool still works
    let stats = rig.finish();
    let stolen: u64 = stats.workers.iter().map(|worker| worker.stolen_forks).sum();
    assert_eq!(stolen, u64::from(second == Second::There), "{stats:?}");
    result
}

/// The payload is the very value that the side panicked with. The payload that is not returned is dropped,
/// once.
#[test]
fn the_payload_is_returned_and_the_first_side_wins() {
    for second in [Second::Here, Second::There] {
        for (a_fails, b_fails) in [(false, false), (true, false), (false, true), (true, true)] {
            let census = Census::default();
            let side = |fails, name: u32| {
                let payload = (census.citizen(), name);
                if fails { quiet_panic(payload) } else { payload }
            };
            match on(second, || side(a_fails, 1), || side(b_fails, 2)) {
                Ok((a, b)) => assert!(!a_fails && !b_fails && (a.1, b.1) == (1, 2)),
                Err(payload) => {
                    assert_eq!(census.alive(), 1, "only the payload is left: {second:?} {a_fails} {b_fails}");
                    let payload = payload.downcast::<(Tracked, u32)>().expect("as it was thrown");
                    payload.0.check();
                    assert_eq!(payload.1, if a_fails { 1 } else { 2 });
                }
            }
            census.assert_all_gone();
        }
    }
}

#[test]
fn drops_of_what_the_second_side_leaves_may_panic() {
    for second in [Second::Here, Second::There] {
        // Its result, if the first side has panicked.
        let drops = AtomicUsize::new(0);
        let payload = on(second, || quiet_panic(7u8), || Bomb(&drops)).map(|((), _)| ()).expect_err("panics");
        assert_eq!((payload.downcast_ref(), drops.load(Ordering::Relaxed)), (Some(&7u8), 1));
    }
    for second in [Second::Here, Second::There] {
        // Its captures: the panic of their drop is the panic of the side.
        let drops = AtomicUsize::new(0);
        let bomb = Bomb(&drops);
        let payload = on(
            second,
            || (),
            move || {
                let _captured = &bomb;
            },
        );
        assert_eq!(payload.expect_err("panics").downcast_ref(), Some(&"dropped"));
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}

/// The payload of the second side is dropped if the first side panics too; the drop panics as well.
#[test]
#[cfg_attr(longshore_no_recycling, ignore = "leaks on purpose")]
fn the_drop_of_a_lost_payload_may_panic() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    for second in [Second::Here, Second::There] {
        DROPS.store(0, Ordering::Relaxed);
        let payload = on(second, || quiet_panic(7u8), || quiet_panic(Bomb(&DROPS)));
        let payload = payload.map(|((), ())| ()).expect_err("panics");
        assert_eq!((payload.downcast_ref(), DROPS.load(Ordering::Relaxed)), (Some(&7u8), 1));
    }
}

/// Counts its leaves, each of which panics with its number.
fn all_fail(cx: Context<'_>, first: usize, leaves: usize, ran: &AtomicUsize) {
    if leaves == 1 {
        ran.fetch_add(1, Ordering::Relaxed);
        quiet_panic(first);
    }
    let left = leaves / 2;
    cx.join(|cx| all_fail(cx, first, left, ran), |cx| all_fail(cx, first + left, leaves - left, ran));
}

/// Every join of a tree unwinds, and runs its second side meanwhile, which unwinds as well.
#[test]
fn a_tree_in_which_everything_panics() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for leaves in [2, 3, 500] {
            let ran = AtomicUsize::new(0);
            let caught = catch_unwind(AssertUnwindSafe(|| rig.enter(|cx| all_fail(cx, 0, leaves, &ran))));
            assert_eq!(ran.load(Ordering::Relaxed), leaves, "each leaf ran");
            let first = caught.expect_err("panics").downcast::<usize>().expect("a number");
            assert_eq!(*first, 0, "the panic of the first leaf continues");
        }
        rig.finish();
    }
}

/// A panic at the bottom of a chain of joins, each of which still has its second side to run.
#[test]
fn a_panic_passes_through_many_levels() {
    fn chain(cx: Context<'_>, depth: usize, ran: &AtomicUsize) {
        if depth == 0 {
            quiet_panic("the bottom");
        }
        cx.join(|cx| chain(cx, depth - 1, ran), |_| _ = ran.fetch_add(1, Ordering::Relaxed));
    }
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let ran = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| rig.install(|| rig.enter(|cx| chain(cx, 500, &ran)))));
        assert_eq!(result.expect_err("panics").downcast_ref(), Some(&"the bottom"));
        assert_eq!(ran.load(Ordering::Relaxed), 500);
        rig.finish();
    }
}

/// Panics leave `enter` and `install` by each of their ways, and the pool still works.
#[test]
fn panics_leave_enter_and_install() {
    let rig = Rig::new(1);
    let other = Rig::new(1);
    let catches = |pool: &Pool| {
        let entered = catch_unwind(AssertUnwindSafe(|| pool.enter(|_| quiet_panic(1))));
        let installed = catch_unwind(AssertUnwindSafe(|| pool.install(|| quiet_panic(2))));
        let payloads: [Result<(), _>; 2] = [entered, installed];
        payloads.map(|payload| *payload.expect_err("panics").downcast::<i32>().expect("a number"))
    };
    for _ in 0..100 {
        assert_eq!(catches(&rig), [1, 2], "from outside");
        assert_eq!(rig.install(|| catches(&rig)), [1, 2], "from inside");
        assert_eq!(other.install(|| catches(&rig)), [1, 2], "from another pool");
    }
    let closed = Pool::builder().workers(1).build().expect("starts");
    closed.shutdown().expect("ends");
    assert_eq!(catches(&closed), [1, 2], "alone");
    assert_eq!(rig.enter(|_| 3), 3);
    rig.finish();
    other.finish();
}

/// The same outside of every pool.
#[test]
fn panics_outside_of_every_pool() {
    let drops = AtomicUsize::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| longshore::join(|| quiet_panic(1), || Bomb(&drops))));
    assert_eq!(result.map(|((), _)| ()).expect_err("panics").downcast_ref(), Some(&1));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let result = catch_unwind(AssertUnwindSafe(|| longshore::join(|| 1, || quiet_panic(2))));
    assert_eq!(result.map(|(_, ())| ()).expect_err("panics").downcast_ref(), Some(&2));
}
