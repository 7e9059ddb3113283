//! Each red flag is raised by a run that deserves it, in these words, and by no healthy one.

use longshore_trace::analysis::{Analysis, FlagKind};
use longshore_trace::format::Facts;
use longshore_trace::record::{Outcome, Place, Rest, Source, WaitFor, Wake};
use longshore_trace::recorder::{Manual, Precision, Recorder, Settings, Track};

use crate::support::{Costs, Pool, Script, Step, fib, leaf, pipeline, read, script};

fn flags(workers: usize, submit: u64, scripts: &[std::rc::Rc<Script>]) -> Vec<(FlagKind, String)> {
    flags_with(workers, Costs { submit, ..Costs::default() }, scripts)
}

fn flags_with(workers: usize, costs: Costs, scripts: &[std::rc::Rc<Script>]) -> Vec<(FlagKind, String)> {
    let costs = Costs { ring_bytes: 1 << 23, ..costs };
    of(&Pool::new(workers, costs).run_all(scripts))
}

fn of(recording: &[u8]) -> Vec<(FlagKind, String)> {
    let run = read(recording);
    Analysis::new(&run).flags.into_iter().map(|flag| (flag.kind, flag.text)).collect()
}

fn kinds(flags: &[(FlagKind, String)]) -> Vec<FlagKind> {
    flags.iter().map(|(kind, _)| *kind).collect()
}

fn leaves(count: usize, nanos: u64) -> Vec<std::rc::Rc<Script>> {
    (0..count).map(|_| leaf("leaf", nanos)).collect()
}

/// A recording whose every record a test writes: a nanosecond a tick, times from the begin of the run.
struct Hand {
    recorder: Recorder,
}

impl Hand {
    fn new() -> Hand {
        let settings = Settings { precision: Precision::Exact, ..Settings::default() };
        let recorder = Recorder::new(Facts::new(), settings).expect("no file");
        recorder.set_clock(&[(0, 0), (1_000_000, 1_000_000)]);
        Hand { recorder }
    }

    fn worker(&self, index: usize) -> Track<Manual> {
        let track = self.recorder.worker_with(index, Manual::default());
        track.starts(self.recorder.label("hand"), None);
        track
    }

    fn outside(&self) -> Track<Manual> {
        let track = self.recorder.outside_with(Manual::default()).expect("a track is free");
        track.starts(self.recorder.label("main"), None);
        track
    }

    fn recording(&self, stats: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let stats: Facts = stats.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        self.recorder.write(&mut bytes, &stats).expect("memory");
        bytes
    }

    fn flags(&self, stats: &[(&str, &str)]) -> Vec<(FlagKind, String)> {
        of(&self.recording(stats))
    }
}

fn at(track: &Track<Manual>, time: u64) -> &Track<Manual> {
    track.clock().set(time);
    track
}

fn runs(track: &Track<Manual>, source: Source, begin: u64, end: u64, outcome: Outcome) {
    let task = at(track, begin).begin(source);
    at(track, end).end(task, outcome);
}

fn text(flags: &[(FlagKind, String)], kind: FlagKind) -> &str {
    let found = flags.iter().find(|(other, _)| *other == kind);
    &found.unwrap_or_else(|| panic!("{kind:?} is not among {flags:?}")).1
}

#[test]
fn a_producer_that_is_too_slow() {
    let tasks: Vec<_> = (0..400).map(|_| leaf("hash", 10_000)).collect();
    let flags = flags(4, 20_000, &tasks);
    let text = text(&flags, FlagKind::SingleProducer);
    assert!(text.starts_with("a single producer (`main`) cannot feed more than 0.5 workers"), "{text}");
    assert!(text.contains("a task each 20.0 us") && text.ends_with("tasks take 10.0 us"), "{text}");
}

#[test]
fn tasks_that_are_too_small() {
    let tasks: Vec<_> = (0..5_000).map(|_| leaf("", 400)).collect();
    let flags = flags(1, 50, &tasks);
    assert!(text(&flags, FlagKind::TinyTasks).ends_with("ns: use a loop or a batch"), "{flags:?}");
}

#[test]
fn one_task_that_is_most_of_the_run() {
    let mut tasks = vec![leaf("long", 610_000)];
    tasks.extend((0..40).map(|_| leaf("short", 10_000)));
    tasks.push(leaf("last", 1));
    let flags = flags(3, 50, &tasks);
    let text = text(&flags, FlagKind::LongTask);
    assert!(text.starts_with("one task (`long`) is ") && text.ends_with("of the run: 610 us"), "{text}");
}

#[test]
fn waits_that_take_long() {
    // Each level waits for a child that takes most of the time elsewhere.
    let slow = leaf("slow", 900_000);
    let wait = script("parent", vec![Step::Spawn(slow), Step::Work(20_000)]);
    let mut steps = wait.steps.clone();
    steps.push(Step::Sync);
    let parents: Vec<_> = (0..4).map(|_| script("parent", steps.clone())).collect();
    let flags = flags(8, 50, &parents);
    assert!(text(&flags, FlagKind::LongJoins).starts_with("workers wait in joins for "), "{flags:?}");
}

