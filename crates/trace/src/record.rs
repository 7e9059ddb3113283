//! The record: eight bytes that say what happened on a track, and when.
//!
//! ```text
//!   63           32 31          5 4    0
//!  | argument      | delta       | kind |
//! ```
//!
//! The delta is in ticks, since the last record of the track that looked at the clock. `docs/trace-format.md`
//! describes every kind; this file is the only code that knows the layout.

/// Ticks that fit into a delta; a longer time has a [`Kind::Time`] before its record.
pub const MAX_DELTA: u64 = (1 << 27) - 1;
/// Labels that fit into a record; 0 stands for none.
pub const MAX_LABEL: u16 = (1 << 12) - 1;
/// Submissions that fit into the end of a task.
pub const MAX_SPAWNED: u32 = (1 << 13) - 1;
/// Workers that have a number in a record.
pub const MAX_WORKER: usize = (1 << 13) - 1;
/// Tasks that one record can take from, or put into, an inbox.
pub const MAX_BATCH: usize = 64;
/// Tasks that one record can take from, or put into, another queue.
pub const MAX_COUNT: usize = (1 << 15) - 1;
/// Positions of an inbox are counted modulo this.
pub const POSITIONS: u64 = 1 << 13;

/// Declares an enumeration of codes that can be read back.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $code,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// What a code stands for.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// What a record is about.
    Kind {
        /// Fills the rest of a block.
        Pad = 1,
        /// More of the record before: 59 bits.
        Extra = 2,
        /// A long time has passed: the argument counts steps of 2^27 ticks.
        Time = 3,
        /// A task has ended.
        End = 4,
        /// As `End`, without a look at the clock.
        Ended = 5,
        /// A task begins in the middle of another.
        Begin = 6,
        /// The task at hand has put a task into its worker's deque.
        Spawn = 7,
        /// As `Spawn`, of so many, without a look at the clock.
        Spawned = 8,
        /// Tasks were put into an inbox.
        Submit = 9,
        /// As `Submit`, without a look at the clock.
        Submitted = 10,
        /// Tasks were put into another queue.
        Put = 11,
        /// Tasks were taken from an inbox: the first is run, the others go to the worker's deque.
        Took = 12,
        /// The oldest tasks of a deque were taken, likewise.
        Stole = 13,
        /// Tasks were taken from another queue, likewise.
        Got = 14,
        /// A fork was put on offer.
        Offer = 15,
        /// A fork was taken from another worker's offer.
        StoleFork = 16,
        /// The task at hand waits for a fork that was taken.
        JoinFork = 17,
        /// The task at hand waits for something else.
        Wait = 18,
        /// The wait has ended.
        Resume = 19,
        /// The task whose end the last wait was for.
        Joined = 20,
        /// The worker begins to look for work.
        Search = 21,
        /// The worker falls asleep.
        Park = 22,
        /// The worker is awake again.
        Unpark = 23,
        /// The task at hand blocks, and says so.
        Block = 24,
        /// It goes on.
        Unblock = 25,
        /// A thread begins to write this track.
        Start = 26,
        /// It ends.
        Exit = 27,
        /// Tasks in the worker's deque and inbox.
        Depth = 28,
        /// Forks since the last record of this kind that no other worker has taken.
        Forks = 29,
        /// Processor time and context switches of the thread.
        Cpu = 30,
        /// The first word of a block.
        Anchor = 31,
    }
}

codes! {
    /// How a task came to be run.
    Source {
        /// Taken from the worker's own deque.
        Deque = 0,
        /// The first of the tasks that the worker took last.
        Batch = 1,
        /// Run at once by the thread that submitted it.
        Direct = 2,
        /// Run by a thread that waits for its result.
        Awaited = 3,
        /// A fork that was taken from another worker.
        Fork = 4,
        /// Not known.
        Unknown = 5,
        /// What a thread from outside does while it leases the worker: no task of the pool.
        Lease = 6,
    }
}

