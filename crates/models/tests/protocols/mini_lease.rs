//! A thread that borrows a worker of the pool in miniature: `push/lease.rs`, the same operations in the same order.

use longshore_models::mutation::leaves_out;

use super::mini::Pool;
use super::mini_worker::Worker;
use crate::code::facade::Ordering;
use crate::code::idle::Lease;

struct LeasedWorker<'a> {
    pool: &'a Pool,
    worker: *const Worker,
    loan: Option<Lease>,
}

impl Pool {
    /// `enter` from outside, when a worker can be borrowed. Otherwise `f` comes back, to be sent in.
    pub fn enter<F: FnOnce(&Worker)>(&self, f: F) -> Result<(), F> {
        let Some(guest) = self.borrow() else { return Err(f) };
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        self.running.fetch_add(1, relaxed);
        f(guest.worker());
        self.running.fetch_sub(1, relaxed);
        Ok(())
    }

    fn borrow(&self) -> Option<LeasedWorker<'_>> {
        if !self.is_open() {
            return None;
        }
        let loan = self.idle.lease()?;
        if !leaves_out("looking at the phase again") && !self.is_open() {
            self.take_back(loan);
            return None;
        }
        let worker = self.owners[loan.worker()].load(Ordering::Relaxed);
        let guest = LeasedWorker { pool: self, worker, loan: Some(loan) };
        guest.worker().lend();
        Some(guest)
    }

    fn take_back(&self, loan: Lease) {
        self.idle.end_lease(loan);
        if !self.is_open() {
            if !leaves_out("waking everyone after a loan") {
                self.idle.wake_all();
            }
        } else if !leaves_out("the look at work after a loan") && self.has_work() {
            self.idle.notify();
        }
    }
}

impl LeasedWorker<'_> {
    fn worker(&self) -> &Worker {
        // SAFETY: it lies in a frame of its own thread, or so we check.
        unsafe { &*self.worker }
    }
}

impl Drop for LeasedWorker<'_> {
    fn drop(&mut self) {
        self.worker().take_home();
        self.loan.take().into_iter().for_each(|loan| self.pool.take_back(loan));
    }
}
