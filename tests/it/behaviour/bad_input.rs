//! Bad values: each is refused before any thread starts, with an error that names it. Bad values of the
//! environment variable are tested in `process_start.rs`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use longshore::{BuildError, MAX_CAPACITY, MAX_STACK_SIZE, MAX_WORKERS, OnFull, Pinning, PoolBuilder};

use super::*;

/// A configuration, whether an error is the right one, and the text that its message must contain.
struct Row {
    builder: PoolBuilder<Pool>,
    is_right: fn(&BuildError) -> bool,
    names: String,
}

fn row(builder: PoolBuilder<Pool>, is_right: fn(&BuildError) -> bool, names: impl ToString) -> Row {
    Row { builder, is_right, names: names.to_string() }
}

fn pool() -> PoolBuilder<Pool> {
    Pool::builder().workers(2)
}

fn numbers() -> Vec<Row> {
    let mut rows =
        vec![row(Pool::builder().workers(0), |error| matches!(error, BuildError::ZeroWorkers), "0")];
    for workers in [MAX_WORKERS + 1, 16_384, isize::MAX as usize, usize::MAX] {
        rows.push(row(
            Pool::builder().workers(workers),
            |error| matches!(error, BuildError::TooManyWorkers { max: MAX_WORKERS, .. }),
            workers,
        ));
    }
    for bytes in [MAX_STACK_SIZE + 1, MAX_STACK_SIZE << 1, isize::MAX as usize, usize::MAX] {
        rows.push(row(
            pool().stack_size(bytes),
            |error| matches!(error, BuildError::StackTooLarge { max: MAX_STACK_SIZE, .. }),
            bytes,
        ));
    }
    for tasks in [MAX_CAPACITY + 1, isize::MAX as usize, usize::MAX - 1, usize::MAX] {
        rows.push(row(
            pool().queue_capacity(tasks),
            |error| matches!(error, BuildError::CapacityTooLarge { max: MAX_CAPACITY, .. }),
            tasks,
        ));
    }
    rows.push(row(pool().budget(0), |error| matches!(error, BuildError::ZeroBudget), "0"));
    rows
}

fn names() -> Vec<Row> {
    let invalid = |error: &BuildError| matches!(error, BuildError::InvalidThreadName { .. });
    ["\0", "in\0side", "at the end\0"]
        .map(|name| row(pool().thread_name(name), invalid, format!("{name:?}")))
        .into()
}

fn cores() -> Vec<Row> {
    let not_allowed = |error: &BuildError| matches!(error, BuildError::CoreNotAllowed { .. });
    let twice = |error: &BuildError| matches!(error, BuildError::DuplicateCore { .. });
    let allowed = core_affinity_of_process();
    let first = allowed[0];
    let absent = (0..1024).rev().find(|core| !allowed.contains(core)).expect("fewer than 1,024 cores");
    let pinned = |cores: &[usize]| pool().pinning(Pinning::Cores(cores.to_vec()));
    let mut rows = vec![
        row(pinned(&[]), |error| matches!(error, BuildError::NoCores), "empty"),
        row(pinned(&[first, first]), twice, first),
        row(pinned(&[first, absent]), not_allowed, absent),
        row(pinned(&[absent, absent]), not_allowed, absent),
    ];
    // More than a mask of fixed size can hold: a library that does not check aborts the process here.
    for core in [1024, 1025, 5000, 1 << 20, usize::MAX] {
        rows.push(row(pinned(&[core]), not_allowed, core));
        rows.push(row(pinned(&[first, core]), not_allowed, core));
    }
    if let [first, second, ..] = allowed[..] {
        rows.push(row(pinned(&[first, second, first]), twice, first));
        rows.push(row(pinned(&[second, first, first, second]), twice, first));
    }
    rows
}

#[cfg(all(target_os = "linux", not(longshore_portable)))]
fn core_affinity_of_process() -> Vec<usize> {
    super::pinning::cores_of(std::process::id())
}

#[cfg(not(all(target_os = "linux", not(longshore_portable))))]
fn core_affinity_of_process() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}

/// No thread starts: no hook is called, and the captures of the hooks are dropped when `build` returns.
#[test]
fn every_bad_value_is_an_error_that_names_it() {
    for Row { builder, is_right, names } in numbers().into_iter().chain(self::names()).chain(cores()) {
        let asked = format!("{builder:?}");
        let token = Arc::new(());
        let held = token.clone();
        let built = builder.on_start(move |_| panic!("a thread was started: {held:?}")).build();
        let error = built.expect_err(&asked);
        assert!(is_right(&error), "{asked}: {error:?}");
        assert!(error.to_string().contains(&names), "{error:?} does not name {names}: {error}");
        assert!(error.source().is_none(), "{error:?}");
        assert_eq!(Arc::strong_count(&token), 1, "{asked}");
    }
}

/// The first bad value is reported although others are bad as well; none leads to a panic.
#[test]
fn everything_wrong_at_once() {
    let built = Pool::builder()
        .workers(usize::MAX)
        .thread_name("\0")
        .stack_size(usize::MAX)
        .pinning(Pinning::Cores(vec![usize::MAX; 3]))
        .build();
    built.expect_err("all of it is wrong");
}

#[test]
fn timeouts_of_zero_and_without_end() {
    let rig = Rig::new(1);
    let mut handle = rig.submit(|| 5).expect("open");
    assert_eq!(handle.join_timeout(Duration::MAX).expect("waits").expect("ran"), 5);
    let mut taken = rig.submit(|| 5).expect("open");
    // A timeout of zero only looks. Whatever it finds, it neither waits nor panics.
    let looked = taken.join_timeout(Duration::ZERO);
    assert!(looked.is_none_or(|result| result.is_ok_and(|n| n == 5)));
    rig.shutdown_timeout(Duration::MAX).expect("waits");
    rig.shutdown_timeout(Duration::ZERO).expect("has ended");
    rig.finish();
}

/// The largest capacity that is accepted, and times without an end: nothing overflows.
#[test]
fn the_largest_capacity() {
    for on_full in [OnFull::Reject, OnFull::BlockFor(Duration::MAX), OnFull::BlockFor(Duration::ZERO)] {
        let builder = Pool::builder().workers(1).queue_capacity(MAX_CAPACITY).on_full(on_full);
        let rig = Rig::with(builder.budget(u64::MAX));
        rig.execute_batch((0..1_000).map(|_| || ())).expect("within the capacity");
        rig.try_submit(|| ()).expect("within the capacity").join().expect("runs");
        assert_eq!(rig.capacity(), Some(MAX_CAPACITY));
        rig.finish();
    }
}

#[test]
fn errors_are_errors() {
    fn check<E: Error + Send + Sync + 'static>(error: E) -> Box<dyn Error + Send + Sync> {
        let boxed = Box::new(error);
        assert!(!boxed.to_string().is_empty() && !format!("{boxed:?}").is_empty());
        boxed
    }
    check(Pool::builder().workers(0).build().expect_err("refused"));
    let rig = Rig::new(1);
    rig.shutdown().expect("shuts down");
    check(rig.execute(|| ()).expect_err("closed"));
    let batch = check(rig.submit_batch([|| 1, || 2]).expect_err("closed"));
    assert!(batch.to_string().contains("2 of 2"), "{batch}");
    check(rig.execute_batch([|| (), || ()]).expect_err("closed"));
    check(longshore::ShutdownError::TimedOut);
    check(longshore::JoinError::Taken);
    rig.finish();
}
