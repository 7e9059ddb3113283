//! What several models share: threads, a queue that gives one value at a time, and a worker that parks.

use std::sync::Arc;

use loom::thread::JoinHandle;

use crate::code::facade::thread;
use crate::code::idle::{Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::{Inbox, Taken};

/// Starts a thread that runs `f` with the shared value.
pub fn spawn<S: 'static, T: 'static>(shared: &Arc<S>, f: impl FnOnce(&S) -> T + 'static) -> JoinHandle<T> {
    let shared = shared.clone();
    loom::thread::spawn(move || f(&shared))
}

/// Waits for the end of a thread and returns its result.
pub fn end<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

/// Takes one value. A worker of the library takes batches, and keeps the rest as visible in its deque as it
/// is here.
pub fn take<T>(queue: &Inbox<T>) -> Option<T> {
    let mut batch = Vec::new();
    match queue.take(1, &mut batch) {
        Taken::Some => batch.pop(),
        Taken::Nothing | Taken::Contended => None,
    }
}

/// The values in ascending order.
pub fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values
}

/// Parks a worker until it is chosen, unless `has_work`. Returns its role afterwards, which is `awake` if it
/// was not chosen.
pub fn park(
    idle: &Idle,
    slot: &Arc<ParkSlot>,
    role: Role,
    has_work: impl FnOnce() -> bool,
    awake: Role,
) -> Role {
    idle.prepare_park(slot, role, ParkReason::Idle);
    if !has_work() {
        while slot.park_state() != ParkState::Awake {
            thread::park();
        }
    }
    idle.cancel_park(slot, awake).expect("no worker is leased here")
}
