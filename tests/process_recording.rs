//! Recordings that concern the whole process: the environment variable, a full disk, a forked child, SIGQUIT,
//! the global pool.

#![cfg(target_os = "linux")]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use longshore::{AnyPool, Pool, PullPool, RecordError, Recorder};
use longshore_trace::format;
use longshore_trace::run::Run;

use support::child::{self, Child, with_each_kind};
use support::wait_until;

/// A folder that its test removes.
fn folder(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("longshore-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn ran(run: &Run) -> usize {
    run.tasks.iter().filter(|task| task.has_run() && !task.is_fork()).count()
}

fn read(path: &PathBuf) -> Run {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Run::new(&format::Recording::parse_cut(&bytes).expect("no damage")).expect("no contradiction")
}

fn work(pool: &impl AnyPool, tasks: usize) {
    (0..tasks).for_each(|_| pool.execute(|| longshore::label("work")).expect("accepts"));
}

#[test]
fn the_environment_names_a_file_for_each_pool() {
    const NAME: &str = "the_environment_names_a_file_for_each_pool";
    let scenario = |_: &str| {
        let first = Pool::builder().workers(1).build().expect("starts");
        let second = PullPool::builder().workers(1).build().expect("starts");
        work(&first, 10);
        work(&second, 20);
        first.shutdown().expect("ends");
        drop(second);
    };
    if child::plays(NAME, scenario) {
        return;
    }
    let folder = folder("environment");
    Child::of(NAME).variable("LONGSHORE_TRACE", folder.join("run.lsr").display()).succeeds();
    assert_eq!(ran(&read(&folder.join("run.lsr"))), 10);
    assert_eq!(ran(&read(&folder.join("run-2.lsr"))), 20);
    // A page needs the feature `trace`; without it the message says what to do.
    let outcome = Child::of(NAME).variable("LONGSHORE_TRACE", folder.join("run.html").display()).succeeds();
    assert!(
        folder.join("run.html").exists() || outcome.output.contains("longshore-trace html"),
        "{}",
        outcome.output
    );
    // What cannot be written keeps no program from running.
    let outcome = Child::of(NAME).variable("LONGSHORE_TRACE", "/no/such/folder/run.lsr").succeeds();
    assert!(outcome.output.contains("/no/such/folder/run.lsr"), "{}", outcome.output);
    let outcome = Child::of(NAME).variable("LONGSHORE_TRACE", "run.txt").succeeds();
    assert!(outcome.output.contains(".pftrace"), "{}", outcome.output);
    _ = fs::remove_dir_all(folder);
}

/// A pool that could not be built has no file. `%p` stands for the process, because a child inherits the
/// variable.
#[test]
fn a_failed_build_takes_no_number_and_each_process_has_its_files() {
    const NAME: &str = "a_failed_build_takes_no_number_and_each_process_has_its_files";
    let scenario = |path: &str| {
        Pool::builder().budget(0).build().expect_err("a budget of 0 is refused");
        let failing = Pool::builder().workers(1).on_start(|_| panic!("does not start"));
        failing.build().expect_err("the hook panics");
        let pool = Pool::builder().workers(1).build().expect("starts");
        work(&pool, 10);
        pool.shutdown().expect("ends");
        let path = path.replace("%p", &std::process::id().to_string());
        assert_eq!(ran(&read(&PathBuf::from(path))), 10);
    };
    if child::plays(NAME, scenario) {
        return;
    }
    let folder = folder("failed-build");
    for _ in 0..2 {
        let path = folder.join("run-%p.lsr");
        Child::of(NAME).variable("LONGSHORE_TRACE", path.display()).argument(path.display()).succeeds();
    }
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 2);
    _ = fs::remove_dir_all(folder);
}

