//! A part of a run: what the report says of a stretch of its time.

use std::fmt;

use super::report::time;
use crate::run::{Awaited, Fragment, Nanos, Parent, Run, Task, Wait};

/// Why there is no such part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartError {
    /// It ends before it begins, or at that time.
    Backwards {
        /// Its begin.
        from: Nanos,
        /// Its end.
        to: Nanos,
    },
    /// A time after the end of the run.
    Outside {
        /// The time.
        time: Nanos,
        /// The length of the run.
        length: Nanos,
    },
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartError::Backwards { from, to } => {
                write!(f, "from {} to {} is no stretch of time", time(*from), time(*to))
            }
            PartError::Outside { time: at, length } => {
                write!(f, "{} is outside of the run, which takes {}", time(*at), time(*length))
            }
        }
    }
}

impl std::error::Error for PartError {}

/// The times of a part, in nanoseconds since the first record, from its begin and end since the begin of the
/// run. Without a begin it is that of the run, without an end likewise. An end that a report would write as
/// it writes the length of the run is the end of the run.
///
/// # Errors
/// If it ends before it begins, or outside of the run.
pub fn part_window(run: &Run, from: Option<Nanos>, to: Option<Nanos>) -> Result<(Nanos, Nanos), PartError> {
    let (begin, end) = run.window();
    let length = end - begin;
    let outside = |time| PartError::Outside { time, length };
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(length));
    let to = if to > length && time(to) == time(length) { length } else { to };
    if from >= length && from > 0 {
        return Err(outside(from));
    }
    if to > length {
        return Err(outside(to));
    }
    if from >= to {
        return Err(PartError::Backwards { from, to });
    }
    Ok((begin + from, begin + to))
}

/// The run within a window of [`part_window`]: its tasks and waits, cut off at the begin and the end. What
/// the tracks did between tasks stays whole. See [`Analysis::of_part`](super::Analysis::of_part).
///
/// A task whose parent ended before has no known parent; one that was submitted before counts from the begin.
pub fn part(run: &Run, window: (Nanos, Nanos)) -> Run {
    let mut part = Run {
        duration: run.duration,
        pool: run.pool.clone(),
        stats: run.stats.clone(),
        notes: run.notes.clone(),
        labels: run.labels.clone(),
        tracks: run.tracks.clone(),
        part: Some(window),
        ..Run::default()
    };
    let mut count = 0;
    let place = |task: &Task| {
        let is_kept = is_within(window, task.begin, task.end);
        count += u32::from(is_kept);
        is_kept.then(|| count - 1)
    };
    let places: Vec<Option<u32>> = run.tasks.iter().map(place).collect();
    for task in (0..run.tasks.len() as u32).filter(|task| places[*task as usize].is_some()) {
        cut_task(run, &mut part, task, window, &places);
    }
    part.waits = run.waits.iter().filter_map(|wait| cut_wait(wait, window, &places)).collect();
    let before = run.waiting.partition_point(|(time, _)| *time <= window.0);
    part.waiting.extend(before.checked_sub(1).map(|last| (window.0, run.waiting[last].1)));
    part.waiting.extend(run.waiting[before..].iter().take_while(|(time, _)| *time < window.1));
    count_again(&mut part);
    part.exactness.contradictions = run.exactness.contradictions;
    part.measure_exactness();
    part
}

fn is_within((from, to): (Nanos, Nanos), begin: Nanos, end: Nanos) -> bool {
    begin < to && (end > from || begin >= from)
}

/// Adds what is left of a task. `places` says where the tasks of the run are in the part.
fn cut_task(run: &Run, part: &mut Run, number: u32, (from, to): (Nanos, Nanos), places: &[Option<u32>]) {
    let clip = |time: Nanos| time.clamp(from, to);
    let task = &run.tasks[number as usize];
    let mut cut = Task { begin: clip(task.begin), end: clip(task.end), ..*task };
    if (cut.begin, cut.end) != (task.begin, task.end) {
        cut.own = run.own_until(number, cut.end) - run.own_until(number, cut.begin);
        cut.forks = (f64::from(task.forks) * cut.own as f64 / task.own.max(1) as f64) as u32;
        cut.is_cut = true;
    }
    if let Parent::Task(parent) = task.parent {
        cut.parent = places[parent as usize].map_or(Parent::Unknown, Parent::Task);
    }
    cut.submitted = if cut.parent == Parent::Unknown { cut.begin } else { clip(task.submitted) };
    cut.is_submission_exact &= cut.submitted == task.submitted;
    if task.fragments.1 > 0 {
        let (first, place) = (part.fragments.len(), part.tasks.len() as u32);
        let fragment = |begin, end| Fragment { task: place, begin: clip(begin), end: clip(end) };
        let within = run.fragments_of(number).filter(|(begin, end)| *begin < to && *end > from);
        part.fragments.extend(within.map(|(begin, end)| fragment(begin, end)));
        if part.fragments.len() == first {
            // It was interrupted for the whole of the time.
            part.fragments.push(fragment(cut.begin, cut.begin));
        }
        cut.fragments = (first as u32, (part.fragments.len() - first) as u32);
    }
    part.tasks.push(cut);
}

/// What is left of a wait, if something is.
fn cut_wait(wait: &Wait, (from, to): (Nanos, Nanos), places: &[Option<u32>]) -> Option<Wait> {
    if !is_within((from, to), wait.begin, wait.end) {
        return None;
    }
    let task = match wait.task {
        Some(task) => Some(places[task as usize]?),
        None => None,
    };
    let on = match wait.on {
        Awaited::Task(task) => places[task as usize].map_or(Awaited::Unknown, Awaited::Task),
        other => other,
    };
    Some(Wait { task, on, begin: wait.begin.clamp(from, to), end: wait.end.clamp(from, to), ..*wait })
}

/// The counts of the tracks, from the tasks that are left.
fn count_again(part: &mut Run) {
    for track in &mut part.tracks {
        (track.submitted, track.submitting) = (0, (0, 0));
        (track.stolen, track.stolen_forks, track.forks) = (0, 0, 0);
    }
    for task in &part.tasks {
        let track = &mut part.tracks[task.track as usize];
        track.forks += u64::from(task.forks);
        if task.victim.is_some() {
            *(if task.is_fork() { &mut track.stolen_forks } else { &mut track.stolen }) += 1;
        }
        if let Parent::Thread(thread) = task.parent {
            let thread = &mut part.tracks[thread as usize];
            let (first, last) = if thread.submitted == 0 { (u64::MAX, 0) } else { thread.submitting };
            thread.submitting = (first.min(task.submitted), last.max(task.submitted));
            thread.submitted += 1;
        }
    }
}
