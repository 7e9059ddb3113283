//! What a slot's handle waits for, whom it leaves to be woken, and the bits of a slot's state word. What they mean and who
//! sets them is said in `slot`.

use crate::base::unwind::Payload;
use crate::task::work::Unstarted;

pub(super) const RUNNING: u32 = 1;
pub(super) const CANCELLED: u32 = 1 << 1;
pub(super) const COMPLETE: u32 = 1 << 2;
pub(super) const WAITING: u32 = 1 << 3;
pub(super) const TASK: u32 = 1 << 4;
pub(super) const HANDLE: u32 = 1 << 5;
/// The work's own conditions say that it must not begin.
pub(super) const REFUSED: u32 = 1 << 6;
/// Its deadline has passed.
pub(super) const EXPIRED: u32 = 1 << 7;
/// There was no room for it.
pub(super) const DROPPED: u32 = 1 << 8;
/// Without any of these, a complete slot holds an outcome.
pub(super) const UNSTARTED: u32 = CANCELLED | REFUSED | EXPIRED | DROPPED;

/// The bit that says why.
pub(super) fn reason(why: Unstarted) -> u32 {
    match why {
        Unstarted::Cancelled => REFUSED,
        Unstarted::Expired => EXPIRED,
        Unstarted::Dropped => DROPPED,
    }
}

/// What the bits of a state say, of an unstarted slot.
pub(super) fn reason_in(state: u32) -> Unstarted {
    match state {
        _ if state & EXPIRED != 0 => Unstarted::Expired,
        _ if state & DROPPED != 0 => Unstarted::Dropped,
        _ => Unstarted::Cancelled,
    }
}

/// How a task ended, as its handle gets to know it.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It returned this.
    Returned(T),
    /// It panicked with this.
    Panicked(Payload),
    /// It never ran.
    Unstarted(Unstarted),
}
