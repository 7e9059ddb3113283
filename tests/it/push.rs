//! Push pools.

use longshore::Pool;

use crate::support::Rig;

#[path = "behaviour/mod.rs"]
mod behaviour;
#[path = "stealing.rs"]
mod stealing;
