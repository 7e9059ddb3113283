//! When the thread that submits most tasks was busy with that, and when it paused.
//!
//! The time between two submissions is a *stretch* of production, unless it is a pause. It is a pause if the
//! thread waited in it for the pool (for a batch, a handle, a place in a full pool), or if it is far longer
//! than usual: then the thread waited for something that the pool does not see, such as a channel, a request,
//! or the next tick of a timer. A worker that has nothing to do in a pause does not wait for a producer that
//! is too slow.

use crate::run::{Activity, Nanos, Outcome, Parent, Run};
use crate::sorted;

/// So many times the usual time between two submissions is a pause.
const LONG: u64 = 10;
/// A shorter time is none, however many tasks come in it.
const SHORTEST_PAUSE: Nanos = 10_000;

/// A stretch of time.
pub type Stretch = (Nanos, Nanos);

/// What a thread from outside produces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Production {
    /// Its track, a place in [`Run::tracks`].
    pub track: usize,
    /// When it was busy with submissions, in order.
    pub stretches: Vec<Stretch>,
    /// Tasks that it submitted in these.
    pub submitted: u64,
    /// Pauses in which it did not wait for the pool, in order.
    pub pauses: Vec<Stretch>,
}

impl Production {
    /// That of the thread that has submitted most, if any has.
    pub fn measure(run: &Run) -> Option<Production> {
        let outside = run.tracks.iter().enumerate().filter(|(_, track)| track.submitted > 0);
        let (track, _) = outside.max_by_key(|(_, track)| track.submitted)?;
        let from_it = |task: &&crate::run::Task| {
            task.parent == Parent::Thread(track as u32) && task.outcome != Outcome::Empty
        };
        let times: Vec<Nanos> = run.tasks.iter().filter(from_it).map(|task| task.submitted).collect();
        let waits = run.waits.iter().filter(|wait| wait.task.is_none() && wait.track == track as u32);
        let mut waits: Vec<Stretch> = waits.map(|wait| (wait.begin, wait.end)).collect();
        waits.sort_unstable();
        Some(Production::of(track, &sorted::by_key(&times, |time| (*time, 0)), &waits))
    }

    /// From the times of the submissions and the waits, both in order.
    fn of(track: usize, times: &[Nanos], waits: &[Stretch]) -> Production {
        let instants: Vec<(Nanos, u64)> =
            times.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
        let has_wait = |from: Nanos, to: Nanos| {
            let after = waits.partition_point(|(_, end)| *end <= from);
            waits.get(after).is_some_and(|(begin, _)| *begin < to)
        };
        let between = instants.windows(2).map(|two| (two[0].0, two[1].0, two[1].1));
        let others: Vec<_> = between.filter(|(from, to, _)| !has_wait(*from, *to)).collect();
        let lengths: Vec<Nanos> = others.iter().map(|(from, to, _)| to - from).collect();
        let usual = sorted::median(&lengths).unwrap_or(0);
        let mut production = Production { track, ..Production::default() };
        for (from, to, count) in others {
            if to - from > (LONG * usual).max(SHORTEST_PAUSE) {
                production.pauses.push((from, to));
                continue;
            }
            production.submitted += count;
            match production.stretches.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => production.stretches.push((from, to)),
            }
        }
        production
    }

    /// How long it was busy with submissions.
    pub fn time(&self) -> Nanos {
        self.stretches.iter().map(|(from, to)| to - from).sum()
    }
}

/// For how long, of these stretches, workers had nothing to do: they slept or searched in vain, and no task
/// waited.
pub fn idle_within(run: &Run, sleeps: &[super::Sleep], stretches: &[Stretch]) -> Nanos {
    let idle = |(i, track): (usize, &crate::run::Track)| {
        let has_none = |activity| matches!(activity, Activity::Parked | Activity::SearchNothing);
        let gaps = track.gaps.iter().filter(|gap| has_none(gap.activity));
        let without = overlap(gaps.map(|gap| (gap.begin, gap.end)), stretches);
        let missed = sleeps.iter().filter(|sleep| sleep.track == i as u32);
        without.saturating_sub(overlap(missed.map(|sleep| (sleep.begin, sleep.end)), stretches))
    };
    run.workers().map(idle).sum()
}

/// How much of `parts` is within `stretches`; each in order, and none overlaps another of its kind.
fn overlap(parts: impl Iterator<Item = Stretch>, stretches: &[Stretch]) -> Nanos {
    let (mut sum, mut first) = (0, 0);
    for (begin, end) in parts {
        while stretches.get(first).is_some_and(|(_, to)| *to <= begin) {
            first += 1;
        }
        let within = stretches[first..].iter().take_while(|(from, _)| *from < end);
        sum += within.map(|(from, to)| end.min(*to).saturating_sub(begin.max(*from))).sum::<Nanos>();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_producer_has_no_pause() {
        let times: Vec<Nanos> = (0..100).map(|i| i * 20_000).collect();
        let production = Production::of(0, &times, &[]);
        assert_eq!(production.stretches, [(0, 99 * 20_000)]);
        assert_eq!((production.submitted, production.time()), (99, 99 * 20_000));
        assert!(production.pauses.is_empty());
    }

    #[test]
    fn batches_have_pauses_between_them() {
        let times: Vec<Nanos> = (0..60).map(|i| i / 20 * 1_000_000 + i % 20 * 100).collect();
        let production = Production::of(0, &times, &[]);
        assert_eq!(production.stretches, [(0, 1_900), (1_000_000, 1_001_900), (2_000_000, 2_001_900)]);
        assert_eq!(production.pauses, [(1_900, 1_000_000), (1_001_900, 2_000_000)]);
        assert_eq!((production.submitted, production.time()), (57, 3 * 1_900));
    }

    #[test]
    fn a_wait_for_the_pool_is_neither() {
        let times = [0, 1_000, 2_000, 9_000, 10_000];
        let production = Production::of(0, &times, &[(3_000, 8_000)]);
        assert_eq!(production.stretches, [(0, 2_000), (9_000, 10_000)]);
        assert!(production.pauses.is_empty());
        // Each submission is followed by a wait: nothing tells how fast it could be.
        let production =
            Production::of(0, &times, &[(100, 900), (1_100, 1_900), (2_100, 8_900), (9_100, 9_900)]);
        assert_eq!((production.submitted, production.time()), (0, 0));
    }

    #[test]
    fn overlaps_are_added_up() {
        let stretches = [(0, 10), (20, 30), (40, 50)];
        let of = |parts: &[Stretch]| overlap(parts.iter().copied(), &stretches);
        assert_eq!(
            [of(&[(0, 100)]), of(&[(5, 25)]), of(&[(10, 20)]), of(&[(8, 9), (9, 41)])],
            [30, 10, 0, 13]
        );
    }
}
