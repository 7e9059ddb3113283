//! The recorder: rings that are overwritten, files that grow, disks that are full, threads that come and go.

use std::fs;
use std::io::{self, Write};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use longshore_trace::analysis::{Analysis, FlagKind};
use longshore_trace::format::{Facts, Recording};
use longshore_trace::record::{MAX_DELTA, Outcome, Place, Rest, Source, WaitFor, Wake};
use longshore_trace::recorder::{MOST_OUTSIDE, Manual, Precision, Recorder, Settings, Track};
use longshore_trace::run::{Activity, Parent, Run};

use crate::support::{Costs, Pool, half_serial, read, skynet};

fn recorder(settings: Settings) -> Recorder {
    Recorder::new(Facts::new(), settings).expect("no file, or one in a folder that is there")
}

fn run_of(recorder: &Recorder) -> Run {
    let mut bytes = Vec::new();
    recorder.write(&mut bytes, &Facts::new()).expect("memory");
    read(&bytes)
}

/// A track with a clock of the test's, a nanosecond a tick.
fn track(recorder: &Recorder) -> Track<Manual> {
    recorder.set_clock(&[(0, 0), (1_000_000, 1_000_000)]);
    recorder.worker_with(0, Manual::default())
}

fn run_task(track: &Track<Manual>, time: &mut u64, length: u64) {
    let task = track.begin(Source::Deque);
    *time += length;
    track.clock().set(*time);
    track.end(task, Outcome::Completed);
}

#[test]
fn a_ring_keeps_the_last_tasks_and_says_how_much_is_missing() {
    let recorder = recorder(Settings { ring_bytes: 16 << 10, precision: Precision::Exact, file: None });
    let track = track(&recorder);
    let mut time = 0;
    for _ in 0..100_000 {
        run_task(&track, &mut time, 1_000);
    }
    let run = run_of(&recorder);
    let tasks = run.tasks.len() as u64;
    assert!((1_000..2_048).contains(&tasks), "{tasks}");
    assert!(run.tracks[0].lost_words >= 100_000 - tasks - 1);
    assert_eq!(run.tasks.last().unwrap().number, 99_999, "tasks are counted from the first that ever ran");
    assert!(run.tasks.iter().all(|task| task.own == 1_000));
    assert_eq!(Analysis::new(&run).flags[0].kind, FlagKind::Incomplete);
}

/// The growing file does not have the last word of a track before that is final.
#[test]
fn submissions_are_counted_while_the_file_grows() {
    let path = std::env::temp_dir().join(format!("longshore-grows-{}.lsr", std::process::id()));
    let recorder = recorder(Settings { file: Some(path.clone()), ..Settings::default() });
    let busy = track(&recorder);
    let producer = recorder.outside().expect("a track is free");
    let mut time = 0;
    for round in 0..20 {
        (0..50).for_each(|n| producer.submitted(1, 64 * round + n));
        let before = fs::metadata(&path).expect("it is there").len();
        let deadline = Instant::now() + Duration::from_secs(60);
        // Other tracks have the file written.
        while fs::metadata(&path).expect("it is there").len() == before {
            assert!(Instant::now() < deadline, "the file does not grow");
            (0..600).for_each(|_| run_task(&busy, &mut time, 1_000));
        }
        (50..64).for_each(|n| producer.submitted(1, 64 * round + n));
    }
    recorder.finish(&Facts::new()).expect("room");
    let run = read(&fs::read(&path).expect("it is there"));
    assert_eq!(run.tracks[1].submitted, 20 * 64);
    _ = fs::remove_file(path);
}

#[test]
fn long_times_are_kept() {
    let recorder = recorder(Settings { precision: Precision::Exact, ..Settings::default() });
    let track = track(&recorder);
    let mut time = 0;
    let lengths = [5, MAX_DELTA - 1, MAX_DELTA, MAX_DELTA + 1, 3 * MAX_DELTA + 77, 1 << 40];
    for length in lengths {
        run_task(&track, &mut time, length);
    }
    let run = run_of(&recorder);
    assert_eq!(run.tasks.iter().map(|task| task.own).collect::<Vec<_>>(), lengths);
}

