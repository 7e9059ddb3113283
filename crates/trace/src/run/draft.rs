//! A run of which the edges are not known yet: what the tracks say, before it is put together.

use super::{Nanos, Parent, Run};
use crate::record::{InboxArg, PlaceArg, TaskRef};

/// A run of which the edges are not known yet, and what they are found with.
#[derive(Debug, Default)]
pub struct Draft {
    /// Without edges.
    pub run: Run,
    /// What happened to each track's deque.
    pub logs: Vec<Log>,
    /// Tasks put into inboxes.
    pub submits: Vec<Submit>,
    /// Tasks put into other queues.
    pub puts: Vec<Put>,
    /// Tasks taken from queues.
    pub takes: Vec<Take>,
    /// For each task with [`Source::Batch`] or [`Source::Fork`]: the take that it was the first of.
    pub heads: Vec<(u32, u32)>,
    /// Forks put on offer.
    pub offers: Vec<Offer>,
    /// Joins of forks that were taken: the wait, the fork's address.
    pub joins: Vec<(u32, u64)>,
    /// Waits that a record says the awaited task of.
    pub joined: Vec<(u32, TaskRef)>,
}

/// What happened to the deque of a track, in order.
#[derive(Debug, Default)]
pub struct Log {
    /// In order.
    pub ops: Vec<Op>,
    /// The numbers of the tasks that ended, with their places, in order.
    pub ended: Vec<(u64, u32)>,
    /// Times at which the number of forks so far is known, in order.
    pub forks: Vec<(Nanos, u64)>,
}

/// When a task has put tasks into the deque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnTime {
    /// Then.
    Exact(Nanos),
    /// About then: in the middle between two records.
    About(Nanos),
    /// At some time in its life.
    Unknown,
}

impl SpawnTime {
    /// The time, if it is known or about known.
    pub fn time(self) -> Option<Nanos> {
        match self {
            SpawnTime::Exact(time) | SpawnTime::About(time) => Some(time),
            SpawnTime::Unknown => None,
        }
    }
}

/// A step of a deque.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// A task begins; if its source says so, it is taken from the deque.
    Begin(u32),
    /// A task has put tasks into the deque: how many, when.
    Spawn(Parent, u32, SpawnTime),
    /// All but the first of a take were put into the deque.
    Unload(u32),
    /// It holds so many.
    Depth(Nanos, u32),
    /// Records are lost.
    Lost,
}

/// Tasks put into consecutive places of an inbox.
#[derive(Debug, Clone, Copy)]
pub struct Submit {
    /// Where.
    pub arg: InboxArg,
    /// By which task.
    pub parent: Parent,
    /// The first of them.
    pub time: Nanos,
    /// The time between two of them.
    pub spacing: Nanos,
    /// If a pause is hidden among submissions that share a look at the clock: the next look. Those without a
    /// time of their own then count as late as they can have been, so that no pool is blamed for a sleep in
    /// the pause.
    pub latest: Option<Nanos>,
    /// Whether the time was recorded.
    pub is_exact: bool,
}

/// Tasks put into a queue without positions.
#[derive(Debug, Clone, Copy)]
pub struct Put {
    /// Where.
    pub arg: PlaceArg,
    /// By which task.
    pub parent: Parent,
    /// When.
    pub time: Nanos,
}

/// Where tasks were taken from.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// An inbox.
    Inbox(InboxArg),
    /// The deque of a worker: its number.
    Deque(u32),
    /// Another queue.
    Place(PlaceArg),
    /// The offer of a worker: its number, the fork's address.
    Offer(u32, u64),
}

/// Tasks that were taken.
#[derive(Debug, Clone, Copy)]
pub struct Take {
    /// By which track.
    pub track: u32,
    /// From where.
    pub from: From,
    /// How many.
    pub count: u32,
    /// When.
    pub time: Nanos,
}

/// A fork that was offered.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// By which track.
    pub track: u32,
    /// In which task.
    pub parent: Parent,
    /// The fork's address.
    pub fork: u64,
    /// When.
    pub time: Nanos,
    /// About when it was forked.
    pub forked: Nanos,
}
