//! Signals, and file systems that are slow: strace holds calls of the program for a time.

use std::fs;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use longshore_cli::process::{Finished, PATIENCE, Running, Stream};
use longshore_cli::signals::Signal;
use serde_json::Value;

use crate::bench::{Bench, has_tool};

const IMAGES: usize = 8;

/// Calls that put a file into its place.
const RENAMES: &str = "rename,renameat,renameat2";

/// Whether the program can be held; says so if not.
fn can_hold() -> bool {
    has_tool("strace")
        && Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success())
}

/// The program under strace, with renames that take a time: all of them, or the first.
fn held(bench: &Bench, time: Duration, which: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new("strace");
    let inject = format!("inject={RENAMES}:delay_enter={}{which}", time.as_micros());
    let trace = format!("trace={RENAMES}");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
    command.arg(env!("CARGO_BIN_EXE_resize")).args(arguments).current_dir(bench.path("."));
    Running::start(&mut command).expect("strace starts")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let (_never, nothing) = mpsc::channel::<()>();
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        assert!(nothing.recv_timeout(Duration::from_millis(2)).is_err());
    }
}

fn temporaries(bench: &Bench) -> usize {
    if !bench.path("out").exists() {
        return 0;
    }
    bench.files("out").iter().filter(|name| name.ends_with(".tmp")).count()
}

/// Images that are begun one after the other.
fn images() -> Bench {
    let bench = Bench::new();
    for number in 0..IMAGES {
        bench.image(&format!("in/{number}.png"), 80, 40);
    }
    bench
}

fn one_worker(model: &str) -> Vec<&str> {
    vec!["in", "-o", "out", "--json", "--jobs", "1", "--size", "20x", "--model", model]
}

fn counts(finished: &Finished) -> [u64; 4] {
    let summary: Value =
        serde_json::from_slice(&finished.output).unwrap_or_else(|error| panic!("{error}: {finished}"));
    ["resized", "failed", "cancelled", "expired"]
        .map(|name| summary["totals"][name].as_u64().expect("a number"))
}

/// A tree that takes minutes to list is not listed to its end.
#[test]
fn a_signal_ends_the_search_for_images() {
    if !can_hold() {
        return;
    }
    let bench = images();
    for number in 0..300 {
        bench.image(&format!("in/{number}/a.png"), 8, 8);
    }
    let mut command = Command::new("strace");
    let slow = "inject=getdents64:delay_enter=1000000";
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=getdents64", "-e", slow]);
    command.arg(env!("CARGO_BIN_EXE_resize")).args(one_worker("push")).current_dir(bench.path("."));
    let start = Instant::now();
    let mut program = Running::start(&mut command).expect("strace starts");
    let listens = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
        caught.is_some_and(|caught| caught >> (Signal::Terminate.number() - 1) & 1 == 1)
    };
    let status = || fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    wait_until("its attention", || listens(&status()));
    program.signal(Signal::Terminate).expect("it runs");
    let finished = program.finish().expect("it ends");
    assert_eq!(finished.code(), Some(143), "{finished}");
    assert!(start.elapsed() < Duration::from_secs(200), "{:?}", start.elapsed());
    assert!(!bench.path("out").exists());
}

#[test]
fn the_first_signal_lets_the_begun_end_and_tells_what_is_left() {
    if !can_hold() {
        return;
    }
    for (signal, model, status) in
        [(Signal::Interrupt, "push", 130), (Signal::Terminate, "pull", 143), (Signal::HangUp, "push", 129)]
    {
        let bench = images();
        let mut program = held(&bench, Duration::from_secs(5), ":when=1", &one_worker(model));
        wait_until("the first image", || temporaries(&bench) > 0);
        program.signal(signal).expect("it runs");
        program.wait_for(Stream::Error, "finishing what has begun").expect("it says so");
        let finished = program.finish().expect("it ends");
        assert_eq!(finished.code(), Some(status), "{finished}");
        let [resized, failed, cancelled, expired] = counts(&finished);
        assert_eq!([failed, expired, resized + cancelled], [0, 0, IMAGES as u64]);
        assert!(resized >= 1 && cancelled >= 1, "{finished}");
        assert_eq!(bench.files("out").len() as u64, resized);
        bench.assert_clean();
        // The next run does what is left, and nothing twice.
        let run = bench.run(&["--json", "--size", "20x"]).expect(0).json();
        assert_eq!([&run["totals"]["resized"], &run["totals"]["skipped"]], [cancelled, resized]);
    }
}

