//! The one queue of a pull pool. It belongs to all threads; producers put in at one end, workers take from the other.
//!
//! It is crossbeam's injector: of what was measured (also an unbounded `crossbeam-channel` and `SegQueue`) the fastest, or
//! as fast. That cannot be closed, so producers from outside pass [`Doors`].

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::Backoff;

use crate::base::counter::Counter;
use crate::primitives::doors::Doors;
use crate::primitives::task::Task;

/// Doors of a queue. More producers than this share some; each costs 128 bytes.
const DOORS: usize = 16;

thread_local! {
    /// This thread's door in every pool; none yet if it is not below [`DOORS`]. Constant and without a destructor: one
    /// instruction to reach, and usable while other thread-locals die.
    static DOOR: Cell<usize> = const { Cell::new(DOORS) };
}

/// See the module's text.
#[derive(Debug)]
pub struct Queue {
    tasks: Injector<Task>,
    doors: Doors<DOORS>,
    /// Places emptied by threads that are no workers, at shutdown.
    swept: Counter,
}

impl Queue {
    /// Open and empty.
    pub fn new() -> Self {
        Queue { tasks: Injector::new(), doors: Doors::new(), swept: Counter::default() }
    }

    /// Lets in `tasks` tasks from outside, which the caller then pushes; `false` if the queue is closed.
    #[inline]
    pub fn enter(&self, tasks: u64) -> bool {
        let door = DOOR.get();
        self.doors.enter(if door < DOORS { door } else { assign_door() }, tasks)
    }

    /// Tasks let in so far from outside.
    pub fn let_in(&self) -> u64 {
        self.doors.let_in()
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.doors.close();
    }

    /// Puts in a task that was let in.
    #[inline]
    pub fn push(&self, task: Task) {
        self.tasks.push(task);
    }

    /// Takes the oldest task. The caller counts it.
    #[inline]
    pub fn take(&self) -> Option<Task> {
        let backoff = Backoff::new();
        loop {
            match self.tasks.steal() {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                // Somebody else got one, so this loop ends after at most as many rounds as there are tasks.
                Steal::Retry => backoff.spin(),
            }
        }
    }

    /// Whether no task is in the queue.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Gives all tasks to `throw`, on any thread.
    pub fn sweep(&self, throw: impl Fn(Task)) {
        self.sweep_of(|| self.take(), throw);
    }

    /// As [`Queue::sweep`], of tasks that were let in here and lie elsewhere.
    pub fn sweep_of(&self, take: impl Fn() -> Option<Task>, throw: impl Fn(Task)) {
        while let Some(task) = take() {
            self.swept.add_shared(1);
            throw(task);
        }
    }

    /// Gives as many tasks as there are now to `sort`, on any thread; what comes back returns to the end of the queue.
    pub fn sift(&self, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        for _ in 0..self.tasks.len() {
            let Some(task) = self.take() else { return };
            self.sort(task, sort);
        }
    }

    /// Gives one to `sort` that was let in.
    pub fn sort(&self, task: Task, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        match sort(task) {
            // Its place is not counted as emptied, so the pool is not drained while it is in hand.
            Some(task) => self.tasks.push(task),
            None => _ = self.swept.add_shared(1),
        }
    }

    /// Places emptied by [`Queue::sweep`] and [`Queue::sift`].
    pub fn swept(&self) -> u64 {
        self.swept.get()
    }
}

/// Gives the thread its door: the next one in turn.
#[cold]
fn assign_door() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % DOORS; // only spreads
    DOOR.set(number);
    number
}
