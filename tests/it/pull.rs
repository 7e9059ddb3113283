//! Pull pools.

use longshore::{AnyPool as _, PullPool as Pool};

type Rig = crate::support::AnyRig<Pool>;

#[path = "behaviour/mod.rs"]
mod behaviour;
#[path = "pulling.rs"]
mod pulling;
