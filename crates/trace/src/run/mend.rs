//! Mends the sizes of thefts.
//!
//! A thief that takes a batch into its own deque learns how many tasks these were by the length of that deque
//! afterwards. If another thief has taken some of them by then, the number is too small. But a deque that is
//! empty tells: what was put into it and not taken out by its owner was stolen. If others have recorded more
//! thefts by then, so much was missing in the batch. (Thieves note their thefts late at most, so that the
//! difference is never too large.)

use super::Nanos;
use super::draft::{Draft, From, Log, Op, Take};
use super::{Source, Task};
use crate::sorted;

/// A theft of a batch from a batch from a batch: so often numbers may depend on each other.
const MOST_ROUNDS: usize = 8;

/// Mends the counts of all takes. `track_of` tells the track of a worker.
pub fn mend(draft: &mut Draft, tasks: &[Task], track_of: impl Fn(u32) -> Option<u32>) {
    let order = sorted::order(draft.takes.len(), |i| (draft.takes[i as usize].time, 0));
    let victim = |take: &Take| if let From::Deque(worker) = take.from { track_of(worker) } else { None };
    let mut thefts: Vec<Vec<u32>> = vec![Vec::new(); draft.logs.len()];
    for take in order {
        if let Some(track) = victim(&draft.takes[take as usize]) {
            thefts[track as usize].push(take);
        }
    }
    for _ in 0..MOST_ROUNDS {
        let mut is_mended = false;
        for (log, thefts) in draft.logs.iter().zip(&thefts) {
            is_mended |= mend_track(log, thefts, &mut draft.takes, tasks);
        }
        if !is_mended {
            return;
        }
    }
}

/// Compares at each time at which the deque is empty. Whether something was mended.
fn mend_track(log: &Log, thefts: &[u32], takes: &mut [Take], tasks: &[Task]) -> bool {
    let (mut inside, mut stolen, mut next, mut is_mended) = (0i64, 0i64, 0, false);
    let mut last_batch = None;
    for (i, op) in log.ops.iter().enumerate() {
        match *op {
            Op::Spawn(_, count, _) => inside += i64::from(count),
            Op::Begin(task) => inside -= i64::from(tasks[task as usize].source == Source::Deque),
            Op::Unload(take) => {
                inside += i64::from(takes[take as usize].count) - 1;
                let is_theft = matches!(takes[take as usize].from, From::Deque(_));
                last_batch = is_theft.then_some(take).or(last_batch);
            }
            Op::Depth(_, depth) if i == 0 => inside += i64::from(depth),
            Op::Depth(time, 0) => {
                let until = |take: &u32, time: Nanos| takes[*take as usize].time <= time;
                while let Some(take) = thefts.get(next).filter(|take| until(take, time)) {
                    stolen += i64::from(takes[*take as usize].count);
                    next += 1;
                }
                let missing = stolen - inside;
                if let (Some(batch), 1..=64) = (last_batch.take(), missing) {
                    takes[batch as usize].count += missing as u32;
                    inside += missing;
                    is_mended = true;
                }
            }
            Op::Depth(..) => {}
            Op::Lost => return is_mended,
        }
    }
    is_mended
}

#[cfg(test)]
mod tests {
    use super::super::Parent;
    use super::*;

    fn theft(track: u32, victim: u32, count: u32, time: Nanos) -> Take {
        Take { track, from: From::Deque(victim), count, time }
    }

    /// Worker 0 stole four tasks; before it had counted them worker 1 had taken one of these from it.
    #[test]
    fn what_was_taken_before_it_was_counted_is_counted() {
        let task = super::super::tracks::test_task(Source::Deque);
        let parent = Parent::Unknown;
        let ops = vec![
            Op::Spawn(parent, 2, super::super::draft::SpawnTime::Unknown),
            Op::Begin(0),
            Op::Begin(0),
            Op::Depth(20, 0),
            Op::Unload(0),
            Op::Begin(0),
            Op::Begin(0),
            Op::Depth(100, 0),
        ];
        let logs = vec![Log { ops, ..Log::default() }, Log::default(), Log::default()];
        let takes = vec![theft(0, 2, 3, 30), theft(1, 0, 1, 50), theft(1, 0, 5, 150)];
        let mut draft = Draft { logs, takes, ..Draft::default() };
        mend(&mut draft, &[task], Some);
        let counts: Vec<u32> = draft.takes.iter().map(|take| take.count).collect();
        assert_eq!(counts, [4, 1, 5], "what comes after the deque was empty proves nothing");
    }
}
