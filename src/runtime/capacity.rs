//! The capacity of a bounded pool: the permits that a task holds while it waits, or, in a rendezvous pool, until it has ended.

use std::sync::Arc;

use crate::limits::permits::Permits;
use crate::limits::wait_queue::Semaphore;
use crate::runtime::config::Config;
use crate::runtime::stripe::{self, STRIPES};
use crate::sys::barrier;
use crate::task::counts::{PermitReturn, PermitScope};

/// How many tasks may wait in a bounded pool.
#[derive(Debug)]
pub struct Capacity {
    /// The permits.
    pub permits: Arc<Permits>,
    held: PermitScope,
}

impl Capacity {
    /// As `config` asks for.
    pub fn new(config: &Config) -> Option<Self> {
        let capacity = config.capacity?;
        // Where none may wait, as many tasks are let in as there may be workers for them at once (see `widen`). In a pool that
        // has fewer just now they have it grow.
        let (limit, held) = if capacity == 0 {
            (config.limits.max, PermitScope::UntilEnd)
        } else {
            (capacity, PermitScope::UntilStart)
        };
        let (workers, most) = (config.limits.min, config.limits.capacity());
        let permits = Arc::new(Permits::new(limit as u64, STRIPES, workers, most, barrier::barrier()));
        Some(Capacity { permits, held })
    }

    /// How many wait for permits.
    pub fn blocked(&self) -> u64 {
        self.permits.waiting()
    }

    /// Where worker `index` gives permits back.
    pub fn permit_return(&self, index: usize) -> PermitReturn {
        self.permits.make_release_counter(index);
        PermitReturn { permits: self.permits.clone(), worker: index, held: self.held }
    }

    /// The permits of a pool in which no task may wait: their number follows the number of workers that there may be.
    fn rendezvous(&self) -> Option<&Permits> {
        (self.held == PermitScope::UntilEnd).then_some(&*self.permits)
    }

    /// In a pool in which no task may wait: `workers` more may work. May call wakers.
    pub fn add_permits(&self, workers: usize) {
        if let Some(permits) = self.rendezvous()
            && workers > 0
        {
            permits.release_from_outside(workers as u64);
        }
    }

    /// Takes that back. If more tasks are there already, the next that end make no permits.
    pub fn reduce_permits(&self, workers: usize) {
        let Some(permits) = self.rendezvous() else { return };
        let mut left = workers as u64;
        while left > 0 {
            // Kept from now on, like that of a task which never ends. What is free lies with producers in part, so it must be
            // taken, not only counted as taken.
            match permits.try_acquire(stripe::current(), left) {
                0 => return permits.overdraw_from_outside(left),
                taken => left -= taken,
            }
        }
    }
}