/// Batches of tasks with pauses between them, as of a program that waits for each batch, or for requests.
#[test]
fn a_producer_that_pauses_is_not_slow() {
    for waits_in_pauses in [true, false] {
        for (batch, tasks) in [(100, 2_000), (8, 400)] {
            // A quarter of the time is idle, but never because submissions come too slowly.
            let work = 10_000 * batch as u64 / 4;
            let costs = Costs { submit: 100, batch: (batch, work * 2), waits_in_pauses, ..Costs::default() };
            let flags = flags_with(4, costs, &leaves(tasks, 10_000));
            let kinds = kinds(&flags);
            assert!(!kinds.contains(&FlagKind::SingleProducer), "{batch} {waits_in_pauses}: {flags:?}");
            // Pauses that the pool cannot explain are not want of parallelism either.
            assert!(waits_in_pauses || !kinds.contains(&FlagKind::LittleParallelism), "{batch}: {flags:?}");
        }
    }
}

/// As before, but within its batches the producer is too slow.
#[test]
fn a_producer_that_is_too_slow_between_its_pauses() {
    for waits_in_pauses in [true, false] {
        let costs = Costs { submit: 20_000, batch: (100, 2_000_000), waits_in_pauses, ..Costs::default() };
        let flags = flags_with(4, costs, &leaves(1_000, 10_000));
        let text = text(&flags, FlagKind::SingleProducer);
        assert!(text.contains("cannot feed more than 0.5 workers"), "{text}");
        assert!(text.contains("a task each 20.0 us") && text.ends_with("tasks take 10.0 us"), "{text}");
    }
}

/// It pauses after each single task, to wait for it: nothing tells how fast it could submit.
#[test]
fn a_producer_that_waits_for_each_task_is_not_slow() {
    let costs = Costs { submit: 100, batch: (1, 20_000), waits_in_pauses: true, ..Costs::default() };
    let flags = flags_with(4, costs, &leaves(400, 10_000));
    assert!(!kinds(&flags).contains(&FlagKind::SingleProducer), "{flags:?}");
}

#[test]
fn a_few_equal_tasks_are_not_too_long() {
    for (workers, tasks) in [(4, 4), (2, 4), (2, 2)] {
        let flags = flags(workers, 50, &leaves(tasks, 2_000_000));
        assert!(!kinds(&flags).contains(&FlagKind::LongTask), "{workers} {tasks}: {flags:?}");
    }
}

#[test]
fn small_tasks_in_a_pool_that_sleeps_are_no_matter() {
    let costs = Costs { batch: (50, 2_000_000), ..Costs::default() };
    let flags = flags_with(2, costs, &leaves(2_000, 400));
    assert_eq!(flags, [], "nothing was wrong");
}

/// What a thread does between two batches that it waits for is a serial part of the program.
#[test]
fn a_serial_part_between_batches_is_little_parallelism() {
    let hand = Hand::new();
    let (main, workers) = (hand.outside(), [hand.worker(0), hand.worker(1)]);
    for round in 0..20 {
        let begin = round * 1_000_000;
        at(&main, begin).put(Place::Injector, 0, 2);
        at(&main, begin + 100).waits(WaitFor::Group);
        for worker in &workers {
            at(worker, begin + 200).got(Place::Injector, 0, 1);
            runs(worker, Source::Batch, begin + 300, begin + 100_000, Outcome::Completed);
            worker.searches();
            at(worker, begin + 101_000).parks(Rest::Idle);
            at(worker, begin + 999_000).unparked(Wake::Chosen);
            worker.searches();
        }
        at(&main, begin + 100_100).resumed();
    }
    let flags = hand.flags(&[]);
    let text = text(&flags, FlagKind::LittleParallelism);
    assert!(text.starts_with("parallelism is 0.2, for 2 workers") && text.ends_with("`[main]`"), "{text}");
}

#[test]
fn sleep_while_tasks_wait() {
    // Workers are woken late, again and again.
    let late = Costs { wake: 1_000_000, submit: 1_000, batch: (40, 10_000_000), ..Costs::default() };
    let flags = flags_with(4, late, &leaves(400, 200_000));
    let text = text(&flags, FlagKind::Slept);
    assert!(
        text.starts_with("worker ") && text.contains(" slept ") && text.contains("tasks waited"),
        "{text}"
    );
}