codes! {
    /// How a task ended.
    Outcome {
        /// It returned.
        Completed = 0,
        /// It returned an error.
        Failed = 1,
        /// It panicked.
        Panicked = 2,
        /// It was cancelled, or too late, and never began.
        Unstarted = 3,
        /// An empty entry: only the place in a queue of a task that was run ahead of its turn, or that ended
        /// while it was queued.
        Empty = 4,
    }
}

codes! {
    /// A queue that is neither a deque nor an inbox.
    Place {
        /// The queue that all workers share.
        Injector = 0,
        /// Tasks for one worker.
        Mailbox = 1,
        /// Tasks of high priority.
        High = 2,
        /// Tasks of low priority.
        Low = 3,
        /// A broadcast: tasks that one worker alone may run.
        Broadcast = 4,
        /// Tasks that a worker has taken and handed back, to the injector.
        Returned = 5,
        /// The only queue of a pull pool.
        Shared = 6,
    }
}

codes! {
    /// What a task waits for.
    WaitFor {
        /// The result of another task.
        Handle = 0,
        /// All tasks that it has submitted.
        Scope = 1,
        /// Tasks of a group or a batch.
        Group = 2,
        /// A permit of a bounded pool.
        Permit = 3,
        /// Something outside of the pool.
        Other = 4,
    }
}

codes! {
    /// Why a worker sleeps.
    Rest {
        /// It has nothing to do.
        Idle = 0,
        /// Its task waits.
        Waiting = 1,
        /// The pool is paused.
        Paused = 2,
        /// Another thread leases it.
        Leased = 3,
    }
}

codes! {
    /// Why a worker is awake again.
    Wake {
        /// It was woken for a task.
        Chosen = 0,
        /// What it waited for has come.
        Goal = 1,
        /// It has been idle for too long.
        Timeout = 2,
        /// It saw a task before it slept.
        Found = 3,
    }
}

/// One word of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(pub u64);

impl Word {
    /// A record; the delta is at most [`MAX_DELTA`].
    #[inline(always)]
    pub const fn new(kind: Kind, delta: u64, arg: u32) -> Word {
        Word(kind as u64 | delta << 5 | (arg as u64) << 32)
    }

    /// More of the record before; the five highest bits are lost.
    #[inline(always)]
    pub const fn extra(payload: u64) -> Word {
        Word(Kind::Extra as u64 | payload << 5)
    }

    /// What it is about; `None` if there is no such kind.
    pub fn kind(self) -> Option<Kind> {
        Kind::from_code((self.0 & 31) as u8)
    }

    /// Whether its track may still change it while it is the track's last word.
    pub fn may_grow(self) -> bool {
        matches!(self.kind(), Some(Kind::Submit | Kind::Submitted))
    }

    /// Ticks since the last look at the clock.
    pub const fn delta(self) -> u64 {
        self.0 >> 5 & MAX_DELTA
    }

    /// The argument.
    #[inline(always)]
    pub const fn arg(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// What an extra word carries.
    pub const fn payload(self) -> u64 {
        self.0 >> 5
    }
}

/// The argument of [`Kind::End`] and [`Kind::Ended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndArg {
    /// Its label.
    pub label: u16,
    /// How it came to be run.
    pub source: Source,
    /// How it ended.
    pub outcome: Outcome,
    /// What it has put into its worker's deque since the last record that counts this.
    pub spawned: u32,
}

impl EndArg {
    /// As a number.
    #[inline(always)]
    pub const fn pack(self) -> u32 {
        self.label as u32 | (self.source as u32) << 12 | (self.outcome as u32) << 16 | self.spawned << 19
    }

    /// The reverse; `None` if a field holds a code that does not exist.
    pub fn unpack(arg: u32) -> Option<EndArg> {
        Some(EndArg {
            label: (arg & 0xfff) as u16,
            source: Source::from_code((arg >> 12 & 15) as u8)?,
            outcome: Outcome::from_code((arg >> 16 & 7) as u8)?,
            spawned: arg >> 19,
        })
    }
}

