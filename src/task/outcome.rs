//! The outcome of a task with a handle, and the bits of a result slot's state word.
//!
//! Constants and plain values. The table in `result_slot.rs` says what each bit means and which side sets it.
//! Guarded by the models `result_slot` and `result_slot_waiting`.

use crate::base::unwind::Payload;
use crate::task::work::Unstarted;

pub(super) const RUNNING: u32 = 1;
pub(super) const CANCELLED: u32 = 1 << 1;
pub(super) const COMPLETE: u32 = 1 << 2;
pub(super) const WAITING: u32 = 1 << 3;
pub(super) const TASK: u32 = 1 << 4;
pub(super) const HANDLE: u32 = 1 << 5;
/// The task was cancelled, by its handle, a token, a purge or a shutdown.
pub(super) const REFUSED: u32 = 1 << 6;
/// The deadline of the task had passed.
pub(super) const EXPIRED: u32 = 1 << 7;
/// The pool was full.
pub(super) const DROPPED: u32 = 1 << 8;
/// The side that cancelled the task has counted that, and has released the permit.
pub(super) const COUNTED: u32 = 1 << 9;
/// A complete slot holds a result or a payload if none of these is set.
pub(super) const UNSTARTED: u32 = CANCELLED | REFUSED | EXPIRED | DROPPED;

/// The bit for a reason.
pub(super) fn reason(why: Unstarted) -> u32 {
    match why {
        Unstarted::Cancelled => REFUSED,
        Unstarted::Expired => EXPIRED,
        Unstarted::Dropped => DROPPED,
    }
}

/// The reason in the state of an unstarted slot.
pub(super) fn reason_in(state: u32) -> Unstarted {
    match state {
        _ if state & EXPIRED != 0 => Unstarted::Expired,
        _ if state & DROPPED != 0 => Unstarted::Dropped,
        _ => Unstarted::Cancelled,
    }
}

/// How a task ended, as seen by its handle.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It returned this value.
    Returned(T),
    /// It panicked with this payload.
    Panicked(Payload),
    /// It never ran.
    Unstarted(Unstarted),
}
