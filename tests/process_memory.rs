//! The memory of the process is used up: a thread that gets no stack is an error where a call asks for it and
//! a slower way elsewhere, and an allocation that fails ends the process. No pool is left that does nothing.

#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{AnyPool, BuildError, JoinError, Pool, PullPool, ResizeError, Scaling};

use support::child::{self, Child};
use support::{Gate, thread_count, wait_until};

/// The stacks of the workers: a few of them are more than the process may still have.
const STACK: usize = 32 << 20;

/// What the process may still have: enough for all but stacks.
const LEFT: usize = 100 << 20;

/// Limits the address space of this process to what it has now and `more` bytes. `None` removes the limit.
fn limit_memory(more: Option<usize>) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for a write of an `rlimit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    assert_eq!(result, 0, "the limit exists");
    limit.rlim_cur = more.map_or(limit.rlim_max, |more| (address_space() + more) as libc::rlim_t);
    // SAFETY: `limit` is valid for a read of an `rlimit`.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    assert_eq!(result, 0, "any user may set it up to the hard limit");
}

/// The bytes of this process's address space.
fn address_space() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize =
        statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("the first number");
    // SAFETY: the call has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages * usize::try_from(page).expect("a size")
}

/// Runs a scenario with each kind of pool, each in a process of its own, whose allocator reserves no address
/// space for each thread.
#[track_caller]
fn with_one_arena(name: &'static str, push: fn(), pull: fn()) {
    if !child::plays(name, |kind| if kind == "pull" { pull() } else { push() }) {
        for kind in ["push", "pull"] {
            Child::of(name).argument(kind).variable("MALLOC_ARENA_MAX", 1).succeeds();
        }
    }
}

#[track_caller]
fn is_no_memory(error: &std::io::Error) {
    assert!(matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM)), "{error}");
}

/// Runs `n` tasks, and returns when they have run.
#[track_caller]
fn works<P: AnyPool>(pool: &P, n: usize) {
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..n {
        let ran = ran.clone();
        pool.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
    }
    wait_until("all have run", || ran.load(Ordering::Relaxed) == n);
}

/// A pool that gets no stack for its last workers is not built; one that is to grow goes on as it is.
fn too_many_stacks<P: AnyPool>() {
    let before = thread_count();
    limit_memory(Some(LEFT));
    match P::builder().workers(16).stack_size(STACK).build() {
        Err(BuildError::Spawn { worker: 0..16, source }) => is_no_memory(&source),
        other => panic!("{other:?}"),
    }
    wait_until("no thread is left", || thread_count() == before);
    let small = P::builder().workers(2).build().expect("two small stacks are there");
    works(&small, 1_000);
    small.shutdown().expect("ends");
    let scaling = Scaling::eager();
    let growing = P::builder().workers(1..=16).scaling(scaling).stack_size(STACK).build().expect("one stack");
    let growing = Arc::new(growing);
    let gate = Gate::new();
    gate.hold(&growing, 1);
    for _ in 0..16 {
        let visitor = gate.visitor();
        growing.execute(move || visitor.pass()).expect("open");
    }
    wait_until("it has tried to grow in vain", || growing.stats().failed_starts > 0);
    match growing.set_workers(16) {
        Err(ResizeError::Spawn { live: 1..16, source }) => is_no_memory(&source),
        other => panic!("{other:?}"),
    }
    gate.open();
    works(&*growing, 1_000);
    limit_memory(None);
    growing.set_workers(16).expect("there is memory again");
    works(&*growing, 1_000);
    growing.shutdown().expect("ends");
}

#[test]
fn a_thread_without_memory_for_its_stack() {
    with_one_arena(
        "a_thread_without_memory_for_its_stack",
        too_many_stacks::<Pool>,
        too_many_stacks::<PullPool>,
    );
}

/// Recursion by submit and join, until the stack is used up. Returns how deep it came.
fn recursion(depth: u32) -> Result<u32, JoinError> {
    if depth == 0 {
        return Ok(0);
    }
    Ok(1 + longshore::submit(move || recursion(depth - 1)).expect("inside").join()??)
}

/// Waits that need a stand-in or a further stack get none: they serve their pool themselves, or report it.
fn waits_without_a_stack<P: AnyPool>() {
    let new = || Arc::new(P::builder().workers(1).stack_size(STACK).build().expect("starts"));
    let (own, other) = (new(), new());
    works(&*own, 1);
    works(&*other, 1);
    limit_memory(Some(STACK / 4 * 3));
    let (home, far) = (own.clone(), other.clone());
    let there = move || home.submit(|| 3).expect("open").join().expect("ran");
    let task = own.submit(move || far.submit(there).expect("open").join().expect("ran"));
    assert_eq!(task.expect("open").join().expect("ran"), 3, "without stand-ins");
    let lane = own.lane(1).build().expect("a limit");
    let inner = lane.clone();
    let task = lane.submit(move || inner.submit(|| 4).expect("open").join().expect("ran"));
    assert_eq!(task.expect("open").join().expect("ran"), 4, "in a lane");
    let blocked = own.submit(|| longshore::blocking(|| 5)).expect("open");
    assert_eq!(blocked.join().expect("ran"), 5);
    match own.submit(|| recursion(40_000)).expect("open").join().expect("no panic") {
        Err(JoinError::NoStack(error)) => is_no_memory(&error),
        other => panic!("{other:?}"),
    }
    works(&*own, 1_000);
    limit_memory(None);
    assert_eq!(
        own.submit(|| recursion(1_000)).expect("open").join().expect("no panic").expect("deep"),
        1_000
    );
    own.shutdown().expect("ends");
    other.shutdown().expect("ends");
}

#[test]
fn waits_without_memory_for_a_stack() {
    with_one_arena(
        "waits_without_memory_for_a_stack",
        waits_without_a_stack::<Pool>,
        waits_without_a_stack::<PullPool>,
    );
}

/// Queued tasks use up all memory. The process ends with a message, as the standard library does it; it does
/// not hang.
fn endless_queue<P: AnyPool>() {
    let pool = Arc::new(P::builder().workers(2).build().expect("starts"));
    let gate = Gate::new();
    gate.hold(&pool, 2);
    limit_memory(Some(LEFT));
    loop {
        let ballast = vec![1u8; 1 << 20];
        pool.execute(move || _ = std::hint::black_box(&ballast)).expect("open");
    }
}

#[test]
fn an_allocation_that_fails_ends_the_process() {
    const NAME: &str = "an_allocation_that_fails_ends_the_process";
    if child::plays(
        NAME,
        |kind| if kind == "pull" { endless_queue::<PullPool>() } else { endless_queue::<Pool>() },
    ) {
        return;
    }
    for kind in ["push", "pull"] {
        let outcome = Child::of(NAME).argument(kind).outcome();
        assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{}", outcome.report());
        assert!(outcome.output.contains("memory allocation of"), "{}", outcome.report());
    }
}
