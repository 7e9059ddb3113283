//! A thread that leases a worker of the pool in miniature: the operations of `push/lease.rs`, in the same
//! order.

use longshore_models::mutation::leaves_out;

use super::mini::Pool;
use super::mini_worker::Worker;
use crate::code::facade::Ordering;
use crate::code::idle::Lease;

struct LeasedWorker<'a> {
    pool: &'a Pool,
    worker: *const Worker,
    lease: Option<Lease>,
}

impl Pool {
    /// Calls `f` with a leased worker, or returns `f` if no worker can be leased.
    pub fn enter<F: FnOnce(&Worker)>(&self, f: F) -> Result<(), F> {
        let Some(leased) = self.lease_worker() else { return Err(f) };
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        self.running.fetch_add(1, relaxed);
        f(leased.worker());
        self.running.fetch_sub(1, relaxed);
        Ok(())
    }

    fn lease_worker(&self) -> Option<LeasedWorker<'_>> {
        if !self.is_open() {
            return None;
        }
        let lease = self.idle.lease()?;
        if !leaves_out("looking at the phase again") && !self.is_open() {
            self.return_worker(lease);
            return None;
        }
        let worker = self.owners[lease.worker()].load(Ordering::Relaxed);
        let leased = LeasedWorker { pool: self, worker, lease: Some(lease) };
        leased.worker().set_leased(true);
        Some(leased)
    }

    fn return_worker(&self, lease: Lease) {
        self.idle.end_lease(lease);
        if !self.is_open() {
            if !leaves_out("waking all workers after a lease") {
                self.idle.wake_all();
            }
        } else if !leaves_out("the look at work after a lease") && self.has_work() {
            self.idle.notify();
        }
    }
}

impl LeasedWorker<'_> {
    fn worker(&self) -> &Worker {
        // SAFETY: the worker is in a frame of its own thread, which is not left during the lease; the model
        // checks that.
        unsafe { &*self.worker }
    }
}

impl Drop for LeasedWorker<'_> {
    fn drop(&mut self) {
        self.worker().set_leased(false);
        self.lease.take().into_iter().for_each(|lease| self.pool.return_worker(lease));
    }
}
