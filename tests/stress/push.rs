//! Push pools.

use longshore::Pool;

#[path = "bounded.rs"]
mod bounded;
#[path = "lives.rs"]
mod lives;
#[path = "mixed.rs"]
mod mixed;
