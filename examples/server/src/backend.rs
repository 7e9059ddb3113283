//! Who does the work on an upload: the four modes behind one call.

use std::sync::Arc;
use std::sync::mpsc as threads;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use longshore::{AnyPool, PoolBuilder};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::cli::{Mode, Work};
use crate::ledger::{Counts, Entrance, Ledger, Recorder};
use crate::store::{Database, GiveUp};
use crate::upload::{Place, Upload};

/// Takes uploads.
#[derive(Debug)]
pub struct Backend<P> {
    rounds: u32,
    counts: Arc<Counts>,
    way: Way<P>,
}

#[derive(Debug)]
enum Way<P> {
    /// Each thread has a sender; the receiver is disconnected when all have ended.
    Threads {
        ledger: Ledger,
        running: threads::Sender<()>,
        ended: threads::Receiver<()>,
    },
    Consumer {
        queue: mpsc::Sender<Upload>,
        ended: threads::Receiver<()>,
        give_up: GiveUp,
    },
    Pool {
        pool: P,
        ledger: Ledger,
    },
    Bounded {
        pool: P,
        ledger: Ledger,
        places: Arc<Semaphore>,
        patience: Duration,
    },
}

/// An upload was not accepted: nothing will come of it.
#[derive(Debug)]
pub struct Refused(pub &'static str);

/// What a back end has done.
#[derive(Debug)]
pub struct Closed {
    pub stored: u64,
    pub key_taken: u64,
    pub transactions: u64,
    /// Whether all that was accepted is answered.
    pub is_finished: bool,
}

impl<P: AnyPool> Backend<P> {
    /// Opens the database and starts the threads that the mode needs.
    pub fn start(mode: Mode, work: Work, database: &Database) -> Result<Self> {
        let (counts, give_up) = (Arc::<Counts>::default(), GiveUp::default());
        let recorder = Recorder::new(database.open(give_up.clone())?, counts.clone());
        let rounds = work.rounds;
        let way = match mode {
            Mode::ThreadPerRequest => {
                let (running, ended) = threads::channel();
                Way::Threads { ledger: Ledger::start(recorder, give_up)?, running, ended }
            }
            Mode::OneConsumer => {
                let (queue, uploads) = mpsc::channel(work.capacity);
                let (running, ended) = threads::channel();
                let thread = thread::Builder::new().name("consumer".into());
                let consumer = move || consume(rounds, uploads, recorder, running);
                thread.spawn(consumer).context("no thread")?;
                Way::Consumer { queue, ended, give_up }
            }
            Mode::Pool => {
                Way::Pool { pool: start(builder(work))?, ledger: Ledger::start(recorder, give_up)? }
            }
            Mode::BackPressure => {
                let pool: P = start(builder(work).queue_capacity(work.capacity))?;
                // For what waits and what runs, from before the body is read until the row is on the disk. The
                // pool's own capacity bounds what waits for a worker, and knows nothing of the rows behind it.
                let places = Arc::new(Semaphore::new(work.capacity + pool.stats().workers.len()));
                let ledger = Ledger::start(recorder, give_up)?;
                Way::Bounded { pool, ledger, places, patience: work.patience }
            }
        };
        Ok(Backend { rounds, counts, way })
    }

    /// Waits for what an upload will take, before its body is read: so the bodies of requests that are refused take
    /// no memory.
    pub async fn place(&self) -> Result<Place, Refused> {
        let Way::Bounded { places, patience, .. } = &self.way else { return Ok(None) };
        match timeout(*patience, places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Refused("all places are taken")),
        }
    }

    /// Accepts an upload, which is then stored and answered, or refuses it.
    pub async fn accept(&self, upload: Upload) -> Result<(), Refused> {
        match &self.way {
            Way::Threads { ledger, running, .. } => {
                let (running, process) = (running.clone(), self.process(ledger, upload));
                let thread = thread::Builder::new().spawn(move || {
                    process();
                    drop(running);
                });
                thread.map(drop).map_err(|_| Refused("the system gives no more threads"))
            }
            Way::Consumer { queue, .. } => {
                queue.send(upload).await.map_err(|_| Refused("the consumer has ended"))
            }
            Way::Pool { pool, ledger } => {
                pool.execute(self.process(ledger, upload)).map_err(|_| Refused("the pool has ended"))
            }
            Way::Bounded { pool, ledger, patience, .. } => {
                let accepted = pool.submit_async(self.process(ledger, upload));
                match timeout(*patience, accepted).await {
                    // The answer comes from the ledger; the task's own end is of no interest.
                    Ok(Ok(handle)) => drop(handle),
                    Ok(Err(_)) => return Err(Refused("the pool has ended")),
                    // The future is gone, and with it the upload.
                    Err(_) => return Err(Refused("all places are taken")),
                }
                Ok(())
            }
        }
    }

    /// The work on an upload, for whatever thread.
    fn process(&self, ledger: &Ledger, upload: Upload) -> impl FnOnce() + Send + use<P> {
        let (rounds, entrance): (_, Entrance) = (self.rounds, ledger.entrance());
        move || entrance.add(upload.digest(rounds))
    }

    /// Stores all that was accepted and ends the threads. What is not done at the deadline is given up.
    pub fn close(self, deadline: Instant) -> Result<Closed> {
        let left = || deadline.saturating_duration_since(Instant::now());
        let is_finished = match self.way {
            Way::Threads { ledger, running, ended } => {
                drop(running);
                have_ended(&ended, left()) & ledger.close(deadline)
            }
            Way::Consumer { queue, ended, give_up } => {
                drop(queue);
                let in_time = have_ended(&ended, left());
                give_up.now();
                in_time || have_ended(&ended, GIVING_UP)
            }
            Way::Pool { pool, ledger } | Way::Bounded { pool, ledger, .. } => {
                let in_time = pool.shutdown_timeout(left().max(GIVING_UP)).is_ok();
                if !in_time {
                    // Dropped, it would wait for its tasks.
                    std::mem::forget(pool);
                }
                in_time & ledger.close(deadline)
            }
        };
        let counts = self.counts;
        let (stored, key_taken) = (counts.stored(), counts.key_taken());
        Ok(Closed { stored, key_taken, transactions: counts.transactions(), is_finished })
    }
}

/// How long a thread may take to notice that it shall give up.
const GIVING_UP: Duration = Duration::from_millis(500);

/// Whether all threads that have a sender have ended in time.
fn have_ended(ended: &threads::Receiver<()>, limit: Duration) -> bool {
    matches!(ended.recv_timeout(limit), Err(threads::RecvTimeoutError::Disconnected))
}

fn builder<P: AnyPool>(work: Work) -> PoolBuilder<P> {
    let builder = P::builder().thread_name("uploads");
    match work.jobs {
        Some(jobs) => builder.workers(jobs.get()),
        None => builder,
    }
}

fn start<P: AnyPool>(builder: PoolBuilder<P>) -> Result<P> {
    builder.build().context("the pool does not start")
}

/// One thread does everything, also the writing.
fn consume(
    rounds: u32,
    mut uploads: mpsc::Receiver<Upload>,
    mut recorder: Recorder,
    running: threads::Sender<()>,
) {
    /// Uploads taken at a time, so that one transaction serves many.
    const MOST: usize = 64;
    let mut taken = Vec::with_capacity(MOST);
    while uploads.blocking_recv_many(&mut taken, MOST) > 0 {
        recorder.record(taken.drain(..).map(|upload| upload.digest(rounds)).collect());
    }
    drop(running);
}
