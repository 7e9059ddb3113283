//! A wait for a latch that another pool sets. The latch is on the stack of the waiting thread, which is the
//! only one to wait; a worker of the other pool sets it. Models: `latches`. Tests: `tests/it/joins/pools.rs`,
//! `tests/it/scopes.rs`.

use std::thread;

use crate::runtime::current;
use crate::runtime::stall::Target;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::sync::latch::{Latch, LatchResult};

/// A latch that work in another pool sets.
pub struct AwaitedLatch<'a> {
    latch: &'a Latch,
    pool: u32,
}

impl<'a> AwaitedLatch<'a> {
    /// A latch that the pool with id `pool` sets. The calling thread is not a worker of that pool.
    pub fn new(latch: &'a Latch, pool: u32) -> Self {
        AwaitedLatch { latch, pool }
    }

    /// Waits until the latch is set. A worker of a pool has a stand-in meanwhile.
    pub fn wait(mut self) -> LatchResult {
        loop {
            if let Some(result) = self.latch.result() {
                return result;
            }
            if let Waited::NoStack(_) = current::wait_until(&mut self, None) {
                // The operating system gives no thread with a fresh stack: the wait goes on without.
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

    fn target(&self) -> Target {
        Target::Work(self.pool)
    }

    fn unpark_me(&mut self) {
        // SAFETY: `Latch::arm` is called by the one thread that waits. This wait borrows the latch on the
        // thread's stack, `wait` consumes `self`, and in a deep wait the first thread sleeps while another
        // one waits in its place.
        if !unsafe { self.latch.arm() } {
            thread::current().unpark(); // it is set; the park that follows returns at once
        }
    }
}