/// Worker 0 works for a millisecond; a task for it alone comes at 0.1 ms.
fn broadcast(is_for_sleeper: bool) -> Vec<(FlagKind, String)> {
    let hand = Hand::new();
    let (main, busy, sleeper) = (hand.outside(), hand.worker(0), hand.worker(1));
    let target = usize::from(is_for_sleeper);
    at(&main, 0).put(Place::Injector, 0, 1);
    at(&main, 100_000).put(Place::Broadcast, target, 1);
    at(&sleeper, 0).searches();
    at(&sleeper, 1_000).parks(Rest::Idle);
    at(&busy, 100).got(Place::Injector, 0, 1);
    runs(&busy, Source::Batch, 200, 1_000_000, Outcome::Completed);
    at(&sleeper, 1_100_000).unparked(Wake::Chosen);
    sleeper.searches();
    let taker = if is_for_sleeper { &sleeper } else { &busy };
    at(taker, 1_200_000).got(Place::Broadcast, target, 1);
    runs(taker, Source::Batch, 1_200_100, 1_250_000, Outcome::Completed);
    hand.flags(&[])
}

#[test]
fn a_task_for_one_worker_is_not_missed_by_another() {
    assert!(!kinds(&broadcast(false)).contains(&FlagKind::Slept), "{:?}", broadcast(false));
    let flags = broadcast(true);
    assert!(
        text(&flags, FlagKind::Slept).starts_with("worker 1 slept 1.00 ms while 1 task waited"),
        "{flags:?}"
    );
}

/// A task of 10 ms of which the thread ran for 5; `sleeps` times it slept before, in the same sample.
fn half_of_the_time(voluntary: u64, involuntary: u64, sleeps: u64) -> Vec<(FlagKind, String)> {
    half_of_the_time_by_hand(voluntary, involuntary, sleeps).flags(&[])
}

fn half_of_the_time_by_hand(voluntary: u64, involuntary: u64, sleeps: u64) -> Hand {
    let hand = Hand::new();
    let (main, worker) = (hand.outside(), hand.worker(0));
    at(&main, 0).put(Place::Injector, 0, 1);
    at(&worker, 0).cpu(0, 0, 0);
    for i in 0..sleeps {
        at(&worker, 1_000 + i * 1_000).parks(Rest::Idle);
        at(&worker, 1_500 + i * 1_000).unparked(Wake::Timeout);
        worker.searches();
    }
    at(&worker, 900_000).got(Place::Injector, 0, 1);
    runs(&worker, Source::Batch, 1_000_000, 11_000_000, Outcome::Completed);
    worker.cpu(6_000_000, voluntary, involuntary);
    hand
}

#[test]
fn the_report_says_whether_work_includes_what_the_kernel_took() {
    for (involuntary, is_said) in [(9, true), (0, false)] {
        let run = read(&half_of_the_time_by_hand(9 - involuntary, involuntary, 0).recording(&[]));
        let report = Analysis::new(&run).report(&run);
        assert_eq!(report.contains("(both include what the kernel took"), is_said, "{report}");
    }
}

#[test]
fn the_kernel_and_hidden_blocking_are_told_apart() {
    let flags = half_of_the_time(0, 9, 0);
    assert!(text(&flags, FlagKind::Kernel).starts_with("the kernel took 4"), "{flags:?}");
    let flags = half_of_the_time(9, 0, 0);
    assert!(text(&flags, FlagKind::HiddenBlocking).starts_with("tasks block for 4"), "{flags:?}");
    let both = |voluntary, involuntary, sleeps| {
        let kinds = kinds(&half_of_the_time(voluntary, involuntary, sleeps));
        (kinds.contains(&FlagKind::Kernel), kinds.contains(&FlagKind::HiddenBlocking))
    };
    assert_eq!(both(500, 1, 0), (false, true), "one interruption does not explain a file that is read");
    assert_eq!(both(3, 2, 3), (true, false), "the worker's own sleeps are not a task that blocks");
    assert_eq!(both(3, 0, 3), (true, false), "nor if the host of a virtual machine took the processor");
}

#[test]
fn panics_and_contradictions() {
    let hand = Hand::new();
    let (main, worker) = (hand.outside(), hand.worker(0));
    at(&main, 0).put(Place::Injector, 0, 2);
    at(&worker, 100).got(Place::Injector, 0, 2);
    runs(&worker, Source::Batch, 200, 1_200, Outcome::Completed);
    runs(&worker, Source::Deque, 1_200, 2_200, Outcome::Panicked);
    assert_eq!(kinds(&hand.flags(&[("ended", "2")])), [FlagKind::Panics]);
    let flags = hand.flags(&[("ended", "3")]);
    assert_eq!(text(&flags, FlagKind::Panics), "1 task panicked");
    let text = text(&flags, FlagKind::Contradiction);
    assert!(text.starts_with("the pool has counted 3 tasks, the recording has 2"), "{text}");
}

#[test]
fn healthy_runs_have_none() {
    let even: Vec<_> = (0..4_000).map(|_| leaf("even", 20_000)).collect();
    for (workers, program) in
        [(1, vec![fib(12, 4_000)]), (4, vec![pipeline(400, [9_000, 30_000, 12_000])]), (4, even)]
    {
        let flags = flags(workers, 50, &program);
        assert!(flags.is_empty(), "{flags:?}");
    }
}
