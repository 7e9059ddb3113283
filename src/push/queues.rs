//! Every queue of a push pool that can hold a task, listed once.
//!
//! "Is there work", "is the pool drained", "discard what is queued" and "keep only some of it" are questions to this list.
//! A queue that is added here is looked at by all of them. The order in which a *worker* looks for its next task is in
//! `worker/search.rs`.

use std::hint::spin_loop;
use std::sync::atomic::Ordering;

use crossbeam_deque::{Steal, Stealer};

use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::queue::inbox::Taken;
use crate::task::erased::Task;

/// The most tasks that are taken out of an inbox at once when its tasks are looked through.
const RETAIN_BATCH: usize = 32;

/// A queue of the pool, or a place where tasks are on their way between queues.
#[derive(Debug, Clone, Copy)]
pub enum TaskQueue<'a> {
    /// Tasks pushed to a worker. Full inboxes are emptied into the injector.
    Inbox(&'a Remote),
    /// Producers with tasks that no queue shows, on their way to the injector.
    InFlight(&'a PushShared),
    /// Tasks sent to one worker on purpose.
    Mailbox(&'a Remote),
    /// Tasks that one worker alone may run.
    Broadcasts(&'a PushShared),
    /// Tasks that no inbox had room for.
    Injector(&'a PushShared),
    /// Tasks of high and low priority.
    Priorities(&'a PushShared),
    /// A worker's own tasks.
    Deque(&'a Remote),
    /// The oldest fork of a worker. Its owner waits for it, so it is never discarded.
    ForkSlot(&'a Remote),
}

impl PushShared {
    /// All queues, of the workers that there are and of those that there were (their queues are empty, and the set of the
    /// present ones costs a fence to read).
    ///
    /// The order is the direction in which tasks move: from the inboxes by way of producers to the injector, and from there
    /// into the deques. A reader that follows it meets each task, unless a worker moves the task just then.
    pub fn queues(&self) -> impl Iterator<Item = TaskQueue<'_>> {
        self.of_each_worker(TaskQueue::Inbox)
            .chain([TaskQueue::InFlight(self)])
            .chain(self.of_each_worker(TaskQueue::Mailbox))
            .chain([TaskQueue::Broadcasts(self), TaskQueue::Injector(self), TaskQueue::Priorities(self)])
            .chain(self.of_each_worker(TaskQueue::Deque))
            .chain(self.of_each_worker(TaskQueue::ForkSlot))
    }

    fn of_each_worker<'a>(
        &'a self,
        queue: impl Fn(&'a Remote) -> TaskQueue<'a>,
    ) -> impl Iterator<Item = TaskQueue<'a>> {
        self.remotes.values().map(queue)
    }
}

impl TaskQueue<'_> {
    /// Whether a worker that is about to park would miss something here. After a sequentially consistent fence.
    pub fn has_work(self) -> bool {
        match self {
            TaskQueue::Inbox(remote) => remote.inbox.has_ready(),
            TaskQueue::Mailbox(remote) => !remote.mailbox.is_empty(),
            TaskQueue::Deque(remote) => !remote.stealer.is_empty(),
            TaskQueue::ForkSlot(remote) => remote.fork_slot.has_any(),
            TaskQueue::Injector(shared) => !shared.injector.is_empty(),
            TaskQueue::Priorities(shared) => !shared.priorities.are_empty(),
            // A producer in flight notifies when its tasks are in the injector.
            TaskQueue::InFlight(_) => false,
            // Work for one worker alone, which asks `Core::has_broadcast`.
            TaskQueue::Broadcasts(_) => false,
        }
    }

    /// Whether nothing is here, or on its way from here. Exact when no worker runs and the pool is closed.
    pub fn is_drained(self) -> bool {
        match self {
            TaskQueue::Inbox(remote) => remote.inbox.len() == 0,
            // Read after the inboxes: a task leaves an inbox while its mover is counted here, and the count falls when the task
            // is in the injector. Acquire pairs with the Release of that fall.
            TaskQueue::InFlight(shared) => shared.in_flight.load(Ordering::Acquire) == 0,
            TaskQueue::Broadcasts(shared) => shared.is_out_of_broadcasts(),
            // A worker that rests has no fork that is not taken.
            TaskQueue::ForkSlot(_) => true,
            TaskQueue::Mailbox(_)
            | TaskQueue::Injector(_)
            | TaskQueue::Priorities(_)
            | TaskQueue::Deque(_) => !self.has_work(),
        }
    }

    /// Gives every task to `sink`, until there is none. The pool is closed.
    pub fn drain(self, mut sink: impl FnMut(Task)) {
        match self {
            TaskQueue::Inbox(remote) => remote.inbox.drain_closed(sink),
            TaskQueue::Mailbox(remote) => std::iter::from_fn(|| remote.mailbox.take()).for_each(sink),
            TaskQueue::Deque(remote) => drain_deque(&remote.stealer, usize::MAX, sink),
            TaskQueue::Broadcasts(shared) => shared.drain_broadcasts(sink),
            TaskQueue::Priorities(shared) => {
                std::iter::from_fn(|| shared.priorities.take_any()).for_each(sink)
            }
            TaskQueue::Injector(shared) => {
                while let Some(mut batch) = shared.take_injected() {
                    std::iter::from_fn(|| batch.pop()).for_each(&mut sink);
                }
            }
            TaskQueue::InFlight(_) | TaskQueue::ForkSlot(_) => {}
        }
    }

    /// Gives as many tasks to `sink` as there are now. The pool may be open.
    pub fn drain_present(self, mut sink: impl FnMut(Task)) {
        match self {
            TaskQueue::Inbox(remote) => {
                let (mut left, mut batch) = (remote.inbox.len(), Vec::with_capacity(RETAIN_BATCH));
                while left > 0 && remote.inbox.take(left.min(RETAIN_BATCH), &mut batch) == Taken::Some {
                    left = left.saturating_sub(batch.len());
                    batch.drain(..).for_each(&mut sink);
                }
            }
            TaskQueue::Mailbox(remote) => {
                (0..remote.mailbox.len()).map_while(|_| remote.mailbox.take()).for_each(sink);
            }
            TaskQueue::Injector(shared) => {
                let batches = (0..shared.injector.len()).map_while(|_| shared.take_injected());
                batches.for_each(|mut batch: TaskBatch| {
                    std::iter::from_fn(|| batch.pop()).for_each(&mut sink);
                });
            }
            TaskQueue::Deque(remote) => drain_deque(&remote.stealer, remote.stealer.len(), sink),
            TaskQueue::Broadcasts(shared) => shared.drain_broadcasts(sink),
            TaskQueue::Priorities(shared) => shared.priorities.drain_present(sink),
            TaskQueue::InFlight(_) | TaskQueue::ForkSlot(_) => {}
        }
    }
}

/// Gives up to `most` tasks of a deque to `sink`, the oldest first.
pub fn drain_deque(deque: &Stealer<Task>, most: usize, mut sink: impl FnMut(Task)) {
    let mut left = most;
    while left > 0 {
        match deque.steal() {
            Steal::Success(task) => {
                left -= 1;
                sink(task);
            }
            // Another thread got one, so this loop ends after at most as many rounds as there are tasks.
            Steal::Retry => spin_loop(),
            Steal::Empty => return,
        }
    }
}
