//! Joins in processes of their own, because a failure would end the process, or because its processor time is
//! measured: deep chains, small stacks, waits that sleep, and forks of the process.

#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use longshore::{Context, Pool};

use support::child::{self, Child};
use support::{Gate, cpu_time, let_time_pass, quiet_panic, text, wait_until};

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("starts")
}

/// Whether `part` of the test runs here, alone in its process.
fn plays(name: &'static str, parts: &[(&str, fn())]) {
    let play = |part: &str| parts.iter().find(|(name, _)| *name == part).expect("a part").1();
    if !child::plays(name, play) {
        for (part, _) in parts {
            Child::of(name).argument(part).succeeds();
        }
    }
}

/// Nests joins in the first side (`left`) or in the second (`right`). Returns the number of levels.
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

/// Bytes of stack that a level takes on a single worker, at most.
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

/// A chain of a million nested joins, on a stack that holds it. The compiler decides how much stack a level
/// takes; with optimisation the default stack holds some thousand levels.
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
    fn in_a_lease() {
        // A thief would need a large stack of its own for the jobs that it takes.
        let small = pool(1);
        let entering = thread::Builder::new().stack_size(longshore::MAX_STACK_SIZE).spawn(move || {
            for chain in [left, right] {
                // Soon after its start all workers of the pool are parked, and one of them can be leased.
                let work = |cx: Context<'_>| match thread::current().name() {
                    None => chain(cx, DEPTH, &mut 0),
                    Some(_) => 0,
                };
                wait_until("a worker is parked", || small.enter(work) == DEPTH);
            }
        });
        entering.expect("starts").join().expect("no overflow");
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
            ("a lease", in_a_lease),
            ("the default stack", by_default),
        ],
    );
}

/// A panic at the bottom of a chain, which continues on every level after the second side has run.
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

/// Uses half a megabyte of stack, which any task of a pool with the default stack may use.
fn spacious() -> u8 {
    black_box(&[7u8; 512 << 10])[1000]
}

/// Tasks that wait for tasks, nested as deep as `levels`.
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

/// The stack of an external thread may be smaller than tasks may expect, and the thread runs tasks on it in a
/// lease.
#[test]
fn a_lease_on_a_small_stack() {
    const NAME: &str = "a_lease_on_a_small_stack";
    fn visit() {
        let (here, there) = (pool(1), pool(1));
        for _ in 0..20 {
            // The thread serves the pool: the task runs on whatever stack there is.
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

/// A time in which no thread has anything to do.
const LULL: Duration = Duration::from_millis(300);

/// Checks that a lull costs no processor time. `f` begins the lull by calling its argument.
fn costs_nothing(f: impl FnOnce(&(dyn Fn() + Sync))) {
    let used = std::sync::Mutex::new(Duration::ZERO);
    f(&|| {
        // The threads may take a moment until they sleep.
        let_time_pass(LULL / 10);
        let before = cpu_time();
        let_time_pass(LULL);
        *used.lock().expect("not poisoned") = cpu_time() - before;
    });
    let used = used.into_inner().expect("not poisoned");
    assert!(used < LULL / 5, "{used:?} of processor time in {LULL:?}");
}

/// A serial phase on the thread that has entered the pool: the workers do not search all the time.
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

/// A thief that forks nothing for a long time: its waiter sleeps, and is woken by its next fork.
fn long_serial_theft() {
    let pool = pool(2);
    costs_nothing(|lull| {
        let taken = Gate::new();
        let theft = |cx: Context<'_>| {
            taken.open();
            lull();
            let meeting = Gate::new();
            // Only the waiting worker is left to take the second side.
            cx.join(|_| meeting.visitor().pass(), |_| meeting.open());
        };
        pool.enter(|cx| cx.join(|_| taken.visitor().pass(), theft));
    });
}

/// The same, but the waiter has no stack left to help, and there always is a fork that it could take.
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

/// A worker that waits for another pool has a fork in its own slot, and no other worker is free to take it.
fn wait_with_an_offered_fork() {
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
            ("wait with an offered fork", wait_with_an_offered_fork),
        ],
    );
}

/// Runs `body` in a forked child, whose only thread is a copy of the calling one, and returns its result.
fn in_fork(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the other threads are blocked at gates, so the child may allocate. It leaves by `_exit` and
    // never returns to the harness.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "forks");
    if child == 0 {
        let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(99);
        // SAFETY: `_exit` has no preconditions. It runs no destructor and no handler of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for a write of an `int`.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert!(waited == child && libc::WIFEXITED(status), "the child has exited");
    libc::WEXITSTATUS(status)
}

/// In a forked child the only thread runs all structured work itself.
fn works_alone(pool: &Pool) -> i32 {
    let mut levels = pool.enter(|cx| left(cx, 100, &mut 0));
    levels += pool.install(|| pool.join(|| 50, || 50)).0;
    levels += longshore::join(|| 25, || 25).1;
    i32::try_from(levels).expect("small")
}

/// Nothing hangs in a child, wherever the process was forked.
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
    /// In a lease, on a worker, and in the middle of a join with private forks.
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
    /// The child returns into a join whose other half was taken by a worker of the parent: that is an error,
    /// and no hang.
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
                // SAFETY: the other threads are blocked, so the child may allocate. It returns out of the
                // closure, and leaves by `_exit` below.
                child = unsafe { libc::fork() };
                if child != 0 {
                    over.open();
                }
            };
            let joined = catch_unwind(AssertUnwindSafe(|| _ = cx.join(forks, theft)));
            if child == 0 {
                let said = joined.is_err_and(|payload| text(&*payload).contains("in the middle of a join"));
                // SAFETY: `_exit` has no preconditions. It runs no destructor and no handler of the parent's.
                unsafe { libc::_exit(i32::from(!said)) };
            }
            joined.expect("the parent is not affected");
            child
        });
        let mut status = 0;
        // SAFETY: `status` is valid for a write of an `int`.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!((waited, status), (child, 0));
    }
    plays(
        NAME,
        &[("outside", outside), ("inside", inside), ("in the middle of a theft", in_the_middle_of_a_theft)],
    );
}
