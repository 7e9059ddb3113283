//! The one queue of a pull pool, and its doors: where tasks from outside are counted, and refused once it is closed.
//!
//! A queue that ends exactly needs an exact answer to "has everything been taken that was let in?", also while a producer
//! is between the two. One counter for all producers would answer it, at the price of a second place where they all
//! meet. So there are several, each on a cache line of its own, and a thread keeps to one. Closing shuts all of them, one
//! after the other; from then on their counts stand still.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::{Backoff, CachePadded};

use crate::base::counter::Counter;
use crate::primitives::task::Task;

/// Doors of a queue. More producers than this share some; each costs 128 bytes.
const DOORS: usize = 16;

/// Set in a door that is closed; the count is in the bits below.
const CLOSED: u64 = 1 << 63;

thread_local! {
    /// This thread's door in every pool; none yet if it is not below [`DOORS`]. Constant and without a destructor, as
    /// the home of a push pool's producer.
    static DOOR: Cell<usize> = const { Cell::new(DOORS) };
}

/// See the module's text.
#[derive(Debug)]
pub struct Queue {
    tasks: Injector<Task>,
    doors: [CachePadded<AtomicU64>; DOORS],
    /// Places emptied by threads that are no workers, at shutdown.
    swept: Counter,
}

impl Queue {
    /// Open and empty.
    pub fn new() -> Self {
        Queue { tasks: Injector::new(), doors: Default::default(), swept: Counter::default() }
    }

    #[inline]
    fn door(&self) -> &AtomicU64 {
        let number = DOOR.get();
        &self.doors[if number < DOORS { number } else { assign_door() }]
    }

    /// Lets in `tasks` tasks from outside, which the caller then pushes; `false` if the queue is closed.
    #[inline]
    pub fn enter(&self, tasks: u64) -> bool {
        let door = self.door();
        let mut count = door.load(Ordering::Relaxed); // only a guess for the CAS
        while count & CLOSED == 0 {
            // Relaxed: a compare-and-swap sees the last value whatever its ordering, so a count that was read after the
            // close is final; and whoever has taken a task sees that it was counted, through the queue.
            match door.compare_exchange_weak(count, count + tasks, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => count = current,
            }
        }
        false
    }

    /// Tasks let in so far from outside.
    pub fn let_in(&self) -> u64 {
        // Relaxed: see `enter`.
        self.doors.iter().map(|door| door.load(Ordering::Relaxed) & !CLOSED).sum()
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        // Relaxed: who sees the phase that is entered next sees the doors closed.
        self.doors.iter().for_each(|door| _ = door.fetch_or(CLOSED, Ordering::Relaxed));
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
        while let Some(task) = self.take() {
            self.swept.add_shared(1);
            throw(task);
        }
    }

    /// Places emptied by [`Queue::sweep`].
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
