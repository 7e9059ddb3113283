//! Workers whose threads the pool does not start: a thread of the user works as one ([`SuppliedWorker`]), or
//! the calling thread becomes one and goes on with its own work ([`adopt`]).
//!
//! The pool does not wait for these threads at its end, and keeps no handle of them. A pool has either such
//! workers or workers with threads of its own, never both. The thread that builds the pool assigns the
//! numbers; each worker then belongs to the thread that supplies it. Guarded by `tests/rayon_core_support.rs`
//! and by rayon's own tests (`.ci/dropin`).

use std::sync::Arc;
use std::time::Instant;

use crate::runtime::core::Core;
use crate::runtime::current_pool;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::worker_thread::{ThreadEnd, assign_number, deregister_worker, roll_back, run_worker};
use crate::workers::roster::SpawnReason;

/// A worker that waits for its thread. If it is dropped, the pool goes on without the worker.
#[derive(Debug)]
pub struct SuppliedWorker<M: PoolKind> {
    /// `None` once the worker runs.
    shared: Option<Arc<M>>,
    number: usize,
}

impl<M: PoolKind> SuppliedWorker<M> {
    /// The next worker of the pool, or `None` if the pool has all its workers. Tasks may be pushed to the
    /// worker from now on; other workers can steal them.
    pub fn assign(shared: &Arc<M>) -> Option<Self> {
        let assigned = assign_number(&**shared, SpawnReason::Floor).ok()?;
        Some(SuppliedWorker { shared: Some(shared.clone()), number: assigned.number })
    }

    /// The number of the worker.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The pool.
    pub fn core(&self) -> &Core {
        self.shared.as_ref().expect("only `run` and the drop take it")
    }

    /// Works as this worker until the pool has ended.
    pub fn run(mut self) {
        let Some(shared) = self.shared.take() else { return };
        let role_before = current_pool::enter_pool(shared.id);
        match run_worker(&shared, self.number, None) {
            // The thread belongs to the user, so it is not kept as a spare thread.
            ThreadEnd::PoolEnd | ThreadEnd::Gone | ThreadEnd::Spare => {}
        }
        current_pool::enter_pool(role_before);
    }
}

impl<M: PoolKind> Drop for SuppliedWorker<M> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            roll_back(&*shared, SpawnReason::Floor, self.number);
        }
    }
}

/// Makes the calling thread the next worker of the pool, for the rest of its life. The thread does not search
/// for tasks by itself: it runs tasks when it waits inside the pool. Returns the number of the worker, or
/// `None` if the pool has all its workers.
///
/// `become_current` makes a worker the current worker of the calling thread for good. The worker is leaked.
pub fn adopt<M: PoolKind>(shared: &Arc<M>, become_current: impl FnOnce(&'static M::Worker)) -> Option<usize> {
    let number = assign_number(&**shared, SpawnReason::Floor).ok()?.number;
    shared.worker_record(number).metrics.alive.begin(shared.nanos(Instant::now()));
    become_current(Box::leak(Box::new(M::worker(shared.clone(), number))));
    current_pool::enter_pool(shared.id);
    Some(number)
}

/// Lets a closed pool end without the adopted worker `number`, whose thread is not in the middle of a task of
/// the pool. The tasks in its queues go to the other workers.
pub fn release_adopted<M: PoolKind>(shared: &M, number: usize) {
    match deregister_worker(shared, number, None) {
        ThreadEnd::PoolEnd | ThreadEnd::Gone | ThreadEnd::Spare => {}
    }
}
