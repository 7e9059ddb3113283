//! What recording costs, call by call: `cargo run --release -p longshore-trace --example overhead`.
//!
//! Both sides run in turn in one process, in many short rounds; the table has the medians of the differences.

use std::hint::black_box;
use std::time::Instant;

use longshore_trace::format::Facts;
use longshore_trace::record::{Outcome, Source};
use longshore_trace::recorder::{Precision, Recorder, Settings, Track};

/// Rounds of about 100 us each: most of them are not interrupted, whatever else the machine does.
const ROUNDS: usize = 2001;

fn track(precision: Precision) -> (Recorder, Track) {
    let recorder =
        Recorder::new(Facts::new(), Settings { precision, ..Settings::default() }).expect("no file");
    let track = recorder.worker(0);
    (recorder, track)
}

/// Work of about so many nanoseconds, calibrated by `steps_per_ns`.
#[inline(never)]
fn work(steps: u64) -> u64 {
    let mut x = 88172645463325252u64;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

fn nanos_per(count: u64, mut call: impl FnMut(u64)) -> f64 {
    let begun = Instant::now();
    (0..count).for_each(&mut call);
    begun.elapsed().as_nanos() as f64 / count as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of (off, on - off).
fn compare(mut off: impl FnMut() -> f64, mut on: impl FnMut() -> f64) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (off(), on())).collect();
    (
        median(pairs.iter().map(|(off, _)| *off).collect()),
        median(pairs.iter().map(|(off, on)| on - off).collect()),
    )
}

fn main() {
    let steps_per_ns = 1.0
        / median(
            (0..5).map(|_| nanos_per(20_000, |_| _ = black_box(work(black_box(1000)))) / 1000.0).collect(),
        );
    println!("{:<44}{:>10}{:>10}{:>9}", "", "off, ns", "on: + ns", "");
    for nanos in [0u64, 25, 100, 250, 1_000, 4_000, 20_000] {
        let (steps, count) = ((nanos as f64 * steps_per_ns) as u64, 100_000 / (nanos + 10) + 1);
        for precision in [Precision::Adaptive, Precision::Exact] {
            let (_recorder, track) = track(precision);
            let off = || nanos_per(count, |_| _ = black_box(work(black_box(steps))));
            let on = || {
                nanos_per(count, |_| {
                    let task = track.begin(Source::Deque);
                    _ = black_box(work(black_box(steps)));
                    track.end(task, Outcome::Completed);
                })
            };
            let (off, more) = compare(off, on);
            println!(
                "{:<44}{off:>10.1}{more:>10.2}{:>8.1}%",
                format!("a task of some {nanos} ns, {precision:?}"),
                more / off * 100.0
            );
        }
    }
    let (recorder, track) = track(Precision::Adaptive);
    let outside = recorder.outside().expect("the first");
    let count = 5_000;
    let row = |name: &str, call: &mut dyn FnMut(u64)| {
        let (off, more) = compare(|| nanos_per(count, |i| _ = black_box(i)), || nanos_per(count, &mut *call));
        println!("{name:<44}{off:>10.1}{more:>10.2}");
    };
    row("an outside submission, one inbox", &mut |i| outside.submitted(1, i));
    row("an outside submission, another inbox each time", &mut |i| outside.submitted(i as usize & 7, i));
    row("a fork that no thief takes", &mut |_| _ = black_box(track.forked()));
    let track = self::track(Precision::Adaptive).1;
    row("a submission to the own deque, end included", &mut |_| {
        let task = track.begin(Source::Deque);
        track.spawned();
        track.end(task, Outcome::Completed);
    });
    row("a refill of 32 tasks: depth and took", &mut |i| {
        track.depth(0, 32);
        track.took(0, i, 32);
    });
    row("search, park, wake, search", &mut |_| {
        track.searches();
        track.parks(longshore_trace::record::Rest::Idle);
        track.unparked(longshore_trace::record::Wake::Chosen);
        track.searches();
    });
}
