//! A thread that waits for a semaphore: `wait_for` of `submit/admission.rs`, without its spinning, and
//! without tasks that run meanwhile, for which a worker leaves the queue and enters it anew.

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::wait_queue::{Acquired, Semaphore, WaitNode, WaitState};
use crate::code::waiter::Waiter;

/// The calling thread.
pub fn this_thread() -> Waiter {
    Waiter::Thread(thread::current())
}

/// Waits for `weight`; `false` if the semaphore is closed.
pub fn acquire(semaphore: &impl Semaphore, weight: u64) -> bool {
    match semaphore.acquire_or_enqueue(weight, this_thread()) {
        Acquired::Ready => true,
        Acquired::Closed => false,
        Acquired::Queued(node) => wait(semaphore, &node) == WaitState::Granted,
    }
}

/// Waits for the result of a node, which another thread may have enqueued.
pub fn wait(semaphore: &impl Semaphore, node: &WaitNode) -> WaitState {
    while node.state() == WaitState::Waiting {
        if leaves_out("setting the waker") || semaphore.set_waker(node, this_thread()) {
            thread::park();
        }
    }
    node.state()
}