#[test]
fn small_tasks_share_looks_at_the_clock_and_large_ones_do_not() {
    for (length, is_shared) in [(100, true), (1_000_000, false)] {
        let recorder = recorder(Settings::default());
        let track = track(&recorder);
        let mut time = 0;
        for _ in 0..1_000 {
            run_task(&track, &mut time, length);
        }
        track.searches();
        let run = run_of(&recorder);
        let shared = run.exactness.shared_times;
        assert_eq!(shared > 800, is_shared, "{shared}");
        assert_eq!(run.tasks.iter().map(|task| task.own).sum::<u64>(), 1_000 * length);
        // Eight bytes a task.
        assert!(run.tasks.len() == 1_000);
    }
}

#[test]
fn a_long_task_among_small_ones_keeps_its_length() {
    let recorder = recorder(Settings::default());
    let track = track(&recorder);
    let mut time = 0;
    for i in 0..1_000 {
        run_task(&track, &mut time, if i == 900 { 5_000_000 } else { 100 });
    }
    track.searches();
    let longest = run_of(&recorder).tasks.iter().map(|task| task.own).max().unwrap();
    assert!((4_990_000..=5_001_000).contains(&longest), "{longest}");
}

#[test]
fn what_a_worker_does_without_a_task_is_told_apart() {
    let recorder = recorder(Settings::default());
    let track = track(&recorder);
    let at = |time: u64| track.clock().set(time);
    track.searches();
    at(100);
    track.got(Place::Injector, 0, 1);
    let task = track.begin(Source::Batch);
    at(300);
    track.waits(WaitFor::Handle);
    at(700);
    track.resumed();
    at(800);
    track.blocks();
    at(1_500);
    track.unblocked();
    track.end(task, Outcome::Panicked);
    at(1_510);
    track.searches();
    at(1_600);
    track.parks(Rest::Idle);
    at(2_600);
    track.unparked(Wake::Chosen);
    track.searches();
    at(2_650);
    track.parks(Rest::Paused);
    at(2_700);
    track.unparked(Wake::Goal);
    track.exits(false);
    let run = run_of(&recorder);
    let of = |activity: Activity| {
        run.tracks[0]
            .gaps
            .iter()
            .filter(|gap| gap.activity == activity)
            .map(|gap| gap.end - gap.begin)
            .sum::<u64>()
    };
    assert_eq!(of(Activity::SearchFound), 100);
    assert_eq!(of(Activity::Wait), 400);
    assert_eq!(of(Activity::Block), 700);
    assert_eq!(of(Activity::Own), 10);
    assert_eq!(of(Activity::SearchNothing), 140);
    assert_eq!((of(Activity::Parked), of(Activity::Away)), (1_000, 50));
    assert_eq!((run.tasks.len(), run.tasks[0].own, run.tasks[0].outcome), (1, 300, Outcome::Panicked));
    assert_eq!(run.waits.len(), 1);
    let flags = Analysis::new(&run).flags;
    assert!(flags.iter().any(|flag| flag.text == "1 task panicked"), "{flags:?}");
}

#[test]
fn sleep_while_tasks_wait_is_the_pools_fault() {
    let recorder = recorder(Settings::default());
    let sleeper = track(&recorder);
    let busy = recorder.worker_with(1, Manual::default());
    let outside = recorder.outside_with(Manual::default()).unwrap();
    sleeper.parks(Rest::Idle);
    for i in 0..4_000 {
        outside.submitted(1, i);
    }
    for taken in 0..400 {
        busy.took(1, taken * 10, 10);
        for i in 0..10 {
            let task = busy.begin(if i == 0 { Source::Batch } else { Source::Deque });
            busy.clock().set((taken * 10 + i + 1) * 10_000);
            busy.end(task, Outcome::Completed);
        }
    }
    sleeper.clock().set(40_000_000);
    sleeper.unparked(Wake::Goal);
    let run = run_of(&recorder);
    let analysis = Analysis::new(&run);
    let flag = analysis.flags.iter().find(|flag| flag.kind == FlagKind::Slept).expect("a flag");
    assert!(flag.text.starts_with("worker 0 slept 40.0 ms while 3,999 tasks waited"), "{}", flag.text);
    assert!(flag.at.is_some());
}

