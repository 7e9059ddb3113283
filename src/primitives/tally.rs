//! What became of the tasks that one worker took: written by the thread that acts as this worker, read by anyone.

use crate::base::counter::Counter;

/// Ends of tasks. `started = completed + panicked + cancelled + those running now`.
#[derive(Debug, Default)]
pub struct Tally {
    /// Taken out of a queue for good.
    pub started: Counter,
    /// Returned normally.
    pub completed: Counter,
    /// Panicked, in the body or while the closure's captures were dropped.
    pub panicked: Counter,
    /// Found cancelled, or thrown away unstarted.
    pub cancelled: Counter,
}
