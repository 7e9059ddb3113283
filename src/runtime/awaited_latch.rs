//! A latch on the calling thread's stack, to wait for from outside the pool that sets it.

use std::thread;

use crate::runtime::current;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::sync::latch::{Latch, LatchResult};
use crate::task::counts::TaskCounts;

/// A latch on the calling thread's stack that work in the pool of number `pool` sets, to wait for.
pub struct AwaitedLatch<'a> {
    latch: &'a Latch,
    pool: u32,
}

impl<'a> AwaitedLatch<'a> {
    /// The latch of a thread that does not act as a worker of that pool.
    pub fn new(latch: &'a Latch, pool: u32) -> Self {
        AwaitedLatch { latch, pool }
    }

    /// Waits until it is set; a worker of another pool serves that meanwhile.
    pub fn wait(mut self) -> LatchResult {
        loop {
            if let Some(verdict) = self.latch.verdict() {
                return verdict;
            }
            let waited = current::wait_until(&mut self, None);
            if let Waited::NoStack(_) = waited {
                // No thread to be had that serves this pool meanwhile: the wait goes on without.
                let _ = wait::block(&mut self, None);
            }
        }
    }
}

impl Awaited for AwaitedLatch<'_> {
    fn is_done(&self) -> bool {
        self.latch.is_set()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool == pool
    }

    fn run_here(&mut self, _: &TaskCounts) -> bool {
        false // its pool is another one
    }

    fn unpark_me(&mut self) {
        // SAFETY: this is the only one to wait, one thread at a time.
        if !unsafe { self.latch.arm() } {
            thread::current().unpark(); // it has come; the park that follows returns at once
        }
    }
}
