//! What is known of one worker from outside, and the values that user code keeps for each worker.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crossbeam_utils::CachePadded;

use crate::queue::mailbox::Mailbox;
use crate::runtime::capacity::Capacity;
use crate::runtime::metrics::{PinRecord, Timing, WorkerMetrics};
use crate::task::erased::Task;

/// What is known of one worker from outside.
#[derive(Debug)]
pub struct Record {
    /// Written by the worker, read by snapshots.
    pub metrics: WorkerMetrics,
    /// How long tasks waited and ran, from the first that is measured on.
    pub timing: OnceLock<Box<Timing>>,
    /// Tasks that this worker alone may run.
    pub broadcasts: Mailbox<Task>,
    /// Set by the worker's thread when it begins.
    pub pin: PinRecord,
    /// Whether tasks may be sent to the worker of this number. Written under the lock of the roster.
    pub is_member: AtomicBool,
}

impl Record {
    /// That of worker `index`, which gives permits back to `capacity`.
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

/// Values that user code keeps for each worker.
pub trait PerWorker: Send + Sync {
    /// Drops those of a worker that goes, on its thread. Panics of user code do not come out.
    fn forget(&self, worker: usize);
}
