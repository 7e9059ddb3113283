//! Pools that push.

use longshore::Pool;

#[path = "lives.rs"]
mod lives;
#[path = "mixed.rs"]
mod mixed;
