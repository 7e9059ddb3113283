//! A waiter: a thread or a future that waits to be woken once.
//!
//! Its owner is the event that it waits for (a result slot, a wait queue, a cancel token), which any thread
//! may trigger. Guarded by the models `result_slot_waiting`, `permits` and `budgets`.

use std::task::Waker;

use crate::base::facade::thread;
use crate::base::unwind;

/// Wakes a thread or a future when the event that it waits for has happened.
#[derive(Debug)]
pub enum Waiter {
    /// A parked thread.
    Thread(thread::Thread),
    /// The task of a future.
    Waker(Waker),
}

impl Waiter {
    /// Wakes the thread or the future.
    pub fn wake(self) {
        match self {
            Waiter::Thread(thread) => thread.unpark(),
            // A waker is user code and may panic.
            Waiter::Waker(waker) => {
                if let Err(payload) = unwind::catch(|| waker.wake()) {
                    unwind::drop_silently(payload);
                }
            }
        }
    }
}
