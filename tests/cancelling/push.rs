//! Push pools.

use longshore::Pool;

type Rig = crate::support::AnyRig<Pool>;

#[path = "at_once.rs"]
mod at_once;
#[path = "crossing.rs"]
mod crossing;
#[path = "in_time.rs"]
mod in_time;
#[path = "timed.rs"]
mod timed;
