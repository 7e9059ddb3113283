//! Pools that pull.

use longshore::PullPool as Pool;

#[path = "lives.rs"]
mod lives;
#[path = "mixed.rs"]
mod mixed;
