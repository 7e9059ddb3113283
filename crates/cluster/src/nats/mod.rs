//! The engine on NATS JetStream, from server 2.9 on.
//!
//! A batch is a stream with the retention of a work queue and a durable pull consumer, and three key-value
//! buckets. Everything asynchronous runs on one thread of this engine; the calls of [`Engine`] block.
//!
//! [`Engine`]: crate::Engine

mod access;
mod engine;
mod link;
mod pulls;
mod requests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{self, stream::Stream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::engine::{EngineError, EngineErrorKind, Table};
use crate::id::JobId;

pub use access::Access;
use link::Link;
use pulls::Pulls;

/// How long a request may take. A broker that was killed comes back within this time or the call fails.
const PATIENCE: Duration = Duration::from_secs(4);

/// A batch at a NATS server.
///
/// ```no_run
/// use longshore_cluster::{Access, Batch, Nats};
/// # use longshore_cluster::{Job, JobId};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Page(u32);
/// # impl Job for Page {
/// #     fn id(&self) -> JobId {
/// #         JobId::of(&self.0.to_le_bytes())
/// #     }
/// # }
///
/// let access = Access { servers: "nats://broker:4222".into(), ..Access::default() };
/// let batch = Batch::<Page>::new(Nats::connect(&access, &"pages".parse()?)?);
/// println!("{}", batch.status()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Nats {
    batch: JobId,
    context: jetstream::Context,
    client: Client,
    consumer: Mutex<Option<Consumer<pull::Config>>>,
    pulls: Pulls,
    // Dropped last: the client ends on its thread.
    runtime: Arc<Runtime>,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Nats {
    /// Connects to a server. The connection is made anew whenever it breaks.
    ///
    /// # Errors
    /// [`EngineErrorKind::Unreachable`] if no server answers, [`EngineErrorKind::Denied`] if the server
    /// refuses the user or its certificate cannot be trusted, [`EngineErrorKind::Refused`] if an address or a
    /// file of `access` cannot be read.
    pub fn connect(access: &Access, batch: &JobId) -> Result<Nats, EngineError> {
        let runtime = Arc::new(Runtime::start()?);
        let connecting = async {
            let (options, servers) = access.options().await?;
            let of_client = Arc::clone(&runtime.link);
            let options = options.event_callback(move |event| {
                of_client.hear(&event);
                std::future::ready(())
            });
            let connected = options.connect(servers).await;
            connected.map_err(|error| link::refusal(&access.shown(), &error))
        };
        let client = runtime.wait(PATIENCE * 2, connecting)?;
        // It starts a task of its own.
        let entered = runtime.handle.enter();
        let context = jetstream::ContextBuilder::new()
            .timeout(PATIENCE)
            .ack_timeout(PATIENCE)
            .max_ack_inflight(MOST_REQUESTS)
            .build(client.clone());
        drop(entered);
        Ok(Nats {
            batch: batch.clone(),
            context,
            client,
            consumer: Mutex::default(),
            pulls: Pulls::default(),
            runtime,
        })
    }

    /// Queues a message that need not be a job, as any other program could.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub fn publish_raw(&self, key: &str, message: &[u8]) -> Result<(), EngineError> {
        let subject = format!("{}.{key}", self.subject());
        self.runtime.wait(PATIENCE, self.append(subject, message.to_vec(), None, None)).map(drop)
    }

    /// The stream of the jobs.
    fn queue(&self) -> String {
        format!("longshore-{}", self.batch)
    }

    /// What the subjects of all jobs begin with.
    fn subject(&self) -> String {
        format!("longshore.{}", self.batch)
    }

    fn bucket(&self, table: Table) -> String {
        let table = match table {
            Table::Done => "done",
            Table::Dead => "dead",
            Table::Meta => "meta",
        };
        format!("longshore-{}-{table}", self.batch)
    }

    /// The subject of a key of a bucket.
    fn key(&self, table: Table, key: &str) -> String {
        format!("$KV.{}.{key}", self.bucket(table))
    }

    async fn stream(&self, name: String) -> Result<Stream<()>, EngineError> {
        let stream = self.context.get_stream_no_info(&name).await;
        stream.map_err(|error| EngineError::new(EngineErrorKind::Unreachable, format!("{name}: {error}")))
    }
}

/// Requests that wait for their answers at a time.
const MOST_REQUESTS: usize = 2_048;

/// The thread on which the client runs.
struct Runtime {
    handle: Handle,
    link: Arc<Link>,
    end: Option<oneshot::Sender<()>>,
}

impl Runtime {
    fn start() -> Result<Runtime, EngineError> {
        let refused = |error: std::io::Error| {
            EngineError::new(EngineErrorKind::Refused, format!("the system gives no thread: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let _ = runtime.block_on(ended);
            // A name that is being looked up may take longer than anything waits.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("nats".into()).spawn(run).map_err(refused)?;
        Ok(Runtime { handle, link: Arc::default(), end: Some(end) })
    }

    /// Waits for the end of a request, on the calling thread; the client's thread does its input and output.
    /// Fails at once if the server does not admit the user any more.
    fn wait<T>(
        &self,
        patience: Duration,
        request: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        self.link.ensure_admitted()?;
        let late = || EngineError::new(EngineErrorKind::Unreachable, "the broker does not answer");
        self.handle.block_on(async { tokio::time::timeout(patience, request).await.map_err(|_| late())? })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
    }
}
