//! The client: many connections, each with one request at a time, until all uploads are sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use longshore::CancelToken;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::Shape;
use crate::process::{Peak, Watched};

/// What came of a load.
#[derive(Debug, Default)]
pub struct Run {
    /// The numbers of the uploads that the server says it has stored.
    pub accepted: Vec<u64>,
    pub refused: u64,
    /// Other answers, and none.
    pub failed: u64,
    /// Of those that were accepted; sorted.
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
    pub peak: Option<Peak>,
}

/// The name of an upload.
pub fn name(number: u64) -> String {
    format!("upload-{number}")
}

/// Its content: different for each, so that a mix-up is found.
pub fn body(number: u64, size: u32) -> Bytes {
    let words = (number << 20..).flat_map(u64::to_le_bytes);
    words.take(size as usize).collect()
}

/// How long an answer may take. A server that has none by then is not waited for any longer.
const SLOWEST: Duration = Duration::from_secs(120);

/// What all connections share.
#[derive(Debug)]
struct Load {
    address: SocketAddr,
    shape: Shape,
    next: AtomicU64,
    stop: CancelToken,
}

/// Sends all uploads, unless it is stopped; meanwhile samples what the server's process uses.
///
/// # Errors
/// No server is there.
pub fn run(address: SocketAddr, shape: Shape, server: Option<&Watched>, stop: &CancelToken) -> Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // No server at all is an error of its own, and not one for each upload.
        drop(connect(address).await?);
        let load = Arc::new(Load { address, shape, next: 0.into(), stop: stop.clone() });
        let mut connections = JoinSet::new();
        let start = Instant::now();
        for _ in 0..(shape.connections as u64).min(shape.requests) {
            connections.spawn(connection(load.clone()));
        }
        let mut whole = Run::default();
        let send_all = async {
            while let Some(part) = connections.join_next().await {
                let part = part??;
                whole.accepted.extend(part.accepted);
                whole.refused += part.refused;
                whole.failed += part.failed;
                whole.latencies.extend(part.latencies);
            }
            anyhow::Ok(start.elapsed())
        };
        let (elapsed, peak) = match server {
            Some(server) => server.sample_during(send_all).await,
            None => (send_all.await, None),
        };
        whole.elapsed = elapsed?;
        whole.peak = peak;
        whole.latencies.sort();
        Ok(whole)
    })
}

async fn connection(load: Arc<Load>) -> Result<Run> {
    let mut run = Run::default();
    let mut open: Option<Sender> = None;
    loop {
        // Relaxed: only that no two connections draw the same number matters.
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        if number >= load.shape.requests || load.stop.is_cancelled() {
            return Ok(run);
        }
        let request = Request::post(format!("/uploads/{}", name(number)))
            .header(hyper::header::HOST, load.address.to_string())
            .body(Full::new(body(number, load.shape.size)))?;
        // A server may close a connection after an answer.
        let sender = match open.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => match connect(load.address).await {
                Ok(sender) => sender,
                Err(_) => {
                    run.failed += 1;
                    continue;
                }
            },
        };
        let start = Instant::now();
        match timeout(SLOWEST, send(sender, request)).await {
            Ok(Ok((sender, status))) => {
                match status {
                    StatusCode::CREATED => {
                        run.accepted.push(number);
                        run.latencies.push(start.elapsed());
                    }
                    StatusCode::SERVICE_UNAVAILABLE => run.refused += 1,
                    _ => run.failed += 1,
                }
                open = Some(sender);
            }
            // The next upload gets a connection of its own.
            Ok(Err(_)) | Err(_) => run.failed += 1,
        }
    }
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come out at the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn send(mut sender: Sender, request: Request<Full<Bytes>>) -> Result<(Sender, StatusCode)> {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if response.into_body().collect().await.is_err() {
        bail!("the answer was cut short");
    }
    Ok((sender, status))
}