#[test]
fn processor_time_that_is_missing_was_taken_by_the_kernel_or_blocks() {
    use longshore_trace::analysis::Class;
    for (voluntary, involuntary, class, kind) in
        [(0, 3, Class::Kernel, FlagKind::Kernel), (2, 0, Class::Block, FlagKind::HiddenBlocking)]
    {
        let recorder = recorder(Settings::default());
        let track = track(&recorder);
        let mut time = 0;
        track.cpu(0, 0, 0);
        for _ in 0..10 {
            run_task(&track, &mut time, 1_000_000);
        }
        track.cpu(7_000_000, voluntary, involuntary);
        let run = run_of(&recorder);
        let analysis = Analysis::new(&run);
        assert_eq!((analysis.total.get(class), analysis.total.get(Class::Running)), (3_000_000, 7_000_000));
        assert!(analysis.flags.iter().any(|flag| flag.kind == kind), "{:?}", analysis.flags);
    }
}

#[test]
fn a_growing_file_holds_everything_that_threads_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lsr");
    // Larger than what the threads write at a time: nothing is lost however late the writer is.
    let recorder =
        recorder(Settings { ring_bytes: 1 << 20, precision: Precision::Adaptive, file: Some(path.clone()) });
    let (threads, tasks) = (3, 50_000);
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        for index in 0..threads {
            let (recorder, barrier) = (&recorder, &barrier);
            scope.spawn(move || {
                let track = recorder.worker(index);
                track.starts(recorder.label(&format!("worker-{index}")), None);
                barrier.wait();
                for _ in 0..tasks {
                    let task = track.begin(Source::Deque);
                    track.end(task, Outcome::Completed);
                }
                track.exits(false);
            });
        }
    });
    recorder.finish(&Facts::from([("ended".to_owned(), (threads * tasks).to_string())])).unwrap();
    let run = Run::new(&Recording::read(&path).unwrap()).unwrap();
    assert_eq!(run.tasks.len(), threads * tasks);
    assert_eq!(run.exactness.lost_words, 0);
    assert_eq!(run.stats["ended"], "150000");
    let mut names: Vec<&str> = run.tracks.iter().map(|track| track.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["worker-0", "worker-1", "worker-2"]);
    assert!(!Analysis::new(&run).flags.iter().any(|flag| flag.kind == FlagKind::Contradiction));
}

#[test]
fn a_file_of_a_ring_that_was_overwritten_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lsr");
    let recorder =
        recorder(Settings { ring_bytes: 1, precision: Precision::Exact, file: Some(path.clone()) });
    let track = recorder.worker(0);
    for _ in 0..2_000_000 {
        let task = track.begin(Source::Deque);
        track.end(task, Outcome::Completed);
    }
    recorder.finish(&Facts::new()).unwrap();
    let run = Run::new(&Recording::read(&path).unwrap()).unwrap();
    // How much is lost depends on the machine, but every word is either there or counted: a block of 512
    // holds 508 records.
    let (tasks, lost) = (
        run.tasks.iter().filter(|task| task.has_run() && !task.is_cut).count() as u64,
        run.exactness.lost_words,
    );
    assert!(tasks <= 2_000_000 && tasks + lost + 2 >= 2_000_000, "{tasks} + {lost}");
    assert_eq!(run.tasks.iter().map(|task| task.number).max(), Some(1_999_999));
}

