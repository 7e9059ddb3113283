//! What a submission may say of its task: the route, the conditions, the weight, and what happens in a full pool.

use crate::policy::overflow::OnFull;
use crate::runtime::intake::Route;
use crate::task::conditions::Conditions;

/// What has been said of a task.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    /// Which way it goes.
    pub route: Route,
    /// What it must meet to begin.
    pub conditions: Conditions,
    /// What it takes of the pool's budget.
    pub weight: u64,
    /// What happens when there is no room, if not what the pool was built with.
    pub on_full: Option<OnFull>,
}
