//! Submitters times tasks times work: 1 x 1M, 100 x 10,000 and 1,000 x 1,000, of a little arithmetic, of a
//! small recursion and of sleep.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use super::{ROW, Row, Setup, lower, producers, sweep};
use crate::ledger::{self, Expected};
use crate::outcome::{Ready, per_task, warmed};
use crate::pools::{Execute, executing, leak};

/// What one task does; returns 0 if it came to the right thing.
type Work = fn() -> u64;

const PRIME: Row = Row {
    id: "prime-1x1m",
    title: "1 submitter x 1M tasks that look for primes in 2..100",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "A task is some 0.4 us of divisions. Submitters and workers share the cores; the submitters' threads are \
                started by then but have to be woken.",
    sweep: sweep("prime", "submitters", 1.0),
    prepare: |setup, name| executing!(name, R => submit::<R>(setup, 1, 1_000_000, primes)),
    ..ROW
};

const FIBONACCI: Row = Row {
    id: "fibonacci-1x1m",
    title: "1 submitter x 1M tasks that compute Fibonacci 15 by recursion",
    not_shown: "A task is some 1 to 3 us of calls, all within itself. Submitters and workers share the cores.",
    sweep: sweep("fibonacci", "submitters", 1.0),
    prepare: |setup, name| executing!(name, R => submit::<R>(setup, 1, 1_000_000, fibonacci)),
    ..PRIME
};

const SLEEP: Row = Row {
    id: "sleep-1x6400",
    title: "1 submitter x 6,400 tasks that sleep for 10 ms, 64 workers",
    metrics: &[lower("us", "us per task")],
    workers: Some(64),
    not_shown: "6,400 tasks instead of a million, so that a pass takes one second: at best 10 ms through 64 workers, \
                156 us. Work that waits belongs to an async runtime or, as the last line shows, to threads.",
    sweep: None,
    prepare: |setup, name| executing!(name, R => sleep::<R>(setup, 1, 6400)),
    ..PRIME
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    PRIME,
    Row {
        id: "prime-100x10k",
        title: "100 submitters x 10,000 tasks that look for primes in 2..100",
        sweep: sweep("prime", "submitters", 100.0),
        prepare: |setup, name| executing!(name, R => submit::<R>(setup, 100, 1_000_000, primes)),
        ..PRIME
    },
    Row {
        id: "prime-1kx1k",
        title: "1,000 submitters x 1,000 tasks that look for primes in 2..100",
        sweep: sweep("prime", "submitters", 1000.0),
        prepare: |setup, name| executing!(name, R => submit::<R>(setup, 1000, 1_000_000, primes)),
        ..PRIME
    },
    FIBONACCI,
    Row {
        id: "fibonacci-100x10k",
        title: "100 submitters x 10,000 tasks that compute Fibonacci 15 by recursion",
        sweep: sweep("fibonacci", "submitters", 100.0),
        prepare: |setup, name| executing!(name, R => submit::<R>(setup, 100, 1_000_000, fibonacci)),
        ..FIBONACCI
    },
    Row {
        id: "fibonacci-1kx1k",
        title: "1,000 submitters x 1,000 tasks that compute Fibonacci 15 by recursion",
        sweep: sweep("fibonacci", "submitters", 1000.0),
        prepare: |setup, name| executing!(name, R => submit::<R>(setup, 1000, 1_000_000, fibonacci)),
        ..FIBONACCI
    },
    SLEEP,
    Row {
        id: "sleep-100x64",
        title: "100 submitters x 64 tasks that sleep for 10 ms, 64 workers",
        prepare: |setup, name| executing!(name, R => sleep::<R>(setup, 100, 6400)),
        ..SLEEP
    },
    Row {
        id: "sleep-1kx6",
        title: "1,000 submitters x 6 tasks that sleep for 10 ms, 64 workers",
        prepare: |setup, name| executing!(name, R => sleep::<R>(setup, 1000, 6000)),
        ..SLEEP
    },
];

fn is_prime(number: u32) -> bool {
    (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

/// 25 primes are below 100.
fn primes() -> u64 {
    (2..100).filter(|&number| is_prime(black_box(number))).count() as u64 - 25
}

fn recursive(place: u64) -> u64 {
    if place < 2 { place } else { recursive(black_box(place - 1)) + recursive(place - 2) }
}

/// Fibonacci 15 is 610.
fn fibonacci() -> u64 {
    recursive(black_box(15)) - 610
}

#[allow(clippy::disallowed_methods, reason = "tasks that sleep are the subject")]
fn nap() -> u64 {
    thread::sleep(Duration::from_millis(10));
    0
}

/// A pass over so many tasks, divided among the submitters.
fn pass<R: Execute>(
    pool: &'static R,
    submitters: u64,
    tasks: u64,
    work: Work,
) -> Result<Duration, crate::outcome::Failure> {
    // Wrong work shows in the ledger as an unexpected task.
    let submit = |number| pool.execute(move || ledger::enter(number + work()));
    producers::pass(submitters, tasks / submitters, Expected::of(0..tasks), submit)
}

/// How many tasks there are at this scale, so that each submitter has as many.
fn whole(setup: Setup, tasks: u64, submitters: u64) -> u64 {
    (setup.scale.of(tasks) / submitters).max(1) * submitters
}

fn submit<R: Execute>(setup: Setup, submitters: u64, tasks: u64, work: Work) -> Ready {
    let pool = leak::<R>(setup.workers, tasks)?;
    let tasks = whole(setup, tasks, submitters);
    warmed(tasks, move || per_task(pass(pool, submitters, tasks, work)?, tasks))
}

fn sleep<R: Execute>(setup: Setup, submitters: u64, tasks: u64) -> Ready {
    if R::IN_PLACE {
        // A minute of sleep for each pass, and nothing learnt.
        return Err(crate::outcome::Failure::NotOffered);
    }
    let pool = leak::<R>(setup.workers, tasks)?;
    let tasks = whole(setup, tasks, submitters);
    warmed(tasks, move || {
        let elapsed = pass(pool, submitters, tasks, nap)?;
        crate::outcome::figures(elapsed, [("us", elapsed.as_secs_f64() * 1e6 / tasks as f64)])
    })
}
