//! What timeline viewers want: for each track, slices that are properly nested.

use crate::analysis::Sleep;
use crate::run::{Activity, Nanos, Outcome, Parent, Run, Source, Task};
use crate::sorted;

/// A stretch of time with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Its begin.
    pub begin: Nanos,
    /// Its end, after its begin.
    pub end: Nanos,
    /// What it is.
    pub what: What,
}

/// What a slice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A task, a place in [`Run::tasks`].
    Task(u32),
    /// What the pool did: a name.
    Pool(&'static str),
}

/// An arrow from the submission of a task to its begin on another track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    /// The track of the parent, and a time at which the parent was there.
    pub from: (u32, Nanos),
    /// The task.
    pub to: u32,
}

/// The slices of a track: outer ones before inner ones, else in the order of time.
pub fn slices(run: &Run, sleeps: &[Sleep], track: u32) -> Vec<Slice> {
    let on_track = |task: &&(usize, &Task)| {
        task.1.track == track && task.1.end > task.1.begin && task.1.outcome != Outcome::Empty
    };
    let tasks = run.tasks.iter().enumerate();
    let mut slices: Vec<Slice> = tasks
        .filter(|task| on_track(&task))
        .map(|(i, task)| Slice { begin: task.begin, end: task.end, what: What::Task(i as u32) })
        .collect();
    let sleeps: Vec<&Sleep> = sleeps.iter().filter(|sleep| sleep.track == track).collect();
    for gap in &run.tracks[track as usize].gaps {
        let name = match gap.activity {
            Activity::Own | Activity::Gone => continue,
            Activity::SearchFound => "search",
            Activity::SearchNothing => "search in vain",
            Activity::Parked => "parked",
            Activity::Away => "paused or leased",
            Activity::Wait => "wait",
            Activity::Block => "block",
        };
        slices.push(Slice { begin: gap.begin, end: gap.end, what: What::Pool(name) });
        if gap.activity == Activity::Parked {
            let first = sleeps.partition_point(|sleep| sleep.end <= gap.begin);
            for sleep in sleeps[first..].iter().take_while(|sleep| sleep.begin < gap.end) {
                let (begin, end) = (sleep.begin.max(gap.begin), sleep.end.min(gap.end));
                slices.push(Slice { begin, end, what: What::Pool("work waits") });
            }
        }
    }
    nested(sorted::by_key(&slices, |slice| (slice.begin, u64::MAX - slice.end)))
}

/// Cuts what sticks out of the slice around it: estimated times may overlap a little.
fn nested(mut slices: Vec<Slice>) -> Vec<Slice> {
    let mut open: Vec<Nanos> = Vec::new();
    for slice in &mut slices {
        while open.last().is_some_and(|end| *end <= slice.begin) {
            open.pop();
        }
        if let Some(end) = open.last() {
            slice.end = slice.end.min(*end);
        }
        open.push(slice.end);
    }
    slices.retain(|slice| slice.end > slice.begin);
    slices
}

/// The arrows of all tasks that were stolen.
pub fn arrows(run: &Run) -> Vec<Arrow> {
    let arrow = |(i, task): (usize, &Task)| {
        task.victim?;
        let Parent::Task(parent) = task.parent else { return None };
        let parent = &run.tasks[parent as usize];
        let time = task.submitted.clamp(parent.begin, parent.end.saturating_sub(1).max(parent.begin));
        let is_told = parent.track != task.track && parent.end > parent.begin && task.end > task.begin;
        is_told.then_some(Arrow { from: (parent.track, time), to: i as u32 })
    };
    run.tasks.iter().enumerate().filter_map(arrow).collect()
}

/// The name of a task in viewers.
pub fn task_name(run: &Run, task: &Task) -> String {
    match run.label(task.label) {
        "" if task.source == Source::Lease => "call from outside".to_owned(),
        "" if task.is_fork() => "fork".to_owned(),
        "" => "task".to_owned(),
        label => label.to_owned(),
    }
}
