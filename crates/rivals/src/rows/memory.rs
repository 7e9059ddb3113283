//! Memory: what a queued task takes, and what is left when all have run.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::dispatch::{expected, task};
use super::{ROW, Row, Setup, lower};
use crate::ledger;
use crate::outcome::{Failure, Outcome, Ready, figures, ready};
use crate::pools::{Execute, executing, leak};
use crate::process::resident_bytes;

/// How long after the last task the memory left is looked at.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(300);

const TASKS: u64 = 5_000_000;

/// How long all workers may take to arrive at the gate.
const ARRIVAL: Duration = Duration::from_secs(20);

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "memory",
    title: "Resident memory per queued task, 5M tasks with captures of 16 bytes, and what is left after they ran",
    metrics: &[lower("queued", "bytes per task, queued"), lower("left", "bytes per task, left at rest")],
    not_shown: "Resident pages of the process under the system's allocator, not asked to trim: what is left may be \
                free inside the allocator. Pools that hold back a producer that is ahead are left out, and so are those in which a task that \
                blocks holds up others (forte).",
    prepare: |setup, name| executing!(name, R => memory::<R>(setup)),
    ..ROW
}];

/// Holds the workers: how many stand before it, and whether it is open.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// What a worker does: arrives and waits.
    fn pass(&self) {
        let mut state = self.state.lock().expect("no thread panics while it holds the lock");
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1));
    }

    fn await_arrival(&self, workers: usize) -> Result<(), Failure> {
        let state = self.state.lock().expect("no thread panics while it holds the lock");
        let (state, _) = self
            .changed
            .wait_timeout_while(state, ARRIVAL, |state| state.0 < workers)
            .expect("no thread panics while it holds the lock");
        match state.0 {
            arrived if arrived == workers => Ok(()),
            arrived => Err(Failure::Wrong(format!(
                "of {workers} blocking tasks on {workers} workers, {arrived} had started after {} s",
                ARRIVAL.as_secs()
            ))),
        }
    }

    fn open(&self) {
        self.state.lock().expect("no thread panics while it holds the lock").1 = true;
        self.changed.notify_all();
    }
}

fn memory<R: Execute>(setup: Setup) -> Ready {
    if R::IN_PLACE || !R::UNBOUNDED || R::STRANDS {
        return Err(Failure::NotOffered);
    }
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    // The warm-up is small, because its memory would hide in the figures of what comes next.
    let warm_up = tasks / 1000;
    let mark = ledger::mark();
    (0..warm_up).for_each(|number| pool.execute(task::<2>(number)));
    mark.wait(expected::<2>(0..warm_up), Instant::now())?;
    // A second pass would find the first one's memory.
    ready(tasks, move || pass(pool, setup.workers, tasks))
}

fn pass<R: Execute>(pool: &'static R, workers: usize, tasks: u64) -> Outcome {
    let start = Instant::now();
    let gate = Arc::new(Gate::default());
    for _ in 0..workers {
        let gate = Arc::clone(&gate);
        pool.execute(move || gate.pass());
    }
    gate.await_arrival(workers)?;
    let before = resident_bytes()?;
    let mark = ledger::mark();
    (0..tasks).for_each(|number| pool.execute(task::<2>(number)));
    let queued = resident_bytes()?;
    let early = mark.count();
    gate.open();
    mark.wait(expected::<2>(0..tasks), Instant::now())?;
    // A pool may tidy up when it falls asleep.
    #[allow(clippy::disallowed_methods, reason = "the state of rest is the subject")]
    std::thread::sleep(SETTLE);
    let left = resident_bytes()?;
    if early > 0 {
        return Err(Failure::Wrong(format!("{early} tasks ran while every worker was held")));
    }
    let per_task = |bytes: u64| (bytes as f64 - before as f64) / tasks as f64;
    figures(start.elapsed(), [("queued", per_task(queued)), ("left", per_task(left))])
}
