//! What the calling thread is to the pools: a worker of one of them, of whatever kind, or none.

use std::time::Instant;

use crate::push::worker::Worker;
use crate::push::worker::wait::{self, Awaited, Waited};

/// The worker that a thread acts as.
#[derive(Debug, Clone, Copy)]
pub enum Current<'a> {
    /// Of a pool that pushes.
    Push(&'a Worker),
    /// Of a pool that pulls.
    Pull(&'a crate::pull::worker::Worker),
    /// The thread does not belong to a pool.
    None,
}

impl Current<'_> {
    /// Calls `f` with what the calling thread is just now.
    #[inline]
    pub fn with<R>(f: impl FnOnce(Current<'_>) -> R) -> R {
        Worker::with_current(|worker| match worker {
            Some(worker) => f(Current::Push(worker)),
            None => crate::pull::worker::Worker::with_current(|worker| {
                f(worker.map_or(Current::None, Current::Pull))
            }),
        })
    }

    /// Waits until `awaited` is done or the deadline has passed, and does meanwhile what a worker of its kind may.
    pub fn wait_until(self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        match self {
            Current::Push(worker) => worker.wait_until(awaited, deadline),
            Current::Pull(worker) => worker.wait_until(awaited, deadline),
            Current::None => wait::block(awaited, deadline),
        }
    }
}
