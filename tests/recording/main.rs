//! Recordings of real pools of both kinds, read back by the analysis: every task is there, the parents are
//! right, the times add up, whatever the pool does meanwhile.

#[path = "../support/mod.rs"]
mod support;

mod known;
mod moments;
mod overhead;
mod parents;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore::{AnyPool, PoolStats, Recorder};
use longshore_trace::analysis::{Analysis, CLASSES, FlagKind};
use longshore_trace::format;
use longshore_trace::run::Run;

/// A directory of one test, removed at its end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("longshore-recording-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Reads a recording back.
#[track_caller]
fn read(path: impl Into<PathBuf>) -> Run {
    let path = path.into();
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let recording = format::Recording::parse(&bytes).expect("whole and undamaged");
    Run::new(&recording).expect("no record contradicts another")
}

/// Records a pool from its start to its end, and checks what holds for every recording.
#[track_caller]
fn recorded<P: AnyPool>(workers: usize, run: impl FnOnce(&P)) -> (Run, Analysis) {
    recorded_with(|| P::builder().workers(workers), run)
}

/// As `recorded`, of a pool with more settings.
#[track_caller]
fn recorded_with<P: AnyPool>(
    builder: impl FnOnce() -> longshore::PoolBuilder<P>,
    run: impl FnOnce(&P),
) -> (Run, Analysis) {
    let folder = Folder::new();
    let path = folder.file("run.lsr");
    // Large rings: on a loaded machine the thread that appends to the file may be late.
    let recorder = Recorder::new().ring_bytes(1 << 22).file(&path);
    let pool = builder().recorder(recorder).build().expect("starts");
    run(&pool);
    pool.shutdown().expect("ends");
    let stats = pool.stats();
    let run = read(&path);
    let analysis = Analysis::new(&run);
    holds(&run, &analysis, &stats);
    (run, analysis)
}

/// What holds for the whole recording of a pool.
#[track_caller]
fn holds(run: &Run, analysis: &Analysis, stats: &PoolStats) {
    assert_eq!(run.exactness.lost_words, 0, "the rings are large");
    let ended = stats.completed + stats.failed + stats.panicked;
    assert_eq!(ran(run), ended, "every task is recorded");
    let flags: Vec<_> = analysis.flags.iter().map(|flag| flag.kind).collect();
    assert!(!flags.contains(&FlagKind::Contradiction), "{:?}", analysis.flags);
    for worker in &analysis.times {
        let track = &run.tracks[worker.track as usize];
        let shares: f64 = CLASSES.iter().map(|class| worker.times.share(*class)).sum();
        assert!(worker.times.sum() == 0 || (shares - 1.0).abs() < 1e-9, "{:?}", track.worker());
        let there = track.end.min(analysis.window.1).saturating_sub(track.begin.max(analysis.window.0));
        assert!(worker.times.sum() <= there, "worker {:?}: {:?} in {there} ns", track.worker(), worker.times);
    }
    let span = &analysis.span;
    assert!(span.span <= span.burdened && span.span <= analysis.length(), "{span:?}");
    assert!(!analysis.report(run).is_empty());
}

/// Tasks that ran, without halves of joins.
fn ran(run: &Run) -> u64 {
    run.tasks.iter().filter(|task| task.has_run() && !task.is_fork()).count() as u64
}

/// How many tasks of a label ran.
fn ran_as(run: &Run, label: &str) -> usize {
    run.tasks.iter().filter(|task| task.has_run() && run.label(task.label) == label).count()
}

/// Computes for so many microseconds.
fn compute(micros: u64) {
    let end = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}
