//! Latency: the round trip of one task after another, and how long a pool that has been idle takes to start
//! one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{Metric, ROW, Row, Setup, lower, results, sweep};
use crate::outcome::{Failure, Outcome, Ready, figures, ready};
use crate::pools::{Execute, Return, executing, leak, returning};

const ROUND_TRIPS: u64 = 20_000;

/// How long one waits for a task to start before it counts as lost.
const LOST: Duration = Duration::from_secs(10);

const QUANTILES: &[Metric] = &[lower("p50", "us, p50"), lower("p99", "us, p99")];

const WAKE: Row = Row {
    id: "wake-2ms",
    title: "Wake-up: from the call until the task starts, after 2 ms of idleness; the producer parks",
    metrics: QUANTILES,
    not_shown: "The producer's core is free from the moment at which it parks, so a woken worker need not move. \
                A producer that goes on computing, or cores that are busy, are other cases; so is a deeply \
                sleeping CPU of a machine that is not virtual.",
    sweep: sweep("wake", "us of idleness", 2000.0),
    prepare: |setup, name| executing!(name, R => wake::<R>(setup, Duration::from_millis(2), 1000)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        id: "round-trip",
        title: "Round trip, back to back: submit one task, wait for its result, 20,000 times",
        metrics: QUANTILES,
        not_shown: "Each pool's own way to call and wait is taken. The workers have no time to fall asleep where \
                    they spin, and whether caller and worker share a core is up to the kernel.",
        prepare: |setup, name| returning!(name, R => round_trip::<R>(setup)),
        ..ROW
    },
    Row {
        id: "wake-50us",
        title: "Wake-up: from the call until the task starts, after 50 us of idleness; the producer parks",
        sweep: sweep("wake", "us of idleness", 50.0),
        prepare: |setup, name| executing!(name, R => wake::<R>(setup, Duration::from_micros(50), 5000)),
        ..WAKE
    },
    Row {
        id: "wake-1.1ms",
        title: "Wake-up: from the call until the task starts, after 1.1 ms of idleness; the producer parks",
        sweep: sweep("wake", "us of idleness", 1100.0),
        prepare: |setup, name| executing!(name, R => wake::<R>(setup, Duration::from_micros(1100), 1500)),
        ..WAKE
    },
    WAKE,
];

/// The middle and the 99th percentile, in microseconds, of nanoseconds; their sum is the time that passed.
fn quantiles(mut nanos: Vec<u64>) -> Outcome {
    let elapsed = Duration::from_nanos(nanos.iter().sum());
    nanos.sort_unstable();
    let at = |share: f64| nanos[((nanos.len() - 1) as f64 * share).round() as usize] as f64 / 1000.0;
    figures(elapsed, [("p50", at(0.50)), ("p99", at(0.99))])
}

fn round_trip<R: Return>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, ROUND_TRIPS)?;
    let pass = move |trips: u64| -> Result<Vec<u64>, Failure> {
        let one = |number| {
            let start = Instant::now();
            let value = pool.call(results::task(number));
            let nanos = start.elapsed().as_nanos() as u64;
            let right = results::result(number);
            (value == right)
                .then_some(nanos)
                .ok_or_else(|| Failure::Wrong(format!("task {number} returned {value} instead of {right}")))
        };
        (0..trips).map(one).collect()
    };
    let trips = setup.scale.of(ROUND_TRIPS);
    pass(trips / 10)?;
    ready(trips, move || quantiles(pass(trips)?))
}

/// When the process's clock starts; the tasks count from here.
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// The thread that the task unparks.
static PRODUCER: OnceLock<Thread> = OnceLock::new();

/// How many tasks have run in this process; each is told how many ran before it.
static RAN: AtomicU64 = AtomicU64::new(0);

/// When it started, in nanoseconds of the process's clock.
static STARTED: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

fn wake<R: Execute>(setup: Setup, idle: Duration, times: u64) -> Ready {
    if R::IN_PLACE {
        return Err(Failure::NotOffered);
    }
    let pool = leak::<R>(setup.workers, times)?;
    PRODUCER.get_or_init(thread::current);
    let times = setup.scale.of(times);
    wake_ups(pool, idle, times / 10)?;
    ready(times, move || quantiles(wake_ups(pool, idle, times)?))
}

/// Nanoseconds from each call until its task started.
#[allow(clippy::disallowed_methods, reason = "idleness of a given length is the subject")]
fn wake_ups<R: Execute>(pool: &'static R, idle: Duration, times: u64) -> Result<Vec<u64>, Failure> {
    let mut nanos = Vec::new();
    for _ in 0..times {
        let number = RAN.load(Ordering::Relaxed) + 1;
        thread::sleep(idle);
        let called = now();
        pool.execute(move || {
            STARTED.store(now(), Ordering::Relaxed);
            // Release, partner: the Acquire in `await_start`, which reads STARTED next.
            // A task that runs twice would be seen as the wrong number.
            if RAN.swap(number, Ordering::Release) + 1 != number {
                std::process::abort();
            }
            PRODUCER.get().expect("set before the first task").unpark();
        });
        await_start(number)?;
        nanos.push(STARTED.load(Ordering::Relaxed) - called);
    }
    Ok(nanos)
}

/// Parks until the task of this number has started.
fn await_start(number: u64) -> Result<(), Failure> {
    let deadline = Instant::now() + LOST;
    // Acquire, partner: the Release in the task.
    while RAN.load(Ordering::Acquire) < number {
        thread::park_timeout(LOST);
        if Instant::now() > deadline {
            return Err(Failure::Wrong(format!("task {number} had not started after {} s", LOST.as_secs())));
        }
    }
    Ok(())
}
