//! The control word of a pool: its phase, and the requests to its workers besides running tasks, in one
//! atomic.
//!
//! [`Core`](crate::runtime::core::Core) owns the atomic. Any thread changes it, by `Core::advance`,
//! `Core::request` and `Core::withdraw_request`; every worker reads it before each task. Tested below; the
//! phases also by the models `life` and `pull` and by `tests/it/behaviour/shutdown.rs`, the requests by
//! `pausing.rs`, `priorities.rs` and `broadcast.rs` beside it.

use std::fmt;

/// The phase of the pool. The values are in the order of the phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The pool accepts work.
    Open = 0,
    /// The pool refuses work from outside. It finishes what it has accepted, and everything that those tasks
    /// submit.
    Draining = 1,
    /// Everything is done; the workers end.
    Ended = 2,
    /// The pool refuses all work, and discards the tasks that have not started.
    Stopping = 3,
}

/// A rare request to the workers. Its bit is beside the phase, so that the one look at the control word that
/// a worker takes before each task covers every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// Start no task until the request is withdrawn.
    Pause = 1 << 2,
    /// Look at the tasks of other priorities before each normal task. Never withdrawn.
    PriorityQueues = 1 << 3,
    /// Look for broadcast tasks (`runtime/broadcast.rs`).
    Broadcast = 1 << 4,
    /// Look at the roster whether to retire (`workers/roster.rs`).
    Retire = 1 << 5,
    /// Take back a stand-in that was started for a pending poll of the task that has just ended
    /// (`runtime/long_wait.rs`).
    PendingPolls = 1 << 6,
    /// Look at the recorder (`runtime/recorder.rs`).
    Record = 1 << 7,
}

/// All requests.
const ALL: [Request; 6] = [
    Request::Pause,
    Request::PriorityQueues,
    Request::Broadcast,
    Request::Retire,
    Request::PendingPolls,
    Request::Record,
];

/// The bits of the word that hold the [`Phase`].
pub(super) const PHASE: u32 = 0b11;

/// In a word without these bits the pool is open or drains and there is no [`Request`]: a worker just runs
/// tasks.
const NEEDS_MAINTENANCE: u32 = !(Phase::Draining as u32);

/// The phase and the requests of a pool at one moment:
///
/// ```text
///   31      8      7       6       5        4           3          2     1 0
///  | unused | record | polls | retire | broadcast | priorities | pause | phase |
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlWord(pub(super) u32);

impl ControlWord {
    /// The phase of the pool.
    #[inline]
    pub fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Ended,
            _ => Phase::Stopping,
        }
    }

    /// Whether `request` is made.
    pub fn asks(self, request: Request) -> bool {
        self.0 & request as u32 != 0
    }

    /// Whether a worker has anything to do before it takes its next task.
    #[inline]
    pub fn needs_maintenance(self) -> bool {
        self.0 & NEEDS_MAINTENANCE != 0
    }
}

impl fmt::Debug for ControlWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: Vec<_> = ALL.into_iter().filter(|request| self.asks(*request)).collect();
        f.debug_struct("ControlWord").field("phase", &self.phase()).field("requests", &requests).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_a_phase_and_requests() {
        for phase in [Phase::Open, Phase::Draining, Phase::Ended, Phase::Stopping] {
            let word = ControlWord(phase as u32 | Request::Broadcast as u32);
            assert_eq!(word.phase(), phase);
            assert!(word.asks(Request::Broadcast) && !word.asks(Request::Pause));
            assert_eq!(
                format!("{word:?}"),
                format!("ControlWord {{ phase: {phase:?}, requests: [Broadcast] }}")
            );
        }
    }

    #[test]
    fn a_worker_without_requests_only_runs_tasks() {
        let (open, draining) = (ControlWord(Phase::Open as u32), ControlWord(Phase::Draining as u32));
        assert!(!open.needs_maintenance() && !draining.needs_maintenance());
        let requests = ALL.map(|request| request as u32);
        for bits in requests.into_iter().chain([Phase::Ended as u32, Phase::Stopping as u32]) {
            assert!(ControlWord(bits).needs_maintenance(), "{bits:b}");
        }
    }
}
