//! What a submission says of its task: the route, the conditions, the weight, and what happens in a full pool.

use crate::policy::overflow::OnFull;
use crate::runtime::intake::Route;
use crate::task::conditions::Conditions;

/// The options of one task. The default is a task without any.
#[derive(Debug, Clone, Default)]
pub struct TaskOptions {
    /// Which queue the task goes to.
    pub route: Route,
    /// What must hold for the task to start.
    pub conditions: Conditions,
    /// How much of the pool's budget the task holds.
    pub weight: u64,
    /// What happens if the pool is full, instead of what the pool was built with.
    pub on_full: Option<OnFull>,
}
