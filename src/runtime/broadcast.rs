//! Broadcast tasks: one for each worker, which that worker alone may run.
//!
//! They are queued in a mailbox of the worker's [`Record`](crate::runtime::record::Record). A worker that
//! runs tasks takes them because [`Request::Broadcast`] is in the control word while any is left. A parked
//! worker is woken by its number. A searching worker looks at its own mailbox as at any queue. `docs/idle.md`
//! argues why no broadcast task is overlooked. Any thread sends, and discards; a worker takes its own. Model:
//! `broadcasts`. Tests: `tests/it/behaviour/broadcast.rs`, `tests/elastic/broadcasts.rs`.

use longshore_trace::record::Place;

use crate::base::facade::lock;
use crate::runtime::control::Request;
use crate::runtime::core::Core;
use crate::sync::waiter::Waiter;
use crate::task::erased::Task;

impl Core {
    /// Sends each of `workers` the task that `pack` makes for its number, except for workers that are about
    /// to leave the pool. `false`, and no task is made, if the pool is closed. `pack` runs no user code.
    pub fn send_broadcast(&self, workers: &[usize], mut pack: impl FnMut(usize) -> Task) -> bool {
        let accepted = self.broadcast_gate.with_state(|state| {
            if state.is_closed || !self.request(Request::Broadcast) {
                return false;
            }
            for &worker in workers {
                // The mailbox of a worker that has left meanwhile is closed.
                if let Some(opening) = self.worker_record(worker).broadcasts.open() {
                    // Counted first, because a snapshot reads starts before submissions.
                    self.metrics.broadcast.add_shared(1);
                    if self.is_recorded() {
                        self.note(|track| track.puts(Place::Broadcast, worker, 1));
                    }
                    opening.put(pack(worker));
                    // The worker that takes it passes the gate after this thread.
                    state.left += 1;
                }
            }
            if state.left == 0 {
                self.withdraw_request(Request::Broadcast);
            }
            true
        });
        if accepted {
            for &worker in workers {
                self.idle.wake_this(worker);
                let poller = lock(&self.worker_record(worker).poller).take();
                poller.into_iter().for_each(|waker| Waiter::Waker(waker).wake());
            }
        }
        accepted
    }

    /// Whether a broadcast task for worker `index` is queued.
    #[inline]
    pub fn has_broadcast(&self, index: usize) -> bool {
        !self.worker_record(index).broadcasts.is_empty()
    }

    /// Takes the oldest broadcast task for worker `index`, to run or discard it.
    pub fn take_broadcast(&self, index: usize) -> Option<Task> {
        let task = self.worker_record(index).broadcasts.take()?;
        if self.is_recorded() {
            self.note(|track| track.got(Place::Broadcast, index, 1));
        }
        // A broadcast task needs no permit, because it has a worker of its own. Its start or its discard
        // releases one, so one is overdrawn. Not earlier: a queued broadcast task may have to wait for a task
        // that waits for a permit.
        self.overdraw_from_outside(1);
        self.broadcast_gate.with_state(|state| {
            state.left -= 1;
            if state.left == 0 {
                self.withdraw_request(Request::Broadcast);
            }
        });
        Some(task)
    }

    /// Refuses broadcasts from now on.
    pub fn close_broadcasts(&self) {
        self.broadcast_gate.with_state(|state| state.is_closed = true);
    }

    /// Whether no broadcast task is left. Final once broadcasts are refused and no worker is in the middle of
    /// taking one.
    pub fn is_out_of_broadcasts(&self) -> bool {
        self.broadcast_gate.with_state(|state| state.left == 0)
    }

    /// Gives all broadcast tasks to `sink`, on any thread.
    pub fn drain_broadcasts(&self, mut sink: impl FnMut(Task)) {
        for worker in self.recorded() {
            std::iter::from_fn(|| self.take_broadcast(worker)).for_each(&mut sink);
        }
    }
}
