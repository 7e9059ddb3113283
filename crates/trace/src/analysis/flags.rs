//! Red flags: what is wrong with a run, in words.

use super::producer::{Production, idle_within};
use super::report::{count, number, share, time};
use super::time::Class;
use super::{Analysis, time as times};
use crate::run::{Nanos, Outcome, Parent, Run, Source};

/// What kind of flag. The name is what `longshore-trace check --ignore` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlagKind {
    /// Records are missing, so all other statements are about a part.
    Incomplete,
    /// A worker slept while tasks waited.
    Slept,
    /// One task is a large part of the run.
    LongTask,
    /// Tasks are so small that the pool's own work counts.
    TinyTasks,
    /// One thread submits all tasks, and more slowly than the workers run them.
    SingleProducer,
    /// The longest chain leaves workers idle.
    LittleParallelism,
    /// The kernel ran something else.
    Kernel,
    /// Tasks block without saying so.
    HiddenBlocking,
    /// Tasks wait for others for a large part of the time.
    LongJoins,
    /// Tasks panicked.
    Panics,
    /// The recording contradicts the pool's own statistics.
    Contradiction,
}

impl FlagKind {
    /// All of them.
    pub const ALL: [FlagKind; 11] = [
        FlagKind::Incomplete,
        FlagKind::Slept,
        FlagKind::LongTask,
        FlagKind::TinyTasks,
        FlagKind::SingleProducer,
        FlagKind::LittleParallelism,
        FlagKind::Kernel,
        FlagKind::HiddenBlocking,
        FlagKind::LongJoins,
        FlagKind::Panics,
        FlagKind::Contradiction,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            FlagKind::Incomplete => "incomplete",
            FlagKind::Slept => "slept",
            FlagKind::LongTask => "long-task",
            FlagKind::TinyTasks => "tiny-tasks",
            FlagKind::SingleProducer => "single-producer",
            FlagKind::LittleParallelism => "little-parallelism",
            FlagKind::Kernel => "kernel",
            FlagKind::HiddenBlocking => "hidden-blocking",
            FlagKind::LongJoins => "long-joins",
            FlagKind::Panics => "panics",
            FlagKind::Contradiction => "contradiction",
        }
    }
}

/// A red flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its kind.
    pub kind: FlagKind,
    /// A sentence.
    pub text: String,
    /// When to look, if there is a place to look at.
    pub at: Option<(Nanos, Nanos)>,
}

/// A worker that slept for less than this part of the run while tasks waited is not worth a word.
const MOST_SLEPT: f64 = 0.03;
/// Nor is one that slept for less than this.
const LEAST_SLEPT: Nanos = 200_000;
/// A task longer than this part of the run is long.
const LONG_TASK: f64 = 0.25;
/// Tasks that take less than this on average are tiny.
const TINY: Nanos = 1_000;
/// But only if there are so many.
const MANY: u64 = 1_000;
/// From fewer submissions nothing can be said of a producer.
const FEW_SUBMISSIONS: u64 = 64;
/// The kernel, blocking, and joins are worth a word above these parts of the time.
const MUCH: f64 = 0.05;
const MUCH_JOINS: f64 = 0.2;

/// All flags of a run.
pub fn flags(run: &Run, analysis: &Analysis) -> Vec<Flag> {
    let checks = [
        incomplete,
        slept,
        long_task,
        tiny_tasks,
        single_producer,
        little_parallelism,
        kernel,
        hidden_blocking,
        long_joins,
        panics,
        contradiction,
    ];
    checks.iter().flat_map(|check| check(run, analysis)).collect()
}

fn flag(kind: FlagKind, text: String) -> Option<Flag> {
    Some(Flag { kind, text, at: None })
}

fn incomplete(run: &Run, _: &Analysis) -> Option<Flag> {
    let exactness = &run.exactness;
    let notes = run.notes.join("; ");
    if exactness.lost_words > 0 {
        let tail = if notes.is_empty() { String::new() } else { format!(" ({notes})") };
        let lost = number(exactness.lost_words);
        let text = format!("{lost} records were overwritten or lost: what follows is about the rest{tail}");
        return flag(FlagKind::Incomplete, text);
    }
    if notes.is_empty() { None } else { flag(FlagKind::Incomplete, notes) }
}

