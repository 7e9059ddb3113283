//! When a recording begins and ends, and what the pool does meanwhile.

use std::fs;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore::{AnyPool, BuildError, Pool, PullPool, RecordError, Recorder};
use longshore_trace::analysis::Analysis;
use longshore_trace::format;
use longshore_trace::run::{Outcome, Run};

use super::support::{PATIENCE, wait_until};
use super::{Folder, compute, ran, ran_as, read, recorded_with};

fn in_the_middle<P: AnyPool>() {
    let folder = Folder::new();
    let pool = P::builder().workers(2).build().expect("starts");
    let work = || (0..200).for_each(|_| pool.execute(|| compute(20)).expect("accepts"));
    work();
    assert!(pool.recording().is_none());
    for round in 0..3 {
        let recording = pool.record(Recorder::new().ring_bytes(1 << 20)).expect("records");
        assert!(matches!(pool.record(Recorder::new()), Err(RecordError::AlreadyRecorded)));
        // The workers have taken up their tracks when they have run something labelled.
        let is_recorded = || {
            pool.task().label("seen").submit(|| compute(20)).expect("accepts").join().expect("no panic");
            let path = folder.file("look.lsr");
            recording.save(&path).expect("saved");
            ran_as(&read(&path), "seen") > 0
        };
        wait_until("the workers record", is_recorded);
        work();
        pool.wait_idle().expect("gets idle");
        let path = folder.file(&format!("{round}.lsr"));
        recording.save(&path).expect("saved");
        recording.stop().expect("no file");
        recording.stop().expect("again");
        assert!(pool.recording().is_none());
        let run = read(&path);
        assert!(ran(&run) >= 200, "round {round}: {}", ran(&run));
        assert!(!Analysis::new(&run).report(&run).is_empty());
        work();
    }
    pool.shutdown().expect("ends");
    assert!(matches!(pool.record(Recorder::new()), Err(RecordError::Closed)));
}

#[test]
fn a_recording_begins_and_ends_in_the_middle() {
    in_the_middle::<Pool>();
    in_the_middle::<PullPool>();
}

fn resized<P: AnyPool>() {
    let (run, _) = recorded_with::<P>(
        || P::builder().workers(1..=6),
        |pool| {
            for workers in [1, 6, 2, 5, 1, 4] {
                pool.set_workers(workers).expect("resizes");
                (0..300).for_each(|_| pool.execute(|| compute(30)).expect("accepts"));
                let blocks = pool.submit(|| longshore::blocking(|| compute(2_000)));
                blocks.expect("accepts").join().expect("no panic");
            }
        },
    );
    assert_eq!(ran(&run), 6 * 301);
}

#[test]
fn the_pool_grows_and_shrinks() {
    resized::<Pool>();
    resized::<PullPool>();
}

fn panics<P: AnyPool>() {
    let folder = Folder::new();
    let (saved, path) = (folder.file("panic.lsr"), folder.file("run.lsr"));
    let recorder = Recorder::new().ring_bytes(1 << 20).file(&path).save_on_panic(&saved);
    let pool = P::builder().workers(2).recorder(recorder).build().expect("starts");
    for i in 0..200 {
        let task = move || {
            compute(10);
            if i % 10 == 3 {
                panic::resume_unwind(Box::new("one in ten"));
            }
        };
        if i % 2 == 0 {
            pool.execute(task).expect("accepts");
        } else {
            _ = pool.submit(task).expect("accepts").join();
        }
    }
    pool.shutdown().expect("ends");
    let run = read(&path);
    let panicked = |run: &Run| run.tasks.iter().filter(|task| task.outcome == Outcome::Panicked).count();
    assert_eq!((ran(&run), panicked(&run)), (200, 20));
    assert!(panicked(&read(&saved)) > 0, "the panic is in what was saved because of it");
}

#[test]
fn tasks_panic() {
    panics::<Pool>();
    panics::<PullPool>();
}

