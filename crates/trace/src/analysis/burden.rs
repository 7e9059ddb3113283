//! The burden: what it costs to have another worker run a task, measured in the run itself.
//!
//! It is the time from the submission of a task to its begin on a worker that had nothing to do at that
//! moment. Cilkscale (He, Leiserson and Leiserson, "The Cilkview Scalability Analyzer", SPAA 2010) takes a
//! constant for it.

use crate::run::{Activity, Nanos, Parent, Run};
use crate::sorted;

/// Cilkscale's constant, for runs in which nothing was taken by a worker that was idle.
const CILKSCALE: Nanos = 6_250;
/// So many samples are enough.
const FEW: usize = 5;

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burden {
    /// Nanoseconds.
    pub nanos: Nanos,
    /// How many tasks it is the median of; 0 if it is a guess.
    pub samples: u64,
}

impl Burden {
    /// Measures it.
    pub fn measure(run: &Run) -> Burden {
        let idle_since: Vec<Vec<(Nanos, Nanos)>> = run.tracks.iter().map(idle_stretches).collect();
        let mut samples = Vec::new();
        for task in &run.tasks {
            if task.parent == Parent::Unknown || !task.is_submission_exact || task.depth > 0 {
                continue;
            }
            let stretches = &idle_since[task.track as usize];
            let after = stretches.partition_point(|(begin, _)| *begin <= task.submitted);
            let Some(before) = after.checked_sub(1) else { continue };
            let (_, end) = stretches[before];
            if task.submitted < end
                && end <= task.begin
                && after == stretches.partition_point(|(begin, _)| *begin < task.begin)
            {
                samples.push(task.begin - task.submitted);
            }
        }
        match sorted::median(&samples) {
            Some(median) if samples.len() >= FEW => Burden { nanos: median, samples: samples.len() as u64 },
            _ => Burden { nanos: CILKSCALE, samples: 0 },
        }
    }
}

/// When a track had nothing to do.
fn idle_stretches(track: &crate::run::Track) -> Vec<(Nanos, Nanos)> {
    let mut stretches: Vec<(Nanos, Nanos)> = Vec::new();
    for gap in &track.gaps {
        let is_idle =
            matches!(gap.activity, Activity::SearchFound | Activity::SearchNothing | Activity::Parked);
        match stretches.last_mut() {
            Some(last) if is_idle && last.1 == gap.begin => last.1 = gap.end,
            // Between a sleep and a search lies a moment of the pool's own.
            Some(last) if gap.activity == Activity::Own && last.1 == gap.begin => last.1 = gap.end,
            _ if is_idle => stretches.push((gap.begin, gap.end)),
            _ => {}
        }
    }
    stretches
}