fn slept(run: &Run, analysis: &Analysis) -> Option<Flag> {
    let worst = analysis.times.iter().max_by_key(|worker| worker.times.get(Class::Missed))?;
    let slept = worst.times.get(Class::Missed);
    let missed = analysis.total.get(Class::Missed) as f64 / analysis.total.sum().max(1) as f64;
    if slept < LEAST_SLEPT || (slept as f64) < MOST_SLEPT * analysis.length() as f64 {
        return None;
    }
    let own = analysis.sleeps.iter().filter(|sleep| sleep.track == worst.track);
    let most = own.clone().map(|sleep| sleep.waiting).max().unwrap_or(0);
    let longest = own.max_by_key(|sleep| sleep.end - sleep.begin)?;
    let track = &run.tracks[worst.track as usize];
    let text = format!(
        "worker {} slept {} while {} waited; of all workers' time that is {}",
        track.worker().unwrap_or(0),
        time(slept),
        count(u64::from(most), "task"),
        share(missed),
    );
    Some(Flag { kind: FlagKind::Slept, text, at: Some((longest.begin, longest.end)) })
}

fn long_task(run: &Run, analysis: &Analysis) -> Option<Flag> {
    // What a thread from outside does while it leases a worker is no task.
    let mut tasks = analysis.slowest.iter().map(|task| &run.tasks[*task as usize]);
    let task = tasks.find(|task| task.source != Source::Lease)?;
    let part = task.own as f64 / analysis.length().max(1) as f64;
    // What forks is no obstacle: others could have taken a part.
    if part < LONG_TASK || analysis.workers < 1.5 || analysis.tasks < 2 || task.forks > 0 {
        return None;
    }
    // While it ran, others must have had too little to do. Equal tasks, one or two for each worker, are long
    // as well, and nothing is wrong with them.
    let idle = idle_within(run, &analysis.sleeps, &[(task.begin, task.end)]);
    if (idle as f64) < MUCH * analysis.total.sum() as f64 {
        return None;
    }
    let label = run.label(task.label);
    let name = if label.is_empty() { String::new() } else { format!(" (`{label}`)") };
    let text = format!("one task{name} is {} of the run: {}", share(part), time(task.own));
    Some(Flag { kind: FlagKind::LongTask, text, at: Some((task.begin, task.end)) })
}

fn tiny_tasks(_: &Run, analysis: &Analysis) -> Option<Flag> {
    let mean = analysis.span.work / analysis.tasks.max(1);
    // A pool that sleeps most of the time does not care.
    let busy = analysis.total.share(Class::Running) + analysis.total.share(Class::Own);
    if mean >= TINY || analysis.tasks < MANY || busy < MUCH {
        return None;
    }
    flag(FlagKind::TinyTasks, format!("tasks average {}: use a loop or a batch", time(mean)))
}

fn single_producer(run: &Run, analysis: &Analysis) -> Option<Flag> {
    let production = Production::measure(run)?;
    let producer = &run.tracks[production.track];
    let tasks = run.tasks.iter().filter(|task| task.has_run() && !task.is_fork()).count() as f64;
    if (producer.submitted as f64) < 0.9 * tasks || production.submitted < FEW_SUBMISSIONS {
        return None;
    }
    let between = production.time() as f64 / production.submitted as f64;
    let mean = analysis.span.work as f64 / tasks.max(1.0);
    let feeds = mean / between.max(1.0);
    // It has to have been what the workers waited for. In its pauses they do not wait for a slow producer.
    let idle = idle_within(run, &analysis.sleeps, &production.stretches) as f64;
    let idle = idle / analysis.total.sum().max(1) as f64;
    if feeds > analysis.workers * 1.1 || idle < MUCH || analysis.workers < 1.5 {
        return None;
    }
    let workers = if feeds >= 2.0 { format!("{feeds:.0} workers") } else { format!("{feeds:.1} workers") };
    let text = format!(
        "a single producer (`{}`) cannot feed more than {workers}: it submits a task each {}, and tasks take {}",
        producer.name,
        time(between as u64),
        time(mean as u64),
    );
    Some(Flag { kind: FlagKind::SingleProducer, text, at: Some(producer.submitting) })
}

