//! Where the time of each worker went, summed to 100 %.

use super::parked::Sleep;
use crate::run::{Activity, Cpu, Gap, Nanos, Run, Track};

/// What a worker's time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Running tasks.
    Running,
    /// The pool's own work.
    Own,
    /// Searching, and something was found.
    SearchFound,
    /// Searching in vain.
    SearchNothing,
    /// Asleep while tasks waited: the pool's fault.
    Missed,
    /// Asleep with nothing to do: too little parallelism.
    Idle,
    /// A task waits for another, most of all in a join for a half that another worker took.
    Wait,
    /// A task blocks, with a word to the pool or without.
    Block,
    /// The kernel gave the processor to another thread.
    Kernel,
}

/// All classes, in the order of the reports.
pub const CLASSES: [Class; 9] = [
    Class::Running,
    Class::Own,
    Class::SearchFound,
    Class::SearchNothing,
    Class::Missed,
    Class::Idle,
    Class::Wait,
    Class::Block,
    Class::Kernel,
];

impl Class {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Running => "running tasks",
            Class::Own => "the pool's own work",
            Class::SearchFound => "searching, found",
            Class::SearchNothing => "searching, nothing",
            Class::Missed => "parked, work waited",
            Class::Idle => "parked, nothing to do",
            Class::Wait => "waiting in a join",
            Class::Block => "blocking",
            Class::Kernel => "taken by the kernel",
        }
    }

    /// A word for narrow tables.
    pub fn short(self) -> &'static str {
        match self {
            Class::Running => "run",
            Class::Own => "pool",
            Class::SearchFound => "found",
            Class::SearchNothing => "vain",
            Class::Missed => "missed",
            Class::Idle => "idle",
            Class::Wait => "join",
            Class::Block => "block",
            Class::Kernel => "kernel",
        }
    }
}

/// Nanoseconds for each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times([Nanos; CLASSES.len()]);

impl Times {
    /// That of a class.
    pub fn get(&self, class: Class) -> Nanos {
        self.0[class as usize]
    }

    /// That of all.
    pub fn sum(&self) -> Nanos {
        self.0.iter().sum()
    }

    /// Its part of all, from 0 to 1.
    pub fn share(&self, class: Class) -> f64 {
        self.get(class) as f64 / self.sum().max(1) as f64
    }

    /// Both together.
    pub fn plus(mut self, other: &Times) -> Times {
        self.0.iter_mut().zip(other.0).for_each(|(sum, time)| *sum += time);
        self
    }

    fn add(&mut self, class: Class, time: Nanos) {
        self.0[class as usize] += time;
    }

    /// Says of some time that it was another class.
    fn shift(&mut self, from: Class, to: Class, time: Nanos) -> Nanos {
        let time = time.min(self.get(from));
        self.0[from as usize] -= time;
        self.0[to as usize] += time;
        time
    }
}

/// Where the time of a worker went.
#[derive(Debug, Clone, Copy)]
pub struct WorkerTimes {
    /// Its track, a place in [`Run::tracks`].
    pub track: u32,
    /// Its times. They add up to the time for which it was there, except while the pool was paused or the
    /// worker was leased.
    pub times: Times,
}

/// Processor time that is missing for less than this is a matter of two clocks.
const CLOCK_NOISE: Nanos = 10_000;