/// A disk that takes so many bytes.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_and_never_a_panic() {
    let recorder = recorder(Settings::default());
    let track = track(&recorder);
    let mut time = 0;
    (0..500).for_each(|_| run_task(&track, &mut time, 1_000));
    let mut size = 0;
    while let Err(error) = recorder.write(Small(size), &Facts::new()) {
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        size += 97;
    }
    assert!(size > 4_000);
    let error = recorder.write_to("/nowhere/run.lsr".as_ref(), &Facts::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// `/dev/full` takes nothing: the run goes on, and the message says from when on records are missing.
#[test]
#[cfg(target_os = "linux")]
fn a_growing_file_on_a_full_disk_says_what_is_missing() {
    let full =
        Recorder::new(Facts::new(), Settings { file: Some("/dev/full".into()), ..Settings::default() });
    assert_eq!(
        full.unwrap_err().kind(),
        io::ErrorKind::StorageFull,
        "said at once if nothing can be written"
    );
    // A small file system cannot be had without rights, but a limit for the size of files can, in a process
    // of its own: see `process_disk.rs`.
}

#[test]
fn threads_from_outside_have_tracks_until_there_are_too_many() {
    let recorder = recorder(Settings { ring_bytes: 1, ..Settings::default() });
    let tracks: Vec<_> = std::iter::from_fn(|| recorder.outside()).take(5_000).collect();
    assert_eq!(tracks.len(), MOST_OUTSIDE);
    assert!(recorder.outside().is_none());
    drop(tracks);
    // Threads that come and go use the tracks again.
    (0..100).for_each(|_| assert!(recorder.outside().is_some()));
    let run = run_of(&recorder);
    assert_eq!(run.tracks.len(), MOST_OUTSIDE);
    assert!(run.notes[0].contains("threads that submitted tasks were not recorded"), "{:?}", run.notes);
}

#[test]
fn a_worker_that_comes_back_goes_on_with_its_track() {
    let recorder = recorder(Settings::default());
    let mut time = 0;
    for _ in 0..3 {
        let track = recorder.worker_with(0, Manual::default());
        recorder.set_clock(&[(0, 0), (1_000, 1_000)]);
        track.clock().set(time);
        track.starts(0, None);
        run_task(&track, &mut time, 40);
        track.exits(true);
        time += 100;
    }
    let run = run_of(&recorder);
    assert_eq!(run.tracks.len(), 1);
    assert_eq!(run.tasks.iter().map(|task| task.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(run.tracks[0].gaps.iter().any(|gap| gap.activity == Activity::Gone));
}

#[test]
fn edges_survive_a_ring_that_was_overwritten() {
    let whole = read(&Pool::new(4, Costs::default()).run_one(&skynet(3, 3_000)));
    let part = read(
        &Pool::new(4, Costs { ring_bytes: 4 * 8 * 1024, ..Costs::default() }).run_one(&skynet(3, 3_000)),
    );
    assert!(part.tasks.len() <= whole.tasks.len());
    let long =
        read(&Pool::new(2, Costs { ring_bytes: 1, ..Costs::default() }).run_one(&half_serial(5_000, 2_000)));
    assert!(long.exactness.lost_words > 0);
    let known = long.tasks.iter().filter(|task| matches!(task.parent, Parent::Task(_))).count();
    // The right ones: bodies and the serial task come from the loop, whose own begin is lost.
    for task in &long.tasks {
        if let Parent::Task(parent) = task.parent {
            assert!(
                long.tasks[parent as usize].is_cut || long.label(long.tasks[parent as usize].label) == "loop"
            );
        }
    }
    println!("{known} of {} parents are known", long.tasks.len());
}

#[test]
fn a_part_file_never_replaces_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lsr");
    let recorder = recorder(Settings::default());
    recorder.write_to(&path, &Facts::new()).unwrap();
    recorder.write_to(&path, &Facts::new()).unwrap();
    assert!(Recording::read(&path).is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}
