//! The owners of tasks: how a thread that ends a queued task finds the pool (or the lane) that counts it.
//!
//! A task may end while it is queued: its handle cancels it, its token is cancelled, its deadline passes. The
//! thread that ends it drops the closure, and its owner counts the end and releases the permit at that
//! moment. An empty entry stays in the queue, and the worker that finds it counts it as skipped only.
//!
//! A handle holds no more of its pool than a number. [`owner_of`] finds the owner by that number, in a table
//! of the process. An owner registers when it is built and is forgotten when it is dropped. The table is used
//! only when a task is cancelled, never when one is submitted or run.
//!
//! A thread of the parent may have held a lock of the table when the process was forked. So no lock is waited
//! for without limit: an owner that is not found counts its tasks when a worker finds them, as if there were
//! no table. Guarded by `tests/cancelling` and `tests/process_fork.rs`.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::thread;

use crate::base::unwind::Payload;
use crate::task::work::{Remains, Unstarted};

/// Counts tasks that end while they are queued.
pub trait TaskOwner: Send + Sync {
    /// Whether the owner can count the end of one more task before a worker finds its entry. `false` for a
    /// pool of the parent of a forked process, and if too many empty entries are queued: the queues of a
    /// bounded pool stay bounded.
    fn counts_early(&self) -> bool;

    /// Counts a task that is queued, and whose closure is gone or left to a helper thread, as ended for this
    /// reason, and releases its permit. Called after [`TaskOwner::counts_early`] has returned `true`.
    fn count_early(&self, why: Unstarted);

    /// Has a helper thread drop what an ended task has left. Returns it if there is no helper.
    fn take_remains(&self, remains: Remains) -> Option<Remains>;

    /// Gives the panic of a closure's drop to the user's panic handler.
    fn report(&self, payload: Payload);

    /// Says which tasks are lost because the process ends.
    fn at_process_end(&self);
}

/// Locks of the table. A power of two, more than there are threads that cancel at the same time.
const SHARDS: usize = 16;

/// How often a thread yields before it gives a lock up. A lock is held for some instructions.
const MOST_YIELDS: usize = 10_000;

type Shard = Vec<(u32, Weak<dyn TaskOwner>)>;

static OWNERS: [Mutex<Shard>; SHARDS] = [const { Mutex::new(Vec::new()) }; SHARDS];

fn shard(id: u32) -> Option<MutexGuard<'static, Shard>> {
    let shard = &OWNERS[id as usize % SHARDS];
    for _ in 0..MOST_YIELDS {
        match shard.try_lock() {
            Ok(shard) => return Some(shard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

/// Registers the owner with this number.
pub fn register(id: u32, owner: Weak<dyn TaskOwner>) {
    if let Some(mut shard) = shard(id) {
        shard.push((id, owner));
    }
}

/// Forgets the owner with this number, if it is registered.
pub fn forget(id: u32) {
    let forgotten = shard(id).and_then(|mut shard| {
        let place = shard.iter().position(|(of, _)| *of == id)?;
        Some(shard.swap_remove(place))
    });
    drop(forgotten); // after the lock is released
}

/// All owners.
pub fn all() -> Vec<Arc<dyn TaskOwner>> {
    let mut owners = Vec::new();
    for shard in (0..SHARDS as u32).filter_map(shard) {
        owners.extend(shard.iter().filter_map(|(_, owner)| owner.upgrade()));
    }
    owners
}

/// The owner with this number, if it can count the end of a task now.
#[cold]
pub fn owner_of(id: u32) -> Option<Arc<dyn TaskOwner>> {
    let owner = {
        let shard = shard(id)?;
        let (_, owner) = shard.iter().find(|(of, _)| *of == id)?;
        owner.upgrade()?
    };
    owner.counts_early().then_some(owner)
}