fn triggers<P: AnyPool>() {
    let folder = Folder::new();
    let (long, late) = (folder.file("long.lsr"), folder.file("late.lsr"));
    let recorder =
        Recorder::new().save_on_long_task(Duration::from_millis(100), &long).save_on_missed_deadline(&late);
    let pool = P::builder().workers(1).recorder(recorder).build().expect("starts");
    pool.submit(|| compute(100)).expect("accepts").join().expect("no panic");
    assert!(!late.exists());
    pool.task().label("long").submit(|| compute(150_000)).expect("accepts").join().expect("no panic");
    // A worker finds a task whose deadline passes while the worker is busy; or the deadline's thread ends it.
    pool.execute(|| compute(20_000)).expect("accepts");
    pool.task().start_within(Duration::ZERO).execute(|| ()).expect("accepts");
    pool.shutdown().expect("ends");
    wait_until("the long task has saved the recording", || long.exists());
    assert_eq!(ran_as(&read(&long), "long"), 1);
}

#[test]
fn triggers_save_the_recording() {
    triggers::<Pool>();
    triggers::<PullPool>();
}

fn stopped_at_once<P: AnyPool>() {
    let folder = Folder::new();
    let path = folder.file("run.lsr");
    let pool = P::builder().workers(2).recorder(Recorder::new().file(&path)).build().expect("starts");
    (0..500).for_each(|_| pool.execute(|| compute(50)).expect("accepts"));
    pool.shutdown_now().expect("ends");
    let ended = pool.stats().completed;
    assert_eq!(ran(&read(&path)), ended);
    // A pool that is dropped in its own task has no thread that could complete the file but the last.
    let path = folder.file("dropped.lsr");
    let pool =
        Arc::new(P::builder().workers(2).recorder(Recorder::new().file(&path)).build().expect("starts"));
    let own = pool.clone();
    let is_last = Arc::new(AtomicBool::new(false));
    let may_drop = is_last.clone();
    pool.execute(move || {
        while !may_drop.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        drop(own);
    })
    .expect("accepts");
    drop(pool);
    is_last.store(true, Ordering::Release);
    let is_complete = || fs::read(&path).is_ok_and(|bytes| format::Recording::parse(&bytes).is_ok());
    wait_until("the last thread has completed the file", is_complete);
    assert_eq!(ran(&read(&path)), 1);
    _ = PATIENCE;
}

#[test]
fn a_pool_that_ends_early_completes_its_file() {
    stopped_at_once::<Pool>();
    stopped_at_once::<PullPool>();
}

#[test]
fn a_small_ring_says_how_much_is_missing() {
    let folder = Folder::new();
    let path = folder.file("run.lsr");
    let pool = Pool::builder().workers(1).recorder(Recorder::new().ring_bytes(1)).build().expect("starts");
    (0..20_000).for_each(|_| pool.execute(|| ()).expect("accepts"));
    pool.wait_idle().expect("gets idle");
    pool.recording().expect("recorded").save(&path).expect("saved");
    let run = read(&path);
    assert!(run.exactness.lost_words > 0 && ran(&run) > 0, "{:?}", run.exactness);
    assert!(ran(&run) < 20_000);
}

#[test]
fn damage_is_an_error_that_names_the_place() {
    let folder = Folder::new();
    let path = folder.file("run.lsr");
    let pool = Pool::builder().workers(2).recorder(Recorder::new().file(&path)).build().expect("starts");
    (0..200).for_each(|_| pool.execute(|| compute(5)).expect("accepts"));
    pool.shutdown().expect("ends");
    let bytes = fs::read(&path).expect("there");
    for place in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        // The sums of the chunks find all of it, except in the first bytes, which say what it is.
        let read = format::Recording::parse_cut(&damaged);
        let is_found = read.is_err() || read.is_ok_and(|recording| recording.cut_at.is_some());
        assert!(is_found || (8..16).contains(&place), "byte {place}");
        if let Ok(cut) = format::Recording::parse_cut(&bytes[..place]) {
            if let Err(error) = Run::new(&cut) {
                assert!(error.to_string().contains("byte"), "{error}");
            }
        }
    }
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let unknown = Pool::builder().recorder(Recorder::new().file("run.txt")).build();
    let Err(BuildError::Recorder { source: RecordError::UnknownFormat { path } }) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(path.to_str(), Some("run.txt"));
    let nowhere = Pool::builder().recorder(Recorder::new().file("/no/such/folder/run.lsr")).build();
    assert!(nowhere.expect_err("no such folder").to_string().contains("/no/such/folder/run.lsr"));
}
