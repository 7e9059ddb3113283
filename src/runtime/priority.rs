//! Priorities: two queues beside those that every pool has, one for tasks that go before all others and one for those that
//! go after. They belong to all threads.
//!
//! A worker looks at them before each task only when the pool has ever been given such a task: that is a [`Request`] in
//! the word it looks at anyway, so a pool without priorities pays nothing.
//!
//! # The bounds
//! Strict order would starve what is lower for as long as there is something higher. So one turn in [`NORMAL_TURN`] is that
//! of the normal tasks, and one in [`LOW_TURN`] that of the low ones, whatever waits above. A task at the head of its queue
//! is therefore begun after at most 16, or 64, others for each worker.
//!
//! [`Request`]: crate::runtime::core::Request

use crossbeam_deque::Injector;

use crate::queue::injector::take;
use crate::task::erased::Task;

/// How urgent a task is; see [`TaskBuilder::priority`](crate::TaskBuilder::priority).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After all others; of 64 tasks that a worker begins at least one is of this kind, if there is any.
    Low,
    /// As tasks are that say nothing.
    #[default]
    Normal,
    /// Before all others; of 16 tasks that a worker begins at least one is of another kind, if there is any.
    High,
}

/// One turn in so many is that of the normal tasks, while high ones wait: a sixteenth of the time is little for those who
/// are urgent, and enough to get on. (With the tasks that a worker takes out of turn, one in 31, that makes 16.)
pub const NORMAL_TURN: u32 = 15;

/// One turn in so many is that of the low tasks; with those out of turn, one in less than 64.
pub const LOW_TURN: u32 = 4 * NORMAL_TURN;

/// Whose turn it is when a worker takes its next task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// High, normal, low.
    InOrder,
    /// Normal first.
    Normal,
    /// Low first.
    Low,
}

impl Turn {
    /// The turn of this number.
    pub fn of(number: u32) -> Turn {
        if number.is_multiple_of(LOW_TURN) {
            Turn::Low
        } else if number.is_multiple_of(NORMAL_TURN) {
            Turn::Normal
        } else {
            Turn::InOrder
        }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct PriorityQueues {
    /// Before all others.
    pub high: Injector<Task>,
    /// After all others.
    pub low: Injector<Task>,
}

impl PriorityQueues {
    /// The queue for tasks of this priority; the normal ones are not here.
    pub fn queue(&self, priority: Priority) -> Option<&Injector<Task>> {
        match priority {
            Priority::High => Some(&self.high),
            Priority::Low => Some(&self.low),
            Priority::Normal => None,
        }
    }

    /// Whether neither holds a task.
    pub fn are_empty(&self) -> bool {
        self.high.is_empty() && self.low.is_empty()
    }

    /// Takes the task that goes before the normal ones in this turn, if there is one.
    pub fn take_first(&self, turn: Turn) -> Option<Task> {
        match turn {
            Turn::InOrder => take(&self.high),
            Turn::Normal => None,
            Turn::Low => take(&self.low),
        }
    }

    /// Takes a task when there is no normal one.
    pub fn take_any(&self) -> Option<Task> {
        take(&self.high).or_else(|| take(&self.low))
    }

    /// Gives as many tasks as there are now to `sink`.
    pub fn drain_present(&self, mut sink: impl FnMut(Task)) {
        for _ in 0..self.high.len() + self.low.len() {
            let Some(task) = self.take_any() else { return };
            sink(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn() {
        let turns: Vec<_> = (1..=LOW_TURN).map(Turn::of).collect();
        let count = |turn| turns.iter().filter(|&&t| t == turn).count();
        assert_eq!((count(Turn::Low), count(Turn::Normal), count(Turn::InOrder)), (1, 3, 56));
        assert!(turns.windows(NORMAL_TURN as usize).all(|w| w.iter().any(|&turn| turn != Turn::InOrder)));
    }
}
