//! Work to watch: a thread that submits some of everything, round after round, until it is told to stop.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use longshore::AnyPool;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(20);

/// Tasks that may wait before a round is left out.
const ENOUGH: u64 = 20_000;

/// A demonstration under way.
#[derive(Debug)]
pub struct Demo {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Demo {
    /// Begins to give `pool` work.
    pub fn start<P: AnyPool>(pool: &Arc<P>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let pool = pool.clone();
        let thread = thread::spawn(move || submit_until(&stopped, &*pool));
        Demo { stop, thread }
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self.stop);
        // A panic there has been reported there.
        let _ = self.thread.join();
    }
}

fn submit_until<P: AnyPool>(stopped: &Receiver<()>, pool: &P) {
    for round in 0u64.. {
        if pool.stats().waiting < ENOUGH && submit_round(pool, round).is_none() {
            return; // the pool is shut down
        }
        if stopped.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// One round; `None` if the pool takes no more.
fn submit_round(pool: &impl AnyPool, round: u64) -> Option<()> {
    for _ in 0..200 {
        pool.execute(|| busy(Duration::from_micros(5))).ok()?;
    }
    for key in 0..8u64 {
        pool.task().key(key).execute(|| busy(Duration::from_micros(300))).ok()?;
    }
    if round.is_multiple_of(4) {
        pool.execute(|| tree(8)).ok()?;
    }
    if round.is_multiple_of(10) {
        pool.execute(|| busy(Duration::from_millis(60))).ok()?;
    }
    Some(())
}

/// A task that submits two more, to so many generations.
fn tree(depth: u32) {
    busy(Duration::from_micros(20));
    if depth > 0 {
        for _ in 0..2 {
            // Refused when the demonstration ends.
            let _ = longshore::execute(move || tree(depth - 1));
        }
    }
}

/// Computes for so long.
fn busy(time: Duration) {
    let end = Instant::now() + time;
    let mut number = 1u64;
    while Instant::now() < end {
        (0..100)
            .for_each(|_| number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)));
    }
}
