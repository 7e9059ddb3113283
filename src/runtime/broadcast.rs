//! Orders: tasks that one certain worker has to run, and nobody else may. A broadcast gives one to each.
//!
//! They lie in a mailbox of the worker's record. A worker that runs tasks comes to them because [`Request::Broadcast`] stands
//! beside the phase as long as any order is left; one that sleeps is woken, by number; one that searches looks at its own
//! mailbox like at any queue. Why none is overlooked is argued in `docs/idle.md`.

use crate::runtime::control::Request;
use crate::runtime::core::Core;
use crate::task::erased::Task;

impl Core {
    /// Gives each of `workers` the task that `pack` makes for its number, but for those that are about to leave the pool;
    /// `false`, and no task is made, if the pool is closed. `pack` runs no user code.
    pub fn send_broadcast(&self, workers: &[usize], mut pack: impl FnMut(usize) -> Task) -> bool {
        let accepted = self.broadcast_gate.pass(|state| {
            if state.is_closed || !self.request(Request::Broadcast) {
                return false;
            }
            for &worker in workers {
                // Closed for a worker that has gone in the meantime.
                if let Some(opening) = self.record(worker).broadcasts.open() {
                    // Counted first: a snapshot reads starts before submissions.
                    self.metrics.broadcast.add_shared(1);
                    opening.put(pack(worker));
                    // Who takes it passes the gate after us.
                    state.left += 1;
                }
            }
            if state.left == 0 {
                self.withdraw_request(Request::Broadcast);
            }
            true
        });
        if accepted {
            workers.iter().for_each(|&worker| self.idle.wake_this(worker));
        }
        accepted
    }

    /// Whether there is an order for worker `index`.
    #[inline]
    pub fn has_broadcast(&self, index: usize) -> bool {
        !self.record(index).broadcasts.is_empty()
    }

    /// Takes the oldest order for worker `index`.
    pub fn take_broadcast(&self, index: usize) -> Option<Task> {
        let order = self.record(index).broadcasts.take()?;
        self.broadcast_gate.pass(|state| {
            state.left -= 1;
            if state.left == 0 {
                self.withdraw_request(Request::Broadcast);
            }
        });
        Some(order)
    }

    /// Refuses orders from now on.
    pub fn close_broadcasts(&self) {
        self.broadcast_gate.pass(|state| state.is_closed = true);
    }

    /// Whether no order is left. Final once orders are refused and no worker is in the middle of taking one.
    pub fn is_out_of_broadcasts(&self) -> bool {
        self.broadcast_gate.pass(|state| state.left == 0)
    }

    /// Gives all orders to `throw`, on any thread.
    pub fn drain_broadcasts(&self, mut sink: impl FnMut(Task)) {
        for worker in self.recorded() {
            while let Some(order) = self.take_broadcast(worker) {
                sink(order);
            }
        }
    }
}
