//! Who waits in front of a room or a budget, as `admission::wait_for` without a spin.

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::wait_queue::{Acquire, Semaphore, WaitMode, WaitNode, WaitState};
use crate::code::waiter::Waiter;

/// The calling thread.
pub fn me() -> Waiter {
    Waiter::Thread(thread::current())
}

/// Waits for `weight`; whether it has got it.
pub fn wait(office: &impl Semaphore, weight: u64, manner: WaitMode) -> bool {
    loop {
        match office.enqueue(weight, manner, me()) {
            Acquire::Ready => return true,
            Acquire::Closed => return false,
            Acquire::Queued(node) => match sleep(office, &node) {
                WaitState::Closed => return false,
                WaitState::Granted if manner == WaitMode::Handoff => return true,
                WaitState::Granted | WaitState::Waiting => {} // asks again
            },
        }
    }
}

/// Waits for the verdict on a node, whoever drew it.
pub fn sleep(office: &impl Semaphore, node: &WaitNode) -> WaitState {
    while node.state() == WaitState::Waiting {
        if leaves_out("having oneself woken") || office.set_waker(node, me()) {
            thread::park();
        }
    }
    node.state()
}
