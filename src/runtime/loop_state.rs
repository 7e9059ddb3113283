//! The state of a worker's loop, the same for every kind of worker. It belongs to the thread that acts as the
//! worker.
//!
//! Guarded by the tests of `worker_loop.rs`.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::base::recording::TrackSlot;
use crate::policy::spin::SpinTime;
use crate::runtime::core::Core;
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::pool_kind::ExitReason;
use crate::runtime::priority::Turn;
use crate::runtime::record::Record;
use crate::workers::idle::ParkSlot;

/// The state of the loop, the same for every kind of worker. Belongs to the thread that acts as the worker.
pub struct LoopState {
    /// The park slot of the worker's own thread.
    pub park_slot: Arc<ParkSlot>,
    /// How long the worker searches before it parks.
    pub spin: Cell<SpinTime>,
    /// The worker's own record in the pool.
    pub record: Arc<CachePadded<Record>>,
    /// Whether the worker has left the pool; set once.
    pub has_retired: Cell<bool>,
    /// Numbers the looks at tasks of other priorities.
    turn: Cell<u32>,
    /// Held from a pending poll of the running task on, until a poll is ready or the task has ended (see
    /// `long_wait.rs`).
    pending_poll: Cell<Option<Box<dyn Any>>>,
    /// The worker's track, while the pool is recorded.
    pub track: TrackSlot,
}

impl LoopState {
    /// The state of worker `index` of the pool around `core`, before its first task.
    pub fn new(core: &Core, index: usize) -> Self {
        LoopState {
            park_slot: Arc::new(ParkSlot::new(index)),
            spin: Cell::new(SpinTime::new(core.config.spin)),
            record: core.worker_record(index).clone(),
            has_retired: Cell::new(false),
            turn: Cell::new(0),
            pending_poll: Cell::new(None),
            track: TrackSlot::default(),
        }
    }

    /// The number of the worker.
    #[inline]
    pub fn index(&self) -> usize {
        self.park_slot.index()
    }

    /// The counters of the worker.
    #[inline]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.record.metrics
    }

    /// Which tasks come first now, in a pool with priorities.
    pub fn next_turn(&self) -> Turn {
        self.turn.set(self.turn.get().wrapping_add(1));
        Turn::of(self.turn.get())
    }

    /// Keeps what `make` returns until [`LoopState::end_poll`], unless something is kept already.
    pub fn begin_poll(&self, make: impl FnOnce() -> Option<Box<dyn Any>>) {
        let kept = self.pending_poll.take().or_else(make);
        self.pending_poll.set(kept);
    }

    /// The poll is ready, or the task that has polled has ended.
    pub fn end_poll(&self) {
        drop(self.pending_poll.take());
    }

    /// Why the loop has ended.
    pub fn exit_reason(&self) -> ExitReason {
        if self.has_retired.get() { ExitReason::Retired } else { ExitReason::PoolEnd }
    }
}

impl fmt::Debug for LoopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopState").field("park_slot", &self.park_slot).finish_non_exhaustive()
    }
}
