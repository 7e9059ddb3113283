//! Who does the work on an upload: the four modes behind one call.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use crossbeam_utils::sync::WaitGroup;
use longshore::{AnyPool, PoolBuilder, WorkerLocal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cli::{Mode, Work};
use crate::ledger::Ledger;
use crate::store::{Database, Writer};
use crate::upload::{Row, Upload};

/// What all threads share.
#[derive(Debug)]
struct Shared {
    database: Database,
    ledger: Ledger,
    rounds: u32,
}

/// Takes uploads.
#[derive(Debug)]
pub struct Backend<P> {
    shared: Arc<Shared>,
    way: Way<P>,
}

#[derive(Debug)]
enum Way<P> {
    Threads(WaitGroup),
    Consumer { queue: mpsc::Sender<Upload>, thread: thread::JoinHandle<()> },
    Pool(P, Writers),
    Bounded { pool: P, writers: Writers, patience: Duration },
}

/// The connection of each worker, opened when it first writes.
type Writers = WorkerLocal<Option<Writer>>;

/// An upload was not accepted: nothing will come of it.
#[derive(Debug)]
pub struct Refused(pub &'static str);

impl<P: AnyPool> Backend<P> {
    /// Opens the database and starts the threads that the mode needs.
    pub fn start(mode: Mode, work: Work, database: Database) -> Result<Self> {
        database.create()?;
        let shared = Arc::new(Shared { database, ledger: Ledger::default(), rounds: work.rounds });
        let way = match mode {
            Mode::ThreadPerRequest => Way::Threads(WaitGroup::new()),
            Mode::OneConsumer => {
                let (queue, uploads) = mpsc::channel(work.capacity as usize);
                let shared = shared.clone();
                let thread = thread::Builder::new().name("consumer".into());
                let thread = thread.spawn(move || consume(&shared, uploads)).context("no thread")?;
                Way::Consumer { queue, thread }
            }
            Mode::Pool => {
                let pool: P = start(builder(work))?;
                let writers = pool.worker_local(|| None);
                Way::Pool(pool, writers)
            }
            Mode::BackPressure => {
                let pool: P = start(builder(work).queue_capacity(work.capacity as usize))?;
                let writers = pool.worker_local(|| None);
                Way::Bounded { pool, writers, patience: work.patience }
            }
        };
        Ok(Backend { shared, way })
    }

    /// Accepts an upload, which is then stored and answered, or refuses it.
    pub async fn accept(&self, upload: Upload) -> Result<(), Refused> {
        let shared = self.shared.clone();
        match &self.way {
            Way::Threads(running) => {
                let running = running.clone();
                let thread = thread::Builder::new().spawn(move || {
                    shared.process(upload, &mut None);
                    drop(running);
                });
                thread.map(drop).map_err(|_| Refused("the system gives no more threads"))
            }
            Way::Consumer { queue, .. } => {
                queue.send(upload).await.map_err(|_| Refused("the consumer has ended"))
            }
            Way::Pool(pool, writers) => {
                let task = on_worker(shared, writers, upload);
                pool.execute(task).map_err(|_| Refused("the pool has ended"))
            }
            Way::Bounded { pool, writers, patience } => {
                let accepted = pool.submit_async(on_worker(shared, writers, upload));
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

    /// Stores all that was accepted, ends the threads, and says how many rows were stored.
    pub fn close(self) -> Result<u64> {
        match self.way {
            Way::Threads(running) => running.wait(),
            Way::Consumer { queue, thread } => {
                drop(queue);
                thread.join().map_err(|_| anyhow::anyhow!("the consumer panicked"))?;
            }
            Way::Pool(pool, _) | Way::Bounded { pool, .. } => pool.shutdown()?,
        }
        Ok(self.shared.ledger.stored())
    }
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

/// The task of an upload: it uses the connection of the worker that it will run on.
fn on_worker(shared: Arc<Shared>, writers: &Writers, upload: Upload) -> impl FnOnce() + Send + use<> {
    let writers = writers.clone();
    move || writers.with(|writer| shared.process(upload, writer))
}

fn consume(shared: &Shared, mut uploads: mpsc::Receiver<Upload>) {
    /// Uploads taken at a time, so that one transaction serves many.
    const MOST: usize = 64;
    let mut taken = Vec::with_capacity(MOST);
    let mut writer = None;
    while uploads.blocking_recv_many(&mut taken, MOST) > 0 {
        let rows: Vec<_> = taken.drain(..).map(|upload| upload.digest(shared.rounds)).collect();
        shared.store(rows, &mut writer);
    }
}

impl Shared {
    fn process(&self, upload: Upload, writer: &mut Option<Writer>) {
        self.store([upload.digest(self.rounds)], writer);
    }

    /// Has rows written; opens this thread's connection if it is this thread that writes, and has none yet.
    fn store(&self, rows: impl IntoIterator<Item = Row>, writer: &mut Option<Writer>) {
        self.ledger.add(rows, |batch| {
            let writer = match writer {
                Some(writer) => writer,
                None => writer.insert(self.database.open()?),
            };
            batch.write(writer)
        });
    }
}
