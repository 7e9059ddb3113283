//! [`TaskOptions`]: what a submission says about its task besides the closure. Plain data, owned by the
//! submitting thread. Guarded by `tests/it/behaviour/conditions.rs`, `priorities.rs`, `affinity.rs` and
//! `weights.rs`.

use crate::policy::overflow::OnFull;
use crate::runtime::intake::Route;
use crate::task::conditions::Conditions;

/// The options of one task. The default has no conditions, no weight, and leaves the rest to the pool.
#[derive(Debug, Clone, Default)]
pub struct TaskOptions {
    /// The queue that the task is pushed to.
    pub route: Route,
    /// What must hold for the task to start.
    pub conditions: Conditions,
    /// How much of the pool's budget the task holds.
    pub weight: u64,
    /// What a recording calls the task.
    pub label: Option<&'static str>,
    /// What happens if the pool is full. `None`: what the pool was built with.
    pub on_full: Option<OnFull>,
}

impl TaskOptions {
    /// Whether only [`TaskOptions::on_full`] may be set, so that the task goes the short way of a task
    /// without options.
    pub fn are_plain(&self) -> bool {
        self.route == Route::Any && self.weight == 0 && self.label.is_none() && self.conditions.is_empty()
    }
}