/// A file system that hangs in the middle of a call does not delay the end.
#[test]
fn the_second_signal_ends_it_at_once() {
    if !can_hold() {
        return;
    }
    let bench = images();
    let mut program = held(&bench, Duration::from_secs(100), ":when=1", &one_worker("push"));
    wait_until("the first image", || temporaries(&bench) > 0);
    program.signal(Signal::Interrupt).expect("it runs");
    program.wait_for(Stream::Error, "again, and the program ends at once").expect("it says so");
    let start = Instant::now();
    program.signal(Signal::Interrupt).expect("it runs");
    // It has ended when its first thread has; strace keeps the one that it holds to the end.
    let state = || fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap_or_default();
    wait_until("its end", || !state().contains(") ") || state().contains(") Z "));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(program.said(Stream::Output), "");
    assert_eq!(temporaries(&bench), 0);
}

/// Forty renames of half a second by eight workers take five times half a second, not forty.
#[test]
fn a_slow_file_system_stops_no_other_worker() {
    if !can_hold() {
        return;
    }
    let bench = Bench::new();
    for number in 0..40 {
        bench.image(&format!("in/{number}.png"), 40, 20);
    }
    let start = Instant::now();
    let arguments = ["in", "-o", "out", "--jobs", "8", "--size", "20x"];
    let finished = held(&bench, Duration::from_millis(500), "", &arguments).finish().expect("it ends");
    assert_eq!(finished.code(), Some(0), "{finished}");
    assert!(
        start.elapsed() < Duration::from_secs(14),
        "one after the other takes 20 s: {:?}",
        start.elapsed()
    );
    assert_eq!(bench.files("out").len(), 40);
}

/// A source that is replaced while its output is on its way is newer than that.
#[test]
fn a_source_that_is_replaced_meanwhile_is_done_again() {
    if !can_hold() {
        return;
    }
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    bench.image("other.png", 40, 40);
    let program = held(&bench, Duration::from_secs(5), ":when=1", &["in", "-o", "out", "--size", "20x"]);
    wait_until("the output", || temporaries(&bench) > 0);
    fs::rename(bench.path("other.png"), bench.path("in/a.png")).expect("replaced");
    let touched = fs::File::options().append(true).open(bench.path("in/a.png")).expect("the source");
    let directory = fs::metadata(bench.path("in")).and_then(|meta| meta.modified()).expect("a time");
    touched.set_modified(directory).expect("the time of its replacement");
    assert_eq!(program.finish().expect("it ends").code(), Some(0));
    let run = bench.run(&["--size", "20x"]).expect(0);
    assert!(run.stdout.contains("1 resized, 0 up to date"), "{}", run.stdout);
    assert_eq!(bench.size("out/a.png"), (20, 20));
}

/// What a killed run leaves behind is removed by the next one, unless another run is at work on it.
#[test]
fn temporary_files_of_a_killed_run_are_swept() {
    if !can_hold() {
        return;
    }
    let bench = images();
    let mut killed = held(&bench, Duration::from_secs(100), ":when=1", &one_worker("push"));
    wait_until("the first image", || temporaries(&bench) > 0);
    killed.kill().expect("it runs");
    drop(killed);
    wait_until("its end", || temporaries(&bench) == 1);
    let left = bench.files("out");
    let working = held(&bench, Duration::from_secs(4), ":when=1", &one_worker("push"));
    // It has swept by the time that it has a file of its own, and that is not taken from it.
    wait_until("another file", || temporaries(&bench) == 1 && bench.files("out") != left);
    let second =
        bench.command(&["in/7.png", "-o", "out", "--size", "10x"]).output().expect("the program starts");
    assert!(second.status.success(), "{second:?}");
    let finished = working.finish().expect("it ends");
    assert_eq!(finished.code(), Some(0), "{finished}");
    assert_eq!(counts(&finished)[1], 0, "{finished}");
    bench.assert_clean();
}

/// Stopped at any moment, there is nothing half, nothing is lost, and the next run finishes the work.
#[test]
fn stops_at_any_moment_leave_whole_files() {
    let bench = Bench::new();
    for number in 0..60 {
        bench.image(&format!("in/{number}.png"), 300, 200);
    }
    let mut done = 0;
    for moment in 0..10_u64 {
        let arguments = ["in", "-o", "out", "--size", "100x", "--jobs", "3"];
        let mut program = Running::start(&mut bench.command(&arguments)).expect("it starts");
        let wanted = done + 1 + (moment as usize * 7) % 11;
        let count = || if bench.path("out").exists() { bench.files("out").len() } else { 0 };
        wait_until("some images", || count() >= wanted.min(60));
        let was_running = program.signal(Signal::Interrupt).is_ok();
        let finished = program.finish().expect("it ends");
        let names = bench.files("out");
        let code = finished.code();
        assert!(
            code == Some(130) && names.len() < 60 || code == Some(0) && names.len() == 60 || !was_running,
            "{finished}"
        );
        bench.assert_clean();
        names.iter().for_each(|name| assert_eq!(bench.size(&format!("out/{name}")), (100, 67)));
        done = names.len();
        if done == 60 {
            break;
        }
    }
    bench.run(&["--size", "100x"]).expect(0);
    assert_eq!(bench.files("out").len(), 60);
}
