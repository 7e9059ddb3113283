//! The conditions under which a task may begin. Shared by the task, which asks when it is taken, and its handle, which
//! need not wait for a worker to come to a task that will not begin any more.

use std::time::Instant;

use crate::task::cancel::CancelToken;
use crate::task::work::Unstarted;

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// When it is too late.
    pub deadline: Option<Instant>,
    /// Cancels it.
    pub token: Option<CancelToken>,
}

impl Conditions {
    /// Why the task must not begin now; what is answered once stays the answer.
    pub fn refusal(&self) -> Option<Unstarted> {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Unstarted::Cancelled);
        }
        // The clock is read only if there is a deadline.
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Unstarted::Expired)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.deadline.is_none() && self.token.is_none()
    }
}
