//! Joins where a failure would take the process with it, or where the processor time of the whole process counts: deep
//! chains, small stacks, waits that sleep, and forks of the process.

#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use longshore::{Context, Pool};

use support::child::{self, Child};
use support::{Gate, cpu_time, quiet_panic, rest, text, wait_until};

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("starts")
}

/// Whether `part` of the test is played here, alone in its process.
fn plays(name: &'static str, parts: &[(&str, fn())]) {
    let play = |part: &str| parts.iter().find(|(name, _)| *name == part).expect("a part").1();
    if !child::plays(name, play) {
        for (part, _) in parts {
            Child::of(name).argument(part).succeeds();
        }
    }
}

/// Goes down by the first side, or by the second, and returns how many levels it has seen.
fn left(cx: Context<'_>, depth: u64, bottom: &mut usize) -> u64 {
    if depth == 0 {
        *bottom = (&raw const depth).addr();
        return 0;
    }
    let (below, one) = cx.join(|cx| left(cx, depth - 1, bottom), |_| 1);
    below + one
}

fn right(cx: Context<'_>, depth: u64, bottom: &mut usize) -> u64 {
    if depth == 0 {
        *bottom = (&raw const depth).addr();
        return 0;
    }
    let (one, below) = cx.join(|_| 1, |cx| right(cx, depth - 1, bottom));
    one + below
}

/// Bytes of stack that a level takes, at most, on one worker.
fn bytes_per_level(chain: fn(Context<'_>, u64, &mut usize) -> u64) -> usize {
    const LEVELS: u64 = 1_000;
    let (top, bottom, reached) = pool(1).enter(|cx| {
        let (top, mut bottom) = (0u8, 0);
        let reached = chain(cx, LEVELS, &mut bottom);
        ((&raw const top).addr(), bottom, reached)
    });
    assert_eq!(reached, LEVELS);
    top.abs_diff(bottom) / LEVELS as usize
}

/// Fault F9: a chain of a million joins, one in the other, on a stack that holds it. What a level takes is the business
/// of the compiler; optimised it is little enough for some thousand levels in the default stack.
#[test]
fn a_million_joins_in_one_another() {
    const NAME: &str = "a_million_joins_in_one_another";
    const DEPTH: u64 = if cfg!(debug_assertions) { 250_000 } else { 1_000_000 };
    fn on_workers(workers: usize) {
        let large =
            Pool::builder().workers(workers).stack_size(longshore::MAX_STACK_SIZE).build().expect("starts");
        for chain in [left, right] {
            assert_eq!(large.install(|| large.enter(|cx| chain(cx, DEPTH, &mut 0))), DEPTH);
        }
        large.shutdown().expect("ends");
    }
    fn as_a_guest() {
        // A thief would need a stack of its own for what it takes.
        let small = pool(1);
        let guest = thread::Builder::new().stack_size(longshore::MAX_STACK_SIZE).spawn(move || {
            for chain in [left, right] {
                // A moment after its start the pool's workers are all parked, and one can be borrowed.
                let guest = |cx: Context<'_>| match thread::current().name() {
                    None => chain(cx, DEPTH, &mut 0),
                    Some(_) => 0,
                };
                wait_until("a worker is parked", || small.enter(guest) == DEPTH);
            }
        });
        guest.expect("starts").join().expect("no overflow");
    }
    fn by_default() {
        for chain in [left, right] {
            let bytes = bytes_per_level(chain);
            println!("a level of joins takes {bytes} bytes of stack");
            if !cfg!(debug_assertions) {
                assert!(bytes <= 256, "{bytes} bytes a level");
            }
            let depth = (longshore::DEFAULT_STACK_SIZE / bytes * 9 / 10) as u64;
            let pool = pool(2);
            assert_eq!(pool.install(|| pool.enter(|cx| chain(cx, depth, &mut 0))), depth);
        }
    }
    plays(
        NAME,
        &[
            ("one worker", || on_workers(1)),
            ("two workers", || on_workers(2)),
            ("a guest", as_a_guest),
            ("the default stack", by_default),
        ],
    );
}

