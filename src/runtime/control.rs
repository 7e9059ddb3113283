//! The control word of a pool: the phase of its life, and what it asks of its workers besides running tasks, in one atomic.

use std::fmt;

/// How far the pool has come in its life. The order of the values is the order of the phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Accepts work.
    Open = 0,
    /// Refuses work from outside; what was accepted is finished, with all that it submits.
    Draining = 1,
    /// Everything is done; the workers go.
    Ended = 2,
    /// Refuses all work; what has not started is thrown away.
    Stopping = 3,
}

/// Something rare that workers are asked for, besides their tasks. The bits lie beside the phase in one word, so that the
/// one look at the phase that a worker takes for each task covers them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// Begin no task, until this is taken back.
    Pause = 1 << 2,
    /// Look at the tasks of other priorities before each of the normal ones. Never taken back.
    PriorityQueues = 1 << 3,
    /// Look whether there is an order for you (see `orders`).
    Broadcast = 1 << 4,
    /// Look at the [`Roster`] whether to leave the pool.
    Retire = 1 << 5,
}

/// The bits of the word that hold the [`Phase`].
pub(super) const PHASE: u32 = 0b11;

/// A word without these bits asks nothing of a worker but to run tasks: the pool is open or drains, and there is no
/// [`Request`].
const NEEDS_MAINTENANCE: u32 = !(Phase::Draining as u32);

/// What else there may be while a worker that has nothing to do goes on looking for tasks: it comes to its orders by itself,
/// and those of others are none of its business.
const NO_REASON_TO_STOP: u32 = Phase::Draining as u32 | Request::Broadcast as u32;

/// The phase of a pool, and what it asks of its workers, at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ControlWord(pub(super) u32);

impl ControlWord {
    /// How far the pool has come.
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

    /// Whether there is anything that a worker must see to before it takes its next task.
    #[inline]
    pub fn needs_maintenance(self) -> bool {
        self.0 & NEEDS_MAINTENANCE != 0
    }

    /// Whether a worker that looks for a task must see to something else first.
    pub fn ends_search(self) -> bool {
        self.0 & !NO_REASON_TO_STOP != 0
    }
}

impl fmt::Debug for ControlWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlWord")
            .field("phase", &self.phase())
            .field("requests", &(self.0 & !PHASE))
            .finish()
    }
}
