//! Pools that pull.

use longshore::PullPool as Pool;

#[path = "resizing.rs"]
mod resizing;
#[path = "standing_in.rs"]
mod standing_in;
