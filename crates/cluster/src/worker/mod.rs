//! A worker: takes jobs from a batch, runs them as tasks of a pool, and tells the broker what became of them.
//!
//! Three threads: the caller's pulls jobs, the settler tells the broker what was decided, the keeper renews
//! leases. All of them meet at the [`Desk`](desk::Desk). [`verdict`] has the rules, without any thread.

pub(crate) mod desk;
mod keeper;
mod puller;
mod settler;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore::{AnyPool, CancelToken};
use serde::Serialize;

use crate::batch::{Batch, BatchError};
use crate::engine::EngineErrorKind;
use crate::handler::{Context, Fault, Finished};
use crate::id::JobId;
use crate::message::Job;
use desk::{Desk, Load, Sums};
use puller::Puller;
use verdict::Rules;

/// How often a worker looks for a batch that is not there, or a broker that cannot be reached.
const LOOK: Duration = Duration::from_millis(200);
/// How long a worker that has stopped tries to tell the broker what became of its jobs.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What a worker tells its user while it runs.
type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Takes jobs from a batch and runs them as tasks of a pool.
///
/// - It takes as many jobs as it has free threads, and one more, never the whole queue: stealing balances the
///   threads of a machine, and pulling balances the machines.
/// - It renews the leases of jobs that run and of jobs that wait in the pool.
/// - The broker hears of the end of a job after its record is stored, so that no job is lost. A job that was
///   given to another worker meanwhile may be done twice.
///
/// See [`Batch`] for an example.
pub struct Worker<'p, J, P, H> {
    pool: &'p P,
    handler: Arc<H>,
    weight: Arc<dyn Fn(&J) -> u64 + Send + Sync>,
    tell: Tell,
    options: Options,
}

/// The options of a worker.
#[derive(Clone, Debug)]
struct Options {
    name: String,
    budget: Option<u64>,
    attempts: u32,
    delay: Duration,
    limit: Option<Duration>,
    stop: CancelToken,
    end: End,
    grace: Option<Duration>,
}

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// When every job of the batch has ended.
    WithBatch,
    /// Never: it waits for more jobs.
    Never,
}

/// How the run of a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Every job of the batch has ended.
    Complete,
    /// Its token was cancelled.
    Stopped,
    /// Every thread is occupied by a job that has run beyond the limit. The process should end.
    Stuck,
    /// The broker does not admit the user any more (its credentials have expired, for instance). It was told
    /// nothing of what still ran.
    Denied,
}

/// What a worker has done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// How it ended.
    pub ended: Ended,
    /// Jobs that it has done.
    pub done: u64,
    /// Jobs that it has made dead letters.
    pub dead: u64,
    /// Jobs that it has given back.
    pub returned: u64,
    /// Jobs whose lease it has lost.
    pub lost: u64,
    /// Bytes that its jobs have made.
    pub bytes: u64,
    /// Threads on which a job still runs that was to end long ago. A pool with such a thread cannot be shut
    /// down: the process should exit without it.
    pub stuck: usize,
    /// Jobs whose ends the broker has not confirmed: it was out of reach, or refused them. They may be
    /// counted in `done` or `dead`. The broker gives them out again after their lease, unless it has heard
    /// of them.
    pub untold: usize,
    /// Jobs that still ran when the time of [`Worker::grace`] was up. The broker gives them out again after
    /// their lease.
    pub unfinished: usize,
}

