//! Push pools.

use longshore::Pool;

#[path = "bounded.rs"]
mod bounded;
#[path = "broadcasts.rs"]
mod broadcasts;
#[path = "load.rs"]
mod load;
#[path = "resizing.rs"]
mod resizing;
#[path = "stand_ins.rs"]
mod stand_ins;
