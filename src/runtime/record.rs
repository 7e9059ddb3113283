//! What threads other than the worker know of one worker.
//!
//! [`Core`](crate::runtime::core::Core) owns a [`Record`] for each worker number, and keeps it after the
//! worker has left. The worker's thread writes most of it; any thread reads it. Guarded by
//! `tests/it/behaviour/statistics.rs`.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;

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
    /// Wakes the executor in which the worker's task waits, so that it polls again and the poll runs
    /// broadcast tasks. Stored by the poll; the sender of a broadcast takes it out.
    pub poller: Mutex<Option<Waker>>,
    /// Permits that long waits on the worker's stack have added in a rendezvous pool. Only the thread that
    /// acts as the worker reads and writes it, so `Relaxed` is enough.
    pub added_permits: AtomicUsize,
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
            poller: Mutex::default(),
            added_permits: AtomicUsize::new(0),
            pin: PinRecord::default(),
            is_member: AtomicBool::new(false),
        }))
    }
}