impl<J, P, H> fmt::Debug for Worker<'_, J, P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'p, J, P, H> Worker<'p, J, P, H>
where
    J: Job,
    P: AnyPool,
    H: Fn(J, &Context) -> Result<Finished, Fault> + Send + Sync + 'static,
{
    /// A worker whose jobs `handler` does, on the threads of `pool`.
    ///
    /// A handler that panics has failed at one attempt.
    pub fn new(pool: &'p P, handler: H) -> Worker<'p, J, P, H> {
        let options = Options {
            name: default_name(),
            budget: None,
            attempts: 3,
            delay: Duration::from_secs(1),
            limit: None,
            stop: CancelToken::new(),
            end: End::WithBatch,
            grace: None,
        };
        Worker { pool, handler: Arc::new(handler), weight: Arc::new(|_| 0), tell: Arc::new(|_| {}), options }
    }

    /// The name under which others see it; without it, the machine's name and the number of the process.
    pub fn name(mut self, name: JobId) -> Self {
        self.options.name = name.into();
        self
    }

    /// The bytes (or whatever [`Worker::budget`] counts) that a job takes while it runs. The pool gets the
    /// same number as the weight of the task.
    pub fn weight(mut self, weight: impl Fn(&J) -> u64 + Send + Sync + 'static) -> Self {
        self.weight = Arc::new(weight);
        self
    }

    /// The sum of the weights of all jobs that it has begun. A heavier job goes back, for a larger worker;
    /// after 10 refusals it is a dead letter. Without a budget every job is taken.
    pub fn budget(mut self, budget: u64) -> Self {
        self.options.budget = Some(budget);
        self
    }

    /// How often a job is begun before it is a dead letter, 3 without this; 0 counts as 1. A job that ends
    /// its worker's process is counted by the next worker that gets it.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }

    /// The delay before the second attempt, 1 s without this. It doubles with each attempt, up to a minute.
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.options.delay = delay;
        self
    }

    /// How long a job may run. Then it is a dead letter and its token is cancelled. A thread whose handler
    /// does not return is lost to the worker; a worker without a thread ends as [`Ended::Stuck`].
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.options.limit = Some(limit);
        self
    }

    /// Ends the run when this is cancelled: what runs is finished, what waits is given back at once.
    pub fn stop(mut self, token: &CancelToken) -> Self {
        self.options.stop = token.clone();
        self
    }

    /// When it ends by itself; without this, with its batch.
    pub fn end(mut self, end: End) -> Self {
        self.options.end = end;
        self
    }

    /// How long jobs that run may go on after a stop; without this, until they end.
    pub fn grace(mut self, time: Duration) -> Self {
        self.options.grace = Some(time);
        self
    }

    /// Calls `tell` with a line for the user when something is worth it: the broker is out of reach, a job
    /// has failed. Any thread may call it.
    pub fn tell(mut self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.tell = Arc::new(tell);
        self
    }

    /// Works on the batch until it is complete or the worker is stopped. Waits for a batch that is not there
    /// yet, and for a broker that is out of reach for a while.
    ///
    /// # Errors
    /// The broker refuses the user, or the system gives no thread.
    pub fn run(self, batch: &Batch<J>) -> Result<RunReport, BatchError> {
        let Some(lease) = self.await_batch(batch)? else {
            return Ok(report(Ended::Stopped, Sums::default(), Load::default(), 0));
        };
        let Options { name, attempts, delay, .. } = self.options.clone();
        let desk = Arc::new(Desk::new(Rules { worker: name, attempts, delay }, lease));
        let settler = settler::start(Arc::clone(&desk), Arc::clone(batch.engine()), Arc::clone(&self.tell))?;
        let keeper = keeper::Keeper {
            desk: Arc::clone(&desk),
            engine: Arc::clone(batch.engine()),
            lease,
            limit: self.options.limit,
            budget: self.options.budget,
            threads: self.pool.workers(),
            end: CancelToken::new(),
        };
        let keeper = keeper.start()?;
        let puller = Puller { worker: &self, batch, desk: &desk, complained: false, in_pool: Arc::default() };
        let ended = puller.pull();
        if ended != Ended::Complete {
            desk.hand_all_back();
        }
        self.finish_what_runs(&desk, ended);
        // What has not ended by now is not recorded by this worker, even if it ends within the last words.
        let left = desk.load();
        // Until here leases are renewed, also while the broker is told of the last ends.
        let untold = settler.finish(LAST_WORDS);
        keeper.finish();
        Ok(report(ended, desk.sums(), left, untold))
    }

    /// The lease of the batch, as soon as there is one; `None` if the worker is stopped before.
    fn await_batch(&self, batch: &Batch<J>) -> Result<Option<Duration>, BatchError> {
        let never = CancelToken::new();
        let waiting = Desk::new(Rules { worker: String::new(), attempts: 1, delay: LOOK }, LOOK);
        let mut has_told = false;
        while !self.options.stop.is_cancelled() {
            let text = match batch.engine().settings() {
                Ok(Some(settings)) => return Ok(Some(settings.lease)),
                Ok(None) => "there is no such batch yet: waiting for it".to_owned(),
                Err(error) if error.kind() == EngineErrorKind::Denied => return Err(error.into()),
                Err(error) => error.to_string(),
            };
            if !has_told {
                (self.tell)(&text);
                has_told = true;
            }
            waiting.wait_unless(LOOK, &never);
        }
        Ok(None)
    }

    fn finish_what_runs(&self, desk: &Desk, ended: Ended) {
        let start = std::time::Instant::now();
        let grace = match ended {
            // What has run beyond the limit is not waited for.
            Ended::Stuck => Some(Duration::ZERO),
            _ => self.options.grace,
        };
        while desk.load().running > 0 && grace.is_none_or(|grace| start.elapsed() < grace) {
            desk.wait(LOOK);
        }
    }
}

fn report(ended: Ended, sums: Sums, left: Load, untold: usize) -> RunReport {
    let Sums { done, dead, returned, lost, bytes, .. } = sums;
    let Load { running, stuck, .. } = left;
    RunReport { ended, done, dead, returned, lost, bytes, stuck, untold, unfinished: running }
}

/// The machine's name and the number of the process.
fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "machine".into());
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let host: String = host.trim().chars().map(plain).take(40).collect();
    format!("{host}-{}", std::process::id())
}

/// Starts one of the threads of a worker.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<std::thread::JoinHandle<()>, BatchError> {
    let refused = |error: std::io::Error| {
        let text = format!("the system gives no thread: {error}");
        BatchError::Engine(crate::engine::EngineError::new(EngineErrorKind::Refused, text))
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(refused)
}