/// A panic at the bottom of it, which every level passes on after it has run its second side.
#[test]
fn a_panic_below_a_hundred_thousand_joins() {
    const NAME: &str = "a_panic_below_a_hundred_thousand_joins";
    fn chain(cx: Context<'_>, depth: u64, seen: &AtomicU64) {
        if depth == 0 {
            quiet_panic("the bottom");
        }
        cx.join(|cx| chain(cx, depth - 1, seen), |_| _ = seen.fetch_add(1, Ordering::Relaxed));
    }
    let scenario = |_: &str| {
        let builder = Pool::builder().workers(2).stack_size(longshore::MAX_STACK_SIZE);
        let large = builder.build().expect("starts");
        let seen = AtomicU64::new(0);
        let panics = || large.install(|| large.enter(|cx| chain(cx, 100_000, &seen)));
        let payload = catch_unwind(AssertUnwindSafe(panics)).expect_err("panics");
        assert_eq!((text(&*payload), seen.into_inner()), ("the bottom", 100_000));
    };
    if !child::plays(NAME, scenario) {
        Child::of(NAME).succeeds();
    }
}

/// Uses half a megabyte of stack, which any task of a pool with the default stack may.
fn spacious() -> u8 {
    black_box(&[7u8; 512 << 10])[1000]
}

/// Goes on as deep as asked for by tasks that wait for tasks.
fn descend(levels: u64) -> u64 {
    if levels == 0 {
        return u64::from(spacious()) - 7;
    }
    longshore::submit(move || descend(levels - 1)).expect("inside").join().expect("ran") + 1
}

/// Calls `f` when `bytes` of the stack are in use.
fn below<R>(bytes: usize, f: &mut dyn FnMut() -> R) -> R {
    let frame = [0u8; 16 << 10];
    let result = if bytes < frame.len() { f() } else { below(bytes - frame.len(), f) };
    black_box(&frame);
    result
}

/// A thread from outside may have less stack than the tasks may count on, that it runs while it waits as a worker.
#[test]
fn a_guest_with_little_stack_left() {
    const NAME: &str = "a_guest_with_little_stack_left";
    fn visit() {
        let (here, there) = (pool(1), pool(1));
        for _ in 0..20 {
            // It serves the pool: the task runs on whatever stack there is.
            let task = || here.submit(spacious).expect("open").join().expect("ran");
            assert_eq!(here.enter(|_| there.install(task)), 7);
        }
        wait_until("a worker is parked", || here.enter(|_| longshore::current_worker()).is_some());
        assert_eq!(here.enter(|_| descend(3_000)), 3_000);
    }
    fn on_a_stack_of(size: usize, f: impl FnOnce() + Send + 'static) {
        thread::Builder::new().stack_size(size).spawn(f).expect("starts").join().expect("no overflow");
    }
    plays(
        NAME,
        &[
            ("small", || on_a_stack_of(128 << 10, visit)),
            ("nearly full", || on_a_stack_of(8 << 20, || below((8 << 20) - (192 << 10), &mut visit))),
            ("half full", || on_a_stack_of(8 << 20, || below(4 << 20, &mut visit))),
            ("of the same size", || on_a_stack_of(longshore::DEFAULT_STACK_SIZE, visit)),
        ],
    );
}

/// Some time in which nobody has anything to do.
const LULL: Duration = Duration::from_millis(300);

/// A lull costs no processor time: `f` says when it begins, by calling what it is given.
fn costs_nothing(f: impl FnOnce(&(dyn Fn() + Sync))) {
    let used = std::sync::Mutex::new(Duration::ZERO);
    f(&|| {
        // What led to it may take a moment to fall asleep.
        rest(LULL / 10);
        let before = cpu_time();
        rest(LULL);
        *used.lock().expect("not poisoned") = cpu_time() - before;
    });
    let used = used.into_inner().expect("not poisoned");
    assert!(used < LULL / 5, "{used:?} of processor time in {LULL:?}");
}

/// A serial phase of whoever has entered the pool: nobody looks for work all the time.
fn serial_phase() {
    let pool = pool(4);
    for _ in 0..3 {
        costs_nothing(|lull| {
            pool.enter(|cx| {
                assert_eq!(left(cx, 1_000, &mut 0), 1_000);
                lull();
            });
        });
    }
}

/// A thief that forks nothing for a long time: who waits for it sleeps, and is woken by its next fork.
fn long_serial_theft() {
    let pool = pool(2);
    costs_nothing(|lull| {
        let taken = Gate::new();
        let theft = |cx: Context<'_>| {
            taken.open();
            lull();
            let meeting = Gate::new();
            // Nobody is left to take the second side but the one who waits.
            cx.join(|_| meeting.visitor().pass(), |_| meeting.open());
        };
        pool.enter(|cx| cx.join(|_| taken.visitor().pass(), theft));
    });
}