/// The times of all workers in a window.
pub fn worker_times(run: &Run, sleeps: &[Sleep], window: (Nanos, Nanos)) -> Vec<WorkerTimes> {
    let mut all: Vec<Times> = vec![Times::default(); run.tracks.len()];
    let mut tasks = vec![0u64; run.tracks.len()];
    for (i, task) in run.tasks.iter().enumerate() {
        let own: Nanos = if task.fragments.1 == 0 {
            clipped(task.begin, task.end, window)
        } else {
            run.fragments_of(i as u32).map(|(begin, end)| clipped(begin, end, window)).sum()
        };
        // To find out that a task has expired, and to discard it, is no work of the program.
        let class = if task.has_run() { Class::Running } else { Class::Own };
        all[task.track as usize].add(class, own);
        tasks[task.track as usize] += 1;
    }
    for (times, track) in all.iter_mut().zip(&run.tracks) {
        for gap in &track.gaps {
            if let Some(class) = class_of(gap) {
                times.add(class, clipped(gap.begin, gap.end, window));
            }
        }
    }
    for sleep in sleeps {
        let time = clipped(sleep.begin, sleep.end, window);
        all[sleep.track as usize].shift(Class::Idle, Class::Missed, time);
    }
    let overhead: f64 = run.pool.get("task_overhead_ns").and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let mut found = Vec::new();
    for (i, track) in run.workers() {
        let times = &mut all[i];
        times.shift(Class::Running, Class::Own, (overhead.clamp(0.0, 1e6) * tasks[i] as f64) as Nanos);
        for sample in &track.cpu {
            take_away(times, track, sample, window);
        }
        found.push(WorkerTimes { track: i as u32, times: *times });
    }
    found
}

fn clipped(begin: Nanos, end: Nanos, window: (Nanos, Nanos)) -> Nanos {
    end.min(window.1).saturating_sub(begin.max(window.0))
}

fn class_of(gap: &Gap) -> Option<Class> {
    match gap.activity {
        Activity::Own => Some(Class::Own),
        Activity::SearchFound => Some(Class::SearchFound),
        Activity::SearchNothing => Some(Class::SearchNothing),
        Activity::Parked => Some(Class::Idle),
        Activity::Wait => Some(Class::Wait),
        Activity::Block => Some(Class::Block),
        Activity::Away | Activity::Gone => None,
    }
}

/// The time between two samples in which the thread wanted to run and did not.
pub fn missing(track: &Track, sample: &Cpu) -> Nanos {
    let first = track.gaps.partition_point(|gap| gap.end <= sample.begin);
    let gaps = track.gaps[first..].iter().take_while(|gap| gap.begin < sample.end);
    let is_asleep = |gap: &&Gap| {
        // A wait may spin or sleep, which no record tells.
        matches!(
            gap.activity,
            Activity::Parked | Activity::Away | Activity::Gone | Activity::Block | Activity::Wait
        )
    };
    let asleep: Nanos =
        gaps.filter(is_asleep).map(|gap| clipped(gap.begin, gap.end, (sample.begin, sample.end))).sum();
    let missing = (sample.end - sample.begin).saturating_sub(asleep).saturating_sub(sample.used);
    if missing < CLOCK_NOISE { 0 } else { missing }
}

/// As [`missing`], of a window: as much of it as of the time between the two samples.
pub fn missing_within(track: &Track, sample: &Cpu, window: (Nanos, Nanos)) -> Nanos {
    let (length, inside) = (sample.end - sample.begin, clipped(sample.begin, sample.end, window));
    let missing = if inside == 0 { 0 } else { missing(track, sample) };
    (missing as f64 * inside as f64 / length.max(1) as f64) as Nanos
}

/// Whether the thread did not run because a task blocked, rather than because the kernel ran another thread.
///
/// The thread gives the processor up once for each sleep that is recorded. What is beyond that was a task. It
/// decides if it happened more often than the kernel took the processor away.
pub fn is_blocked(track: &Track, sample: &Cpu) -> bool {
    let first = track.gaps.partition_point(|gap| gap.end <= sample.begin);
    let gaps = track.gaps[first..].iter().take_while(|gap| gap.begin < sample.end);
    let sleeps = gaps.filter(|gap| matches!(gap.activity, Activity::Parked | Activity::Away)).count();
    let blocked = sample.voluntary.saturating_sub(u32::try_from(sleeps).unwrap_or(u32::MAX));
    blocked > sample.involuntary
}

fn take_away(times: &mut Times, track: &Track, sample: &Cpu, window: (Nanos, Nanos)) {
    let missing = missing_within(track, sample, window);
    if missing == 0 {
        return;
    }
    let to = if is_blocked(track, sample) { Class::Block } else { Class::Kernel };
    let mut left = missing;
    for from in [Class::Running, Class::Own, Class::SearchNothing, Class::SearchFound] {
        left -= times.shift(from, to, left);
    }
}
