//! Pull pools.

use longshore::{AnyPool as _, PullPool as Pool};

#[path = "bounded.rs"]
mod bounded;
#[path = "lives.rs"]
mod lives;
#[path = "mixed.rs"]
mod mixed;
