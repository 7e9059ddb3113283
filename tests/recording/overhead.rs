//! What a recording costs: pools with and without one, in turns in one process. A measurement, not a test:
//! `cargo test --release -p longshore --test recording overhead -- --ignored --nocapture --test-threads=1`.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use longshore::{AnyPool, Pool, PullPool, Recorder};

/// Rounds of each side.
const ROUNDS: usize = 41;

/// A task of about so many steps.
fn steps(count: u64) {
    (0..count).for_each(|step| _ = black_box(step));
}

/// When the last of some tasks has run. There is one worker, so no two threads write at the same time.
struct Countdown {
    left: AtomicUsize,
    end: mpsc::Sender<Instant>,
}

impl Countdown {
    /// Called at the end of each task.
    fn count(&self) {
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left == 0 {
            self.end.send(Instant::now()).expect("the test waits for it");
        }
    }
}

/// Nanoseconds for each task, from the begin of `run` to the end of the last task.
fn per_task(tasks: usize, run: impl FnOnce(&'static Countdown)) -> f64 {
    let (end, ended) = mpsc::channel();
    // Leaked, so that a task captures a pointer and no count.
    let countdown = Box::leak(Box::new(Countdown { left: AtomicUsize::new(tasks), end }));
    let begin = Instant::now();
    run(countdown);
    let end = ended.recv().expect("the last task sends it");
    (end - begin).as_nanos() as f64 / tasks as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints the medians of both sides and of their differences.
fn compare<P: AnyPool>(name: &str, tasks: usize, work: impl Fn(&P, &'static Countdown)) {
    let pool = |recorder: Option<Recorder>| {
        let builder = P::builder().workers(1).spin(std::time::Duration::from_millis(1));
        match recorder {
            Some(recorder) => builder.recorder(recorder).build().expect("starts"),
            None => builder.build().expect("starts"),
        }
    };
    let (plain, recorded) = (pool(None), pool(Some(Recorder::new())));
    let (mut off, mut on, mut more) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let measure = |pool: &P| {
            let nanos = per_task(tasks, |countdown| work(pool, countdown));
            pool.wait_idle().expect("gets idle");
            nanos
        };
        // The side that is measured first changes.
        let (first, second) = if round % 2 == 0 { (&plain, &recorded) } else { (&recorded, &plain) };
        let (a, b) = (measure(first), measure(second));
        let (without, with) = if round % 2 == 0 { (a, b) } else { (b, a) };
        off.push(without);
        on.push(with);
        more.push(with - without);
    }
    let (off, on, more) = (median(&mut off), median(&mut on), median(&mut more));
    println!("{name:<44}{off:>9.1}{on:>9.1}{more:>9.1} {:>6.1} %", more / off * 100.0);
}

fn rows<P: AnyPool>(kind: &str) {
    for (name, count, tasks) in [("empty", 0, 20_000), ("1 us", 3_000, 3_000), ("10 us", 30_000, 400)] {
        compare::<P>(&format!("{kind}: tasks of a task, {name}"), tasks, |pool, end| {
            let task = move || {
                steps(count);
                end.count();
            };
            let root = move || (0..tasks).for_each(|_| longshore::execute(task).expect("accepts"));
            pool.execute(root).expect("accepts");
        });
        compare::<P>(&format!("{kind}: tasks from outside, {name}"), tasks, |pool, end| {
            let task = move || {
                steps(count);
                end.count();
            };
            (0..tasks).for_each(|_| pool.execute(task).expect("accepts"));
        });
    }
    compare::<P>(&format!("{kind}: results, joined in a task"), 5_000, |pool, end| {
        let root = move || {
            for _ in 0..50 {
                let handles: Vec<_> =
                    (0..100).map(|n| longshore::submit(move || n).expect("accepts")).collect();
                handles.into_iter().for_each(|handle| _ = black_box(handle.join()));
                (0..100).for_each(|_| end.count());
            }
        };
        pool.execute(root).expect("accepts");
    });
}

#[test]
#[ignore = "a measurement"]
fn overhead() {
    println!("{:<44}{:>9}{:>9}{:>9}", "ns for each task, one worker", "off", "on", "more");
    rows::<Pool>("push");
    rows::<PullPool>("pull");
    compare::<Pool>("push: joins (fib 20), for each join", 10_945, |pool, end| {
        fn fib(n: u64) -> u64 {
            if n < 2 {
                return n;
            }
            let (a, b) = longshore::join(|| fib(n - 1), || fib(n - 2));
            a + b
        }
        let root = move || {
            _ = black_box(fib(20));
            (0..10_945).for_each(|_| end.count());
        };
        pool.execute(root).expect("accepts");
    });
}