/// The same, but who waits has no stack to help with, and there is always something on offer that he could take.
fn deep_wait() {
    let pool = pool(2);
    costs_nothing(|lull| {
        let taken = Gate::new();
        let join = || {
            let theft = || {
                taken.open();
                longshore::join(lull, || ());
            };
            longshore::join(|| taken.visitor().pass(), theft);
        };
        pool.install(|| below(longshore::DEFAULT_STACK_SIZE * 3 / 5, &mut || join()));
    });
}

/// A worker that waits for another pool has a fork of its own on offer, and nobody is free to take that.
fn wait_with_a_fork_on_offer() {
    let (pool, other) = (pool(2), pool(1));
    let gate = Gate::new();
    gate.hold(&pool, 1);
    costs_nothing(|lull| pool.install(|| _ = longshore::join(|| other.install(lull), || ())));
    gate.open();
}

#[test]
fn waiting_costs_no_processor_time() {
    const NAME: &str = "waiting_costs_no_processor_time";
    plays(
        NAME,
        &[
            ("serial phase", serial_phase),
            ("long serial theft", long_serial_theft),
            ("deep wait", deep_wait),
            ("wait with a fork on offer", wait_with_a_fork_on_offer),
        ],
    );
}

/// Runs `body` in a forked child, whose only thread is a copy of the calling one, and returns what it ended with.
fn in_fork(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child leaves by `_exit` and never returns to the harness. Other threads are blocked at gates.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "forks");
    if child == 0 {
        let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(99);
        // SAFETY: always sound; nothing of the parent's is to be run again.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` may be written.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert!(waited == child && libc::WIFEXITED(status), "the child has ended by itself");
    libc::WEXITSTATUS(status)
}

/// In a forked child structured work is done by the one thread that there is.
fn works_alone(pool: &Pool) -> i32 {
    let mut levels = pool.enter(|cx| left(cx, 100, &mut 0));
    levels += pool.install(|| pool.join(|| 50, || 50)).0;
    levels += longshore::join(|| 25, || 25).1;
    i32::try_from(levels).expect("small")
}

/// Row 33: nothing hangs in a child, wherever the process was forked.
#[test]
fn a_fork_of_the_process() {
    const NAME: &str = "a_fork_of_the_process";
    fn outside() {
        for workers in [1, 2] {
            let pool = pool(workers);
            let gate = Gate::new();
            gate.hold(&pool, workers);
            assert_eq!(in_fork(|| works_alone(&pool)), 175);
        }
    }
    /// As a guest, as a worker, and in the middle of a join with private forks.
    fn inside() {
        for workers in [1, 2] {
            let pool = pool(workers);
            let gate = Gate::new();
            gate.hold(&pool, workers - 1);
            for _ in 0..10 {
                assert_eq!(pool.enter(|_| in_fork(|| works_alone(&pool))), 175);
                assert_eq!(pool.install(|| in_fork(|| works_alone(&pool))), 175);
                let in_a_join = |cx: Context<'_>| cx.join(|_| in_fork(|| works_alone(&pool)), |_| 1);
                assert_eq!(pool.enter(|cx| cx.join(in_a_join, |_| 2)), ((175, 1), 2));
            }
        }
    }
    /// The child returns into a join whose other half a worker of the parent has: that is an error, and not a hang.
    fn in_the_middle_of_a_theft() {
        let pool = pool(2);
        let (taken, over) = (Gate::new(), Gate::new());
        let theft = |_: Context<'_>| {
            taken.open();
            over.visitor().pass();
        };
        let child = pool.enter(|cx| {
            let mut child = 0;
            let forks = |_: Context<'_>| {
                taken.visitor().pass();
                // SAFETY: see `in_fork`, but this child returns out of the closure.
                child = unsafe { libc::fork() };
                if child != 0 {
                    over.open();
                }
            };
            let joined = catch_unwind(AssertUnwindSafe(|| _ = cx.join(forks, theft)));
            if child == 0 {
                let said = joined.is_err_and(|payload| text(&*payload).contains("in the middle of a join"));
                // SAFETY: see `in_fork`.
                unsafe { libc::_exit(i32::from(!said)) };
            }
            joined.expect("the parent notices nothing");
            child
        });
        let mut status = 0;
        // SAFETY: `status` may be written.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!((waited, status), (child, 0));
    }
    plays(
        NAME,
        &[("outside", outside), ("inside", inside), ("in the middle of a theft", in_the_middle_of_a_theft)],
    );
}
