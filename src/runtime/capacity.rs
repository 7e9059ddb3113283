//! The capacity of a bounded pool: the permits that tasks hold while they wait, or, in a rendezvous pool
//! (capacity 0), until they have ended.
//!
//! Part of the pool's `Core`; any thread may call it. The permits are in `limits/permits.rs`. Model:
//! `permits`. Tests: `tests/it/behaviour/bounded.rs`, `tests/it/behaviour/waiting_for_permits.rs`,
//! `tests/elastic/bounded.rs`.

use std::sync::Arc;

use crate::limits::permits::Permits;
use crate::limits::wait_queue::Semaphore;
use crate::runtime::config::{Config, ThreadUse};
use crate::runtime::stripe::{self, STRIPES};
use crate::sys::barrier;
use crate::task::counts::{HeldUntil, PermitReturn};

/// How many tasks may wait in a bounded pool.
#[derive(Debug)]
pub struct Capacity {
    /// The permits.
    pub permits: Arc<Permits>,
    held: HeldUntil,
    /// Whether a thread that has queued a task then runs it, because the pool has no threads.
    pub is_in_caller: bool,
}

/// A pool without threads has a capacity that is never used up, because admission is where its tasks leave
/// the path of the tasks of all other pools.
const WITHOUT_LIMIT: usize = isize::MAX as usize / 2;

impl Capacity {
    /// The capacity that `config` sets; `None` for an unbounded pool.
    pub fn new(config: &Config) -> Option<Self> {
        let is_in_caller = config.threads == ThreadUse::Callers;
        let capacity = config.capacity.or(is_in_caller.then_some(WITHOUT_LIMIT))?;
        // With capacity 0 as many tasks are admitted as there may be workers (see `allow_workers`). If the
        // pool has fewer workers now, the admitted tasks make it grow.
        let (limit, held) =
            if capacity == 0 { (config.limits.max, HeldUntil::End) } else { (capacity, HeldUntil::Start) };
        let (workers, most) = (config.limits.min, config.limits.capacity());
        let permits = Arc::new(Permits::new(limit as u64, STRIPES, workers, most, barrier::barrier()));
        Some(Capacity { permits, held, is_in_caller })
    }

    /// How many threads and futures wait for permits.
    pub fn waiting_submitters(&self) -> u64 {
        self.permits.waiting()
    }

    /// The handle by which worker `index` returns permits.
    pub fn permit_return(&self, index: usize) -> PermitReturn {
        self.permits.make_release_counter(index);
        PermitReturn { permits: self.permits.clone(), worker: index, held: self.held }
    }

    /// The permits of a rendezvous pool: their number follows the number of workers that there may be.
    fn rendezvous(&self) -> Option<&Permits> {
        (self.held == HeldUntil::End).then_some(&*self.permits)
    }

    /// In a rendezvous pool: `workers` more workers may work. May call wakers.
    pub fn allow_workers(&self, workers: usize) {
        if let Some(permits) = self.rendezvous().filter(|_| workers > 0) {
            permits.release_from_outside(workers as u64);
        }
    }

    /// Takes [`Capacity::allow_workers`] back. If more tasks are admitted already, the next tasks that end
    /// return no permit.
    pub fn disallow_workers(&self, workers: usize) {
        let Some(permits) = self.rendezvous() else { return };
        let mut left = workers as u64;
        while left > 0 {
            // The permits are acquired and kept, like those of a task that never ends. To count them as taken
            // is not enough, because producers hold some of the free permits in their stripes.
            match permits.try_acquire(stripe::current(), left) {
                0 => return permits.overdraw_from_outside(left),
                taken => left -= taken,
            }
        }
    }
}