fn little_parallelism(run: &Run, analysis: &Analysis) -> Option<Flag> {
    let parallelism = analysis.span.parallelism();
    if parallelism >= analysis.workers || analysis.workers < 1.5 || analysis.total.share(Class::Idle) < MUCH {
        return None;
    }
    // Pauses in which nothing was submitted are in the chain: the pool could not have been faster. But they
    // are no fault of the program's structure. What is left has to have too little parallelism as well.
    let pauses = Production::measure(run).unwrap_or_default();
    let name = run.tracks.get(pauses.track).map_or(String::new(), |track| format!("[{}]", track.name));
    let by_thread = analysis.span.path.iter().find(|part| part.label == name).map_or(0, |part| part.time);
    let paused = pauses.pauses.iter().map(|(from, to)| to - from).sum::<Nanos>().min(by_thread);
    let without = analysis.span.work as f64 / (analysis.span.span - paused).max(1) as f64;
    let idle = analysis.total.get(Class::Idle) + analysis.total.get(Class::SearchNothing);
    let idle = idle.saturating_sub(idle_within(run, &analysis.sleeps, &pauses.pauses));
    if paused > 0 && (without >= analysis.workers || (idle as f64) < MUCH * analysis.total.sum() as f64) {
        return None;
    }
    let most = analysis.span.path.first().map(|part| part.label.as_str()).filter(|label| !label.is_empty());
    let part = share(analysis.span.span as f64 / analysis.length().max(1) as f64);
    let of = most.map_or(String::new(), |label| format!(", most of it `{label}`"));
    let workers = analysis.workers.round();
    flag(
        FlagKind::LittleParallelism,
        format!(
            "parallelism is {parallelism:.1}, for {workers} workers: the longest chain is {part} of the run{of}"
        ),
    )
}

fn kernel(_: &Run, analysis: &Analysis) -> Option<Flag> {
    let part = analysis.total.share(Class::Kernel);
    let text = format!("the kernel took {} of the workers' time for other threads", share(part));
    (part >= MUCH).then_some(Flag { kind: FlagKind::Kernel, text, at: None })
}

fn hidden_blocking(run: &Run, analysis: &Analysis) -> Option<Flag> {
    let hidden: Nanos = run
        .workers()
        .flat_map(|(_, track)| track.cpu.iter().map(move |sample| (track, sample)))
        .filter(|(track, sample)| times::is_blocked(track, sample))
        .map(|(track, sample)| times::missing_within(track, sample, analysis.window))
        .sum();
    let part = hidden as f64 / analysis.total.sum().max(1) as f64;
    let text = format!("tasks block for {} of the time without `longshore::blocking`", share(part));
    (part >= MUCH).then_some(Flag { kind: FlagKind::HiddenBlocking, text, at: None })
}

fn long_joins(_: &Run, analysis: &Analysis) -> Option<Flag> {
    let part = analysis.total.share(Class::Wait);
    let text = format!("workers wait in joins for {} of their time", share(part));
    (part >= MUCH_JOINS).then_some(Flag { kind: FlagKind::LongJoins, text, at: None })
}

fn panics(run: &Run, _: &Analysis) -> Option<Flag> {
    let panicked = run.tasks.iter().filter(|task| task.outcome == Outcome::Panicked);
    let first = panicked.clone().min_by_key(|task| task.end)?;
    let text = format!("{} panicked", count(panicked.count() as u64, "task"));
    Some(Flag { kind: FlagKind::Panics, text, at: Some((first.begin, first.end)) })
}

/// Compares with what the pool has counted itself.
fn contradiction(run: &Run, _: &Analysis) -> Option<Flag> {
    if run.exactness.lost_words > 0 || run.part.is_some() {
        return None;
    }
    let ended =
        run.tasks.iter().filter(|task| task.has_run() && !task.is_fork() && !task.is_cut).count() as u64;
    let counted: u64 = run.stats.get("ended")?.parse().ok()?;
    let unknown = run.tasks.iter().filter(|task| task.parent == Parent::Unknown).count();
    let text = format!(
        "the pool has counted {}, the recording has {} ({} of unknown origin)",
        count(counted, "task"),
        number(ended),
        number(unknown as u64),
    );
    (counted != ended).then_some(Flag { kind: FlagKind::Contradiction, text, at: None })
}
