//! Sleep, told apart: while tasks waited that the sleeper could have run, or with nothing to do.
//!
//! At each moment so many tasks are unserved: those that wait, less the workers that are searching already.
//! As many of the sleepers should be awake, and those that fell asleep last are the ones that the pool would
//! wake. So the sleep of these is the pool's fault, and that of all others is want of parallelism.
//!
//! A task that one worker alone may run is missed by that worker, and by no other.

use crate::run::{Activity, Nanos, Parent, Run};
use crate::sorted;

/// A task that waits for less than this is not missed by a sleeper: to wake one takes longer.
pub const SHORT_WAIT: Nanos = 5_000;

/// A stretch of sleep while tasks waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleep {
    /// The track, a place in [`Run::tracks`].
    pub track: u32,
    /// Its begin.
    pub begin: Nanos,
    /// Its end.
    pub end: Nanos,
    /// The most tasks that waited in that time.
    pub waiting: u32,
}

/// What changes at some time. In this order if at the same time.
#[derive(Debug, Clone, Copy)]
enum Change {
    Begun,
    Awake(u32),
    NotSearching,
    Searching,
    Asleep(u32),
    Submitted,
}

impl Change {
    fn order(self) -> u64 {
        match self {
            Change::Begun => 0,
            Change::Awake(_) => 1,
            Change::NotSearching => 2,
            Change::Searching => 3,
            Change::Asleep(_) => 4,
            Change::Submitted => 5,
        }
    }
}

/// A sleeper.
#[derive(Debug, Clone, Copy)]
struct Sleeper {
    track: u32,
    /// Since when it is missed, and how many tasks waited meanwhile.
    missed: Option<(Nanos, u32)>,
}

/// All stretches of sleep while tasks waited, in the order of their ends.
pub fn sleeps(run: &Run) -> Vec<Sleep> {
    let changes = sorted::by_key(&changes(run), |(time, change)| (*time, change.order()));
    let (mut waiting, mut searching) = (0u32, 0u32);
    let mut sleepers: Vec<Sleeper> = Vec::new();
    let mut found = Vec::new();
    let mut touched = 0; // the topmost so many may have to change
    for (i, (time, change)) in changes.iter().enumerate() {
        match change {
            Change::Submitted => waiting += 1,
            Change::Begun => waiting = waiting.saturating_sub(1),
            Change::Searching => searching += 1,
            Change::NotSearching => searching = searching.saturating_sub(1),
            Change::Asleep(track) => sleepers.push(Sleeper { track: *track, missed: None }),
            Change::Awake(track) => {
                if let Some(place) = sleepers.iter().rposition(|sleeper| sleeper.track == *track) {
                    end(&mut found, sleepers.remove(place), *time);
                }
            }
        }
        if changes.get(i + 1).is_some_and(|next| next.0 == *time) {
            continue;
        }
        let missed = (waiting.saturating_sub(searching) as usize).min(sleepers.len());
        let look_at = touched.max(missed).min(sleepers.len());
        let first = sleepers.len() - look_at;
        for (place, sleeper) in sleepers[first..].iter_mut().enumerate() {
            if place >= look_at - missed {
                let (_, most) = sleeper.missed.get_or_insert((*time, 0));
                *most = waiting.max(*most);
            } else if sleeper.missed.is_some() {
                end(&mut found, *sleeper, *time);
                sleeper.missed = None;
            }
        }
        touched = missed + 1;
    }
    let bound = bound(run);
    if bound.is_empty() {
        return found;
    }
    found.extend(bound);
    merged(&found)
}

/// What is within a window.
pub fn within(sleeps: Vec<Sleep>, (from, to): (Nanos, Nanos)) -> Vec<Sleep> {
    let clipped = |sleep: Sleep| Sleep { begin: sleep.begin.max(from), end: sleep.end.min(to), ..sleep };
    sleeps.into_iter().map(clipped).filter(|sleep| sleep.begin < sleep.end).collect()
}

/// Sleep of workers while a task waited that they alone may run.
fn bound(run: &Run) -> Vec<Sleep> {
    let waited = |task: &&crate::run::Task| {
        task.is_bound && task.parent != Parent::Unknown && task.begin - task.submitted >= SHORT_WAIT
    };
    let missed = |task: &crate::run::Task| {
        let (submitted, begin, track) = (task.submitted, task.begin, task.track);
        let gaps = &run.tracks[track as usize].gaps;
        let first = gaps.partition_point(|gap| gap.end <= submitted);
        let gaps = gaps[first..].iter().take_while(move |gap| gap.begin < begin);
        gaps.filter(|gap| gap.activity == Activity::Parked).map(move |gap| Sleep {
            track,
            begin: gap.begin.max(submitted),
            end: gap.end.min(begin),
            waiting: 1,
        })
    };
    run.tasks.iter().filter(waited).flat_map(missed).filter(|sleep| sleep.begin < sleep.end).collect()
}

/// Sleeps of the same worker that overlap become one.
fn merged(sleeps: &[Sleep]) -> Vec<Sleep> {
    let mut merged: Vec<Sleep> = Vec::with_capacity(sleeps.len());
    for sleep in sorted::by_key(sleeps, |sleep| (u64::from(sleep.track), sleep.begin)) {
        match merged.last_mut().filter(|last| last.track == sleep.track && sleep.begin <= last.end) {
            Some(last) => {
                (last.end, last.waiting) = (last.end.max(sleep.end), last.waiting.max(sleep.waiting));
            }
            None => merged.push(sleep),
        }
    }
    sorted::by_key(&merged, |sleep| (sleep.end, 0))
}

fn end(found: &mut Vec<Sleep>, sleeper: Sleeper, time: Nanos) {
    if let Some((begin, waiting)) = sleeper.missed.filter(|(begin, _)| *begin < time) {
        found.push(Sleep { track: sleeper.track, begin, end: time, waiting });
    }
}

fn changes(run: &Run) -> Vec<(Nanos, Change)> {
    let mut changes = Vec::new();
    for task in &run.tasks {
        let is_queued = task.parent != Parent::Unknown && !task.is_fork() && !task.is_bound;
        if is_queued && task.begin - task.submitted >= SHORT_WAIT {
            changes.push((task.submitted, Change::Submitted));
            changes.push((task.begin, Change::Begun));
        }
    }
    for (i, track) in run.workers() {
        for gap in &track.gaps {
            let (begin, end) = match gap.activity {
                Activity::SearchFound | Activity::SearchNothing => (Change::Searching, Change::NotSearching),
                Activity::Parked => (Change::Asleep(i as u32), Change::Awake(i as u32)),
                _ => continue,
            };
            changes.push((gap.begin, begin));
            changes.push((gap.end, end));
        }
    }
    changes
}
