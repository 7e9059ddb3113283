//! The list of all queues of a push pool, and what can be done with each: ask for work, ask whether it is
//! drained, drain it.
//!
//! The functions that ask the whole pool ("is there work?", "is it drained?") or empty it (discard, retain)
//! all walk this list. A new queue is added here; to `Remote::close` and the sums `pushed` and `depth` in
//! `shared.rs`; to `redistribute` in `kind.rs`, if it belongs to one worker; and to the sources that a
//! *worker* asks, in `worker/search.rs`.
//!
//! Called by any thread. Guarded by `tests/it/behaviour/shutdown_now.rs` and `pausing.rs`.

use std::sync::atomic::Ordering;

use crossbeam_deque::Stealer;

use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::queue::inbox::Taken;
use crate::queue::injector::retried;
use crate::task::erased::Task;

/// The most tasks taken out of an inbox at once while its tasks are sorted.
const RETAIN_BATCH: usize = 32;

/// A queue of the pool, or a place where tasks are between two queues.
#[derive(Debug, Clone, Copy)]
pub enum TaskQueue<'a> {
    /// Tasks pushed to a worker. A full inbox spills into the injector.
    Inbox(&'a Remote),
    /// Producers that hold tasks for the injector that no queue shows.
    InFlight(&'a PushShared),
    /// Tasks sent to one worker by its number or by a key.
    Mailbox(&'a Remote),
    /// Tasks that one worker alone may run.
    Broadcasts(&'a PushShared),
    /// Tasks that no inbox had room for.
    Injector(&'a PushShared),
    /// Tasks of high and low priority.
    Priorities(&'a PushShared),
    /// A worker's own tasks.
    Deque(&'a Remote),
    /// The oldest fork of a worker. The worker will join it, so it is never discarded.
    ForkSlot(&'a Remote),
}

impl PushShared {
    /// All queues, of present and of former workers. (The queues of former workers are empty; to read the set
    /// of present workers would cost a fence.)
    ///
    /// The order is the direction in which tasks move: from the inboxes through producers in flight to the
    /// injector, and from there into the deques. A reader in this order meets each task, except one that a
    /// worker moves at that moment.
    pub fn queues(&self) -> impl Iterator<Item = TaskQueue<'_>> {
        let remotes = || self.remotes.values();
        (remotes().map(TaskQueue::Inbox))
            .chain([TaskQueue::InFlight(self)])
            .chain(remotes().map(TaskQueue::Mailbox))
            .chain([TaskQueue::Broadcasts(self), TaskQueue::Injector(self), TaskQueue::Priorities(self)])
            .chain(remotes().map(TaskQueue::Deque))
            .chain(remotes().map(TaskQueue::ForkSlot))
    }

    /// Whether any queue has work; see [`TaskQueue::has_work`]. The order is of no consequence after the
    /// fence, so this is one pass over the workers: a searcher calls it for each task that it finds. (Four
    /// passes cost a round trip 40 ns of 370.)
    pub fn any_queue_has_work(&self) -> bool {
        let has_any = |remote| TaskQueue::of_worker(remote).into_iter().any(TaskQueue::has_work);
        TaskQueue::of_pool(self).into_iter().any(TaskQueue::has_work) || self.remotes.values().any(has_any)
    }
}

impl<'a> TaskQueue<'a> {
    /// The queues that the pool has once.
    fn of_pool(shared: &'a PushShared) -> [Self; 4] {
        use TaskQueue::{Broadcasts, InFlight, Injector, Priorities};
        [InFlight(shared), Broadcasts(shared), Injector(shared), Priorities(shared)]
    }

    /// The queues that each worker has.
    fn of_worker(remote: &'a Remote) -> [Self; 4] {
        use TaskQueue::{Deque, ForkSlot, Inbox, Mailbox};
        [Inbox(remote), Mailbox(remote), Deque(remote), ForkSlot(remote)]
    }
}

impl TaskQueue<'_> {
    /// Whether a worker that is about to park must not, because of this queue. Called after a sequentially
    /// consistent fence.
    pub fn has_work(self) -> bool {
        match self {
            TaskQueue::Inbox(remote) => remote.inbox.has_ready(),
            TaskQueue::Mailbox(remote) => !remote.mailbox.is_empty(),
            TaskQueue::Deque(remote) => !remote.stealer.is_empty(),
            TaskQueue::ForkSlot(remote) => remote.fork_slot.has_any(),
            TaskQueue::Injector(shared) => !shared.injector.is_empty(),
            TaskQueue::Priorities(shared) => !shared.priorities.are_empty(),
            // The producer notifies when its tasks are in the injector.
            TaskQueue::InFlight(_) => false,
            // Only one worker may run such a task, and that worker asks `Core::has_broadcast`.
            TaskQueue::Broadcasts(_) => false,
        }
    }

    /// Whether no task is in this queue or has left it for another one. Exact if the pool is closed and idle.
    pub fn is_drained(self) -> bool {
        match self {
            TaskQueue::Inbox(remote) => remote.inbox.len() == 0,
            // Read after the inboxes: a producer takes tasks out of an inbox only while it is counted here,
            // and the count falls after the tasks are in the injector. Acquire pairs with the Release in the
            // drop of `InFlight`: if the producer is counted no longer, its tasks are found in the injector.
            TaskQueue::InFlight(shared) => shared.in_flight.load(Ordering::Acquire) == 0,
            TaskQueue::Broadcasts(shared) => shared.is_out_of_broadcasts(),
            // A worker that has parked between tasks has joined all its forks.
            TaskQueue::ForkSlot(_) => true,
            TaskQueue::Mailbox(_)
            | TaskQueue::Injector(_)
            | TaskQueue::Priorities(_)
            | TaskQueue::Deque(_) => !self.has_work(),
        }
    }

    /// Gives tasks to `sink`, as many as `limit` says.
    pub fn drain(self, limit: DrainLimit, mut sink: impl FnMut(Task)) {
        match self {
            TaskQueue::Inbox(remote) if limit == DrainLimit::All => remote.inbox.drain_closed(sink),
            TaskQueue::Inbox(remote) => {
                let (mut left, mut batch) = (remote.inbox.len(), Vec::with_capacity(RETAIN_BATCH));
                while left > 0 && remote.inbox.take(left.min(RETAIN_BATCH), &mut batch) == Taken::Some {
                    left = left.saturating_sub(batch.len());
                    batch.drain(..).for_each(&mut sink);
                }
            }
            TaskQueue::Mailbox(remote) => {
                let tasks = 0..limit.of(remote.mailbox.len());
                tasks.map_while(|_| remote.mailbox.take()).for_each(sink);
            }
            TaskQueue::Injector(shared) => {
                let batches = (0..limit.of(shared.injector.len())).map_while(|_| shared.take_injected());
                batches.for_each(|mut batch: TaskBatch| {
                    std::iter::from_fn(|| batch.pop()).for_each(&mut sink);
                });
            }
            TaskQueue::Deque(remote) => {
                drain_deque(&remote.stealer, limit.of(remote.stealer.len()), sink);
            }
            TaskQueue::Broadcasts(shared) => shared.drain_broadcasts(sink),
            TaskQueue::Priorities(shared) if limit == DrainLimit::All => {
                let tasks = std::iter::from_fn(|| shared.priorities.take_any());
                tasks.map(|(_, task)| task).for_each(sink);
            }
            TaskQueue::Priorities(shared) => shared.priorities.drain_present(sink),
            TaskQueue::InFlight(_) | TaskQueue::ForkSlot(_) => {}
        }
    }
}

/// How many tasks are drained from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainLimit {
    /// All, until the queue is empty. The pool is closed.
    All,
    /// As many as are queued now. The pool may be open.
    Present,
}

impl DrainLimit {
    fn of(self, queued: usize) -> usize {
        if self == DrainLimit::All { usize::MAX } else { queued }
    }
}

/// Gives up to `most` tasks of a deque to `sink`, the oldest first.
pub fn drain_deque(deque: &Stealer<Task>, most: usize, sink: impl FnMut(Task)) {
    std::iter::from_fn(|| retried(|| deque.steal())).take(most).for_each(sink);
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::*;
    use crate::Pool;

    #[test]
    fn the_lists_by_owner_name_the_queues_of_the_whole_list() {
        let pool = Pool::builder().workers(1).build().unwrap();
        let shared = &*pool.shared;
        let by_owner = TaskQueue::of_pool(shared)
            .into_iter()
            .chain(shared.remotes.values().flat_map(TaskQueue::of_worker));
        let (mut by_owner, mut all): (Vec<_>, Vec<_>) = (by_owner.collect(), shared.queues().collect());
        let name = |queue: &TaskQueue<'_>| format!("{:?}", discriminant(queue));
        by_owner.sort_by_key(name);
        all.sort_by_key(name);
        assert!(by_owner.iter().map(name).eq(all.iter().map(name)), "{by_owner:?} and {all:?}");
    }
}
