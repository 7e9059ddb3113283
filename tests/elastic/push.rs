//! Pools that push.

use longshore::Pool;

#[path = "resizing.rs"]
mod resizing;
#[path = "standing_in.rs"]
mod standing_in;