/// Places in the inbox of a worker: the argument of [`Kind::Submit`], [`Kind::Submitted`] and [`Kind::Took`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxArg {
    /// Whose inbox.
    pub worker: u16,
    /// The first position, modulo [`POSITIONS`].
    pub position: u16,
    /// How many, 1 to [`MAX_BATCH`].
    pub count: u8,
}

impl InboxArg {
    /// As a number.
    #[inline(always)]
    pub const fn pack(self) -> u32 {
        self.worker as u32 & 0x1fff | (self.position as u32 & 0x1fff) << 13 | (self.count as u32 - 1) << 26
    }

    /// The reverse.
    pub const fn unpack(arg: u32) -> InboxArg {
        InboxArg {
            worker: (arg & 0x1fff) as u16,
            position: (arg >> 13 & 0x1fff) as u16,
            count: (arg >> 26) as u8 + 1,
        }
    }
}

/// A number of tasks in a queue: the argument of [`Kind::Put`], [`Kind::Got`] and [`Kind::Stole`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceArg {
    /// Which queue ([`Place`]); not used by [`Kind::Stole`].
    pub place: Place,
    /// Whose, if there is one for each worker.
    pub worker: u16,
    /// How many.
    pub count: u16,
}

impl PlaceArg {
    /// As a number.
    #[inline(always)]
    pub const fn pack(self) -> u32 {
        self.place as u32 | (self.worker as u32 & 0x1fff) << 4 | (self.count as u32) << 17
    }

    /// The reverse; `None` if there is no such place.
    pub fn unpack(arg: u32) -> Option<PlaceArg> {
        Some(PlaceArg {
            place: Place::from_code((arg & 15) as u8)?,
            worker: (arg >> 4 & 0x1fff) as u16,
            count: (arg >> 17) as u16,
        })
    }
}

/// A task by the track that ran it and its number there, in the 59 bits of an extra word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRef {
    /// The track.
    pub track: u32,
    /// Counts the tasks that the track has ended, from 0.
    pub number: u64,
}

impl TaskRef {
    /// As a number: 15 bits of track, 44 bits of number.
    pub const fn pack(self) -> u64 {
        (self.track as u64 & 0x7fff) << 44 | self.number & ((1 << 44) - 1)
    }

    /// The reverse.
    pub const fn unpack(payload: u64) -> TaskRef {
        TaskRef { track: (payload >> 44 & 0x7fff) as u32, number: payload & ((1 << 44) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_three_fields() {
        for kind in Kind::ALL {
            let word = Word::new(*kind, MAX_DELTA - 5, 0xdead_beef);
            assert_eq!((word.kind(), word.delta(), word.arg()), (Some(*kind), MAX_DELTA - 5, 0xdead_beef));
        }
        assert_eq!(Word(0).kind(), None, "a word that was never written is no record");
        assert_eq!(Word::extra((1 << 59) - 7).payload(), (1 << 59) - 7);
    }

    #[test]
    fn arguments_keep_their_fields() {
        let end = EndArg { label: 4095, source: Source::Fork, outcome: Outcome::Empty, spawned: MAX_SPAWNED };
        assert_eq!(EndArg::unpack(end.pack()), Some(end));
        assert_eq!(EndArg::unpack(15 << 12), None);
        let inbox = InboxArg { worker: 8191, position: 8190, count: 64 };
        assert_eq!(InboxArg::unpack(inbox.pack()), inbox);
        let place = PlaceArg { place: Place::Shared, worker: 8191, count: 32767 };
        assert_eq!(PlaceArg::unpack(place.pack()), Some(place));
        let task = TaskRef { track: 32767, number: (1 << 44) - 1 };
        assert_eq!(TaskRef::unpack(Word::extra(task.pack()).payload()), task);
    }
}
