//! How many tasks waited in queues, at each time.

use super::{Nanos, Parent, Run};
use crate::sorted;

/// The number of tasks that were submitted and had not begun, whenever it changed. Only tasks with a known
/// parent count.
pub fn depths(run: &Run) -> Vec<(Nanos, u32)> {
    let mut steps: Vec<(Nanos, i32)> = Vec::new();
    for task in &run.tasks {
        if task.parent != Parent::Unknown && !task.is_fork() && task.submitted < task.begin {
            steps.push((task.submitted, 1));
            steps.push((task.begin, -1));
        }
    }
    let steps = sorted::by_key(&steps, |(time, step)| (*time, u64::from(*step > 0)));
    let mut depth = 0i64;
    let mut depths: Vec<(Nanos, u32)> = Vec::new();
    for group in steps.chunk_by(|a, b| a.0 == b.0) {
        depth += group.iter().map(|(_, step)| i64::from(*step)).sum::<i64>();
        let value = depth.clamp(0, i64::from(u32::MAX)) as u32;
        if depths.last().is_none_or(|(_, last)| *last != value) {
            depths.push((group[0].0, value));
        }
    }
    depths
}
