//! What threads other than the worker know of one worker.
//!
//! [`Core`](crate::runtime::core::Core) owns a [`Record`] for each worker number, and keeps it after the
//! worker has left. The worker's thread writes most of it; any thread reads it. Guarded by
//! `tests/it/behaviour/statistics.rs`.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crossbeam_utils::CachePadded;

use crate::queue::mailbox::Mailbox;
use crate::runtime::capacity::Capacity;
use crate::runtime::metrics::{PinRecord, Timing, WorkerMetrics};
use crate::task::erased::Task;

/// What other threads know of one worker.
#[derive(Debug)]
pub struct Record {
    /// Written by the worker, read by snapshots.
    pub metrics: WorkerMetrics,
    /// How long tasks waited and ran. Made for the first task that is measured.
    pub timing: OnceLock<Box<Timing>>,
    /// Tasks that this worker alone may run.
    pub broadcasts: Mailbox<Task>,
    /// Set by the worker's thread when it starts.
    pub pin: PinRecord,
    /// Whether tasks may be sent to the worker of this number. Written under the lock of the roster.
    pub is_member: AtomicBool,
}

impl Record {
    /// The record of worker `index`, which returns permits to `capacity`.
    pub fn of(index: usize, capacity: Option<&Capacity>) -> Arc<CachePadded<Self>> {
        Arc::new(CachePadded::new(Record {
            metrics: WorkerMetrics::new(capacity.map(|capacity| capacity.permit_return(index))),
            timing: OnceLock::new(),
            broadcasts: Mailbox::default(),
            pin: PinRecord::default(),
            is_member: AtomicBool::new(false),
        }))
    }
}