#[test]
fn the_global_pool_completes_its_file_when_the_process_ends() {
    const NAME: &str = "the_global_pool_completes_its_file_when_the_process_ends";
    let scenario = |_: &str| {
        let handles: Vec<_> = (0..30).map(|n| longshore::submit(move || n).expect("accepts")).collect();
        handles.into_iter().for_each(|handle| _ = handle.join().expect("no panic"));
    };
    if child::plays(NAME, scenario) {
        return;
    }
    let folder = folder("global");
    let path = folder.join("run.lsr");
    Child::of(NAME).variable("LONGSHORE_TRACE", path.display()).succeeds();
    let recording = format::Recording::parse(&fs::read(&path).expect("there")).expect("complete");
    assert_eq!(ran(&Run::new(&recording).expect("no contradiction")), 30);
    _ = fs::remove_dir_all(folder);
}

#[test]
fn a_forked_child_records_nothing_and_hangs_nowhere() {
    fn scenario<P: AnyPool>() {
        let folder = folder("fork");
        let path = folder.join("run.lsr");
        let pool = P::builder().workers(2).recorder(Recorder::new().file(&path)).build().expect("starts");
        work(&pool, 100);
        pool.wait_idle().expect("gets idle");
        let recording = pool.recording().expect("recorded");
        // SAFETY: the workers are parked and hold no lock that the child takes; the child leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = pool.execute(|| ()).is_err();
            let is_forked = matches!(pool.record(Recorder::new()), Err(RecordError::Forked));
            // SAFETY: `_exit` has no preconditions.
            unsafe { libc::_exit(i32::from(!(refused && is_forked))) };
        }
        let mut status = 0;
        // SAFETY: `status` is valid for a write of an `int`.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!((waited, status), (child, 0));
        work(&pool, 100);
        pool.shutdown().expect("ends");
        drop(recording);
        assert_eq!(ran(&read(&path)), 200);
        _ = fs::remove_dir_all(folder);
    }
    with_each_kind(
        "a_forked_child_records_nothing_and_hangs_nowhere",
        scenario::<Pool>,
        scenario::<PullPool>,
    );
}

#[test]
fn a_full_disk_stops_the_file_and_not_the_run() {
    const NAME: &str = "a_full_disk_stops_the_file_and_not_the_run";
    let scenario = |path: &str| {
        let recorder = Recorder::new().exact_times().file(path);
        let pool = Pool::builder().workers(2).recorder(recorder).build().expect("starts");
        for _ in 0..200 {
            work(&pool, 1_000);
            pool.wait_idle().expect("gets idle");
        }
        let error = pool.recording().expect("recorded").stop().expect_err("far more than the limit");
        println!("stop: {error}");
        assert_eq!(pool.stats().completed, 200_000);
    };
    if child::plays(NAME, scenario) {
        return;
    }
    let folder = folder("disk");
    let path = folder.join("run.lsr");
    // Blocks of 512 bytes; without the signal that would end the process a write fails with EFBIG.
    let limited = ["sh", "-c", r#"trap '' XFSZ; ulimit -f 600; exec "$0" "$@""#];
    let outcome = Child::of(NAME).argument(path.display()).under(&limited).succeeds();
    assert!(outcome.output.contains("s are missing"), "{}", outcome.output);
    let run = read(&path);
    assert!((1_000..200_000).contains(&ran(&run)), "{}", ran(&run));
    _ = fs::remove_dir_all(folder);
}

#[test]
fn the_quit_signal_saves_the_recording() {
    const NAME: &str = "the_quit_signal_saves_the_recording";
    let scenario = |path: &str| {
        let recorder = Recorder::new().save_on_quit(path);
        let pool = Pool::builder().workers(2).recorder(recorder).build().expect("starts");
        work(&pool, 100);
        pool.wait_idle().expect("gets idle");
        let status = Command::new("kill").args(["-QUIT", &std::process::id().to_string()]).status();
        assert!(status.expect("kill is there").success());
        wait_until("the recording is saved", || fs::exists(path).is_ok_and(|exists| exists));
    };
    if child::plays(NAME, scenario) {
        return;
    }
    let folder = folder("quit");
    let path = folder.join("run.lsr");
    Child::of(NAME).argument(path.display()).succeeds();
    assert_eq!(ran(&read(&path)), 100);
    _ = fs::remove_dir_all(folder);
}
