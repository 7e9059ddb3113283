//! A waiter: a thread or a future that wants to be woken once.

use std::task::Waker;

use crate::base::facade::thread;
use crate::base::unwind;

/// Wakes a thread or a future when the event that it waits for has happened.
#[derive(Debug)]
pub enum Waiter {
    /// A thread that parks until then.
    Thread(thread::Thread),
    /// A future's task.
    Waker(Waker),
}

impl Waiter {
    /// Wakes it.
    pub fn wake(self) {
        match self {
            Waiter::Thread(thread) => thread.unpark(),
            // A waker is user code.
            Waiter::Waker(waker) => {
                if let Err(payload) = unwind::catch(|| waker.wake()) {
                    unwind::drop_silently(payload);
                }
            }
        }
    }
}
