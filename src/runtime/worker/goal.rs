//! What a worker works for: when it may stop, and how it sleeps until then. A plain value of the worker's thread.

use std::thread;
use std::time::Instant;

use super::wait::Awaited;
use crate::runtime::core::{Core, Phase};
use crate::runtime::idle::Rest;

/// What a worker is up to when it asks for the next task: until when it waits for one.
pub enum Goal<'a> {
    /// The end of the pool.
    PoolEnd,
    /// A task on this worker waits for something.
    Await { awaited: &'a mut (dyn Awaited + Send), deadline: Option<Instant> },
}

impl Goal<'_> {
    /// Whether the worker may stop, of the pool around `core`.
    pub fn is_reached(&self, core: &Core) -> bool {
        match self {
            Goal::PoolEnd => core.has_ended(),
            Goal::Await { awaited, deadline } => {
                awaited.is_done() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            }
        }
    }

    /// Whether the worker must see to something else before it may take another task: see [`Seeker::attend`].
    pub fn must_attend(&self, core: &Core) -> bool {
        let condition = core.condition();
        condition.ends_search()
            && match self {
                Goal::PoolEnd => true,
                // What a task waits for goes on in a paused pool.
                Goal::Await { .. } => condition.phase() == Phase::Stopping,
            }
    }

    /// What the worker is counted as while it sleeps.
    pub fn rest(&self) -> Rest {
        match self {
            Goal::PoolEnd => Rest::Idle,
            Goal::Await { .. } => Rest::Waiting,
        }
    }

    /// Sees to it that the thread is unparked when the goal is reached.
    pub fn arm(&mut self) {
        match self {
            Goal::PoolEnd => {} // whoever ends the pool wakes everyone in the list of the parked
            Goal::Await { awaited, .. } => awaited.unpark_me(),
        }
    }

    /// Sleeps until the thread is unparked, or to the deadline.
    pub fn park(&self) {
        match self {
            Goal::Await { deadline: Some(deadline), .. } => {
                thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            Goal::PoolEnd | Goal::Await { deadline: None, .. } => thread::park(),
        }
    }
}
