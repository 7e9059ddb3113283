//! The parts that a scheduler is made of, each usable and checkable alone: none of them knows the pool, the policies
//! or another primitive's user.

pub mod batch;
pub mod block;
pub mod budget;
pub mod cancel;
pub mod conditions;
pub mod doors;
pub mod inbox;
pub mod latch;
pub mod line;
pub mod mailbox;
pub mod members;
pub mod numbered;
pub mod offer;
pub mod outcome;
pub mod room;
pub mod slot;
pub mod tally;
pub mod task;
pub mod work;
