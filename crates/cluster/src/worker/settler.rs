//! Tells the broker what was decided about jobs, in blocks, until it knows.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::batch::BatchError;
use crate::engine::{Engine, EngineErrorKind};
use crate::worker::desk::Desk;
use crate::worker::{Tell, spawn};

/// How long it waits for something to tell, and between two attempts.
const TURN: Duration = Duration::from_millis(200);

/// The thread that tells.
pub(super) struct Settler {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

pub(super) fn start(desk: Arc<Desk>, engine: Arc<dyn Engine>, tell: Tell) -> Result<Settler, BatchError> {
    let of_thread = Arc::clone(&desk);
    let thread = spawn("settler", move || {
        while let Some(block) = of_thread.decided(TURN) {
            settle(&of_thread, &*engine, block, &tell);
        }
    })?;
    Ok(Settler { desk, thread })
}

fn settle(desk: &Desk, engine: &dyn Engine, block: Vec<(u64, crate::engine::Settlement)>, tell: &Tell) {
    if block.is_empty() {
        return;
    }
    let (serials, settlements): (Vec<_>, Vec<_>) = block.into_iter().unzip();
    let (mut known, mut unknown, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (serial, result) in serials.into_iter().zip(engine.settle(&settlements)) {
        match result {
            Ok(()) => known.push(serial),
            Err(error) if error.kind() == EngineErrorKind::Unreachable => unknown.push(serial),
            // Telling it again would not help: the batch is gone, or the user may not.
            Err(error) => {
                tell(&format!("the broker does not take the end of a job: {error}"));
                refused.push(serial);
            }
        }
    }
    let has_failed = !unknown.is_empty();
    desk.settled(known.into_iter());
    desk.refused(refused.into_iter());
    desk.unsettled(unknown.into_iter());
    if has_failed {
        desk.wait(TURN);
    }
}

impl Settler {
    /// Ends when everything is told, or after `time`. Returns about how many jobs the broker has confirmed
    /// nothing, those included whose ends it has refused.
    pub fn finish(self, time: Duration) -> usize {
        self.desk.close();
        let deadline = Instant::now() + time;
        while !self.thread.is_finished() && Instant::now() < deadline {
            self.desk.wait(Duration::from_millis(20));
        }
        match self.thread.is_finished() {
            true => _ = self.thread.join(),
            // It holds nothing that anything waits for, and ends with the process.
            false => drop(self.thread),
        }
        self.desk.load().decided + self.desk.sums().refused
    }
}
