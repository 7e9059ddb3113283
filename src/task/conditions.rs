//! The conditions under which a task may start: a deadline and a cancel token.
//!
//! The task and its handle share them. The worker that takes the task asks whether it may start. The
//! handle asks, too, because a join need not wait for a worker to find a task that will not start any more.
//! Guarded by `tests/it/behaviour/conditions.rs`.

use std::time::Instant;

use crate::task::cancel::CancelToken;
use crate::task::work::Unstarted;

/// A deadline and a token, both optional; see the module's text.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// From this moment on the task must not start.
    pub deadline: Option<Instant>,
    /// If it is cancelled, the task must not start.
    pub token: Option<CancelToken>,
}

impl Conditions {
    /// Why the task must not start now. After the first refusal every later call refuses as well.
    pub fn refusal(&self) -> Option<Unstarted> {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Unstarted::Cancelled);
        }
        // The clock is read only if there is a deadline.
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Unstarted::Expired)
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.deadline.is_none() && self.token.is_none()
    }
}
