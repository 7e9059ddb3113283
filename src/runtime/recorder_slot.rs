//! The place of a pool's recording: whether the pool is recorded, and the recording.
//!
//! [`Core`](crate::runtime::core::Core) owns it. Any thread reads it; `recorder.rs` changes it. Guarded by
//! `tests/recording`.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::facade::lock;
use crate::runtime::active_recording::ActiveRecording;

/// What a thread finds instead of the pool's id while the pool is recorded (`push/dispatcher.rs`).
pub(super) const RECORDED: u32 = u32::MAX;

/// The place of a pool's recording.
#[derive(Debug)]
pub struct RecorderSlot {
    /// The id of the pool, or [`RECORDED`] while it is recorded. Any thread reads it.
    pub(super) home_id: AtomicU32,
    /// Incremented by the begin and by the end of a recording, so it is odd while the pool is recorded.
    pub(super) generation: AtomicU32,
    /// Workers that have not seen the last change yet, about.
    pub(super) unseen: AtomicUsize,
    pub(super) active: Mutex<Option<Arc<ActiveRecording>>>,
}

impl RecorderSlot {
    /// For the pool with this id.
    pub fn new(pool: u32) -> Self {
        RecorderSlot {
            home_id: AtomicU32::new(pool),
            generation: AtomicU32::new(0),
            unseen: AtomicUsize::new(0),
            active: Mutex::new(None),
        }
    }

    /// The id of the pool, or a number that no pool has while the pool is recorded.
    #[inline(always)]
    pub fn home_id(&self) -> u32 {
        // Relaxed: a thread that sees a change late records a submission more or less.
        self.home_id.load(Ordering::Relaxed)
    }

    /// Whether the pool is recorded.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.generation() & 1 == 1
    }

    /// The number of the recording, which is odd, or of the gap between two, which is even.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        // Relaxed: code that acts on it takes the lock of `active`, or looks again later.
        self.generation.load(Ordering::Relaxed)
    }

    /// The present recording.
    pub fn active(&self) -> Option<Arc<ActiveRecording>> {
        lock(&self.active).clone()
    }
}
