//! Priorities: two queues besides those that every pool has, for tasks that are taken before all other tasks
//! and for tasks that are taken after them. All threads share the two queues; the pool's `Core` owns them.
//!
//! A worker looks at them before each task only if the pool has ever been given such a task. That is a
//! [`Request`] in the control word, which the worker reads anyway, so a pool without priorities pays nothing.
//!
//! # The bounds
//! A strict order would starve the lower tasks while there are higher ones. So one turn in [`NORMAL_TURN`]
//! belongs to the normal tasks, and one in [`LOW_TURN`] to the low ones, whatever waits above. A normal task
//! at the head of its queue is therefore started after at most 16 other tasks for each worker, and a low one
//! after at most 64. Tested below and in `tests/it/behaviour/priorities.rs`.
//!
//! [`Request`]: crate::runtime::control::Request

use crossbeam_deque::Injector;
use longshore_trace::record::Place;

use crate::queue::injector::take;
use crate::task::erased::Task;

/// How urgent a task is; see [`TaskBuilder::priority`](crate::TaskBuilder::priority).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After all other tasks. At least one of 64 tasks that a worker starts is of this kind, if there is any.
    Low,
    /// Tasks without another priority.
    #[default]
    Normal,
    /// Before all other tasks. At least one of 16 tasks that a worker starts is of another kind, if there is
    /// any.
    High,
}

/// While high tasks wait, one turn in so many belongs to the normal tasks: a sixteenth of the time is little
/// for the urgent tasks, and enough for all other tasks to make progress. (A worker also takes one task in 31
/// out of turn; so of 16 tasks that it starts, at least one is normal.)
pub const NORMAL_TURN: u32 = 15;

/// One turn in so many belongs to the low tasks. With the tasks that a worker takes out of turn, at least one
/// of 64 tasks that it starts is low.
pub const LOW_TURN: u32 = 4 * NORMAL_TURN;

/// Which tasks come first when a worker takes its next task.
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
        if number % LOW_TURN == 0 {
            Turn::Low
        } else if number % NORMAL_TURN == 0 {
            Turn::Normal
        } else {
            Turn::InOrder
        }
    }
}

/// What a recording calls the queue for tasks of this priority.
pub fn place_of(priority: Priority) -> Place {
    match priority {
        Priority::High => Place::High,
        Priority::Low => Place::Low,
        Priority::Normal => Place::Injector,
    }
}

/// The queues of the tasks that have another priority than normal.
#[derive(Debug, Default)]
pub struct PriorityQueues {
    /// Tasks that are taken before all other tasks.
    pub high: Injector<Task>,
    /// Tasks that are taken after all other tasks.
    pub low: Injector<Task>,
}

impl PriorityQueues {
    /// The queue for tasks of this priority. None of these is for normal tasks.
    pub fn queue(&self, priority: Priority) -> Option<&Injector<Task>> {
        match priority {
            Priority::High => Some(&self.high),
            Priority::Low => Some(&self.low),
            Priority::Normal => None,
        }
    }

    /// Whether neither queue holds a task.
    pub fn are_empty(&self) -> bool {
        self.high.is_empty() && self.low.is_empty()
    }

    /// Takes the task that is taken before the normal tasks in this turn, if there is one.
    pub fn take_first(&self, turn: Turn) -> Option<(Priority, Task)> {
        match turn {
            Turn::InOrder => self.take(Priority::High),
            Turn::Normal => None,
            Turn::Low => self.take(Priority::Low),
        }
    }

    /// Takes a task when there is no normal task.
    pub fn take_any(&self) -> Option<(Priority, Task)> {
        self.take(Priority::High).or_else(|| self.take(Priority::Low))
    }

    fn take(&self, priority: Priority) -> Option<(Priority, Task)> {
        Some((priority, take(self.queue(priority)?)?))
    }

    /// Gives as many tasks to `sink` as there are now.
    pub fn drain_present(&self, sink: impl FnMut(Task)) {
        let tasks = (0..self.high.len() + self.low.len()).map_while(|_| self.take_any());
        tasks.map(|(_, task)| task).for_each(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_priority_has_a_turn() {
        let turns: Vec<_> = (1..=LOW_TURN).map(Turn::of).collect();
        let count = |turn| turns.iter().filter(|&&t| t == turn).count();
        assert_eq!((count(Turn::Low), count(Turn::Normal), count(Turn::InOrder)), (1, 3, 56));
        assert!(turns.windows(NORMAL_TURN as usize).all(|w| w.iter().any(|&turn| turn != Turn::InOrder)));
    }
}
