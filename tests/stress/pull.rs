//! Pools that pull.

use longshore::PullPool as Pool;

#[path = "bounded.rs"]
mod bounded;
#[path = "lives.rs"]
mod lives;
#[path = "mixed.rs"]
mod mixed;
