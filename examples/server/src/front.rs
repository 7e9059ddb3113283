//! The HTTP side: one thread with an async runtime that reads requests, hands them to the back end, and answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use longshore::{AnyPool, Pool, PullPool};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::backend::{Backend, Refused};
use crate::cli::{Model, Serve};
use crate::report;
use crate::store::Database;
use crate::upload::Upload;

/// Bytes of a body.
const LARGEST: usize = 1 << 20;
/// Characters of a name.
const LONGEST_NAME: usize = 200;
/// For the head of a request, and again for its body.
const SLOWEST: Duration = Duration::from_secs(30);
/// For all requests that were begun when the stop came.
const GRACE: Duration = Duration::from_secs(60);
/// After an error of `accept`, most likely too many open files: other requests have to end first.
const BREATH: Duration = Duration::from_millis(10);
/// For those who were refused, in seconds.
const RETRY: &str = "1";

#[derive(Debug)]
struct Front<P> {
    backend: Backend<P>,
    accepted: AtomicU64,
    refused: AtomicU64,
}

type Reply = Response<Full<Bytes>>;

/// Runs the server until it is told to stop. Returns whether all requests were answered and all accepted uploads stored.
pub fn serve(options: &Serve) -> Result<bool> {
    match options.work.model {
        Model::Push => serve_with::<Pool>(options),
        Model::Pull => serve_with::<PullPool>(options),
    }
}

fn serve_with<P: AnyPool>(options: &Serve) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let backend = Backend::<P>::start(options.mode, options.work, Database::parse(&options.database)?)?;
    let front = Arc::new(Front { backend, accepted: 0.into(), refused: 0.into() });
    let drained = runtime.block_on(listen(options, &front))?;
    // Ends the connections that were cut, and with them the other owners of the front.
    drop(runtime);
    let front = Arc::into_inner(front).context("a connection is left")?;
    let (accepted, refused) = (front.accepted.into_inner(), front.refused.into_inner());
    let stored = front.backend.close()?;
    report::say(&format!("stopped: {accepted} accepted, {refused} refused, {stored} stored"));
    if !drained {
        report::complain("connections were cut that did not end in time");
    }
    Ok(drained && stored == accepted)
}

/// Takes connections until the signal, then waits for those that are open. Returns whether all have ended.
async fn listen<P: AnyPool>(options: &Serve, front: &Arc<Front<P>>) -> Result<bool> {
    // Before the address is announced: who has read it may signal at once.
    let mut stop = std::pin::pin!(stop_signal()?);
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    report::say(&format!("listening on {}", listener.local_addr()?));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SLOWEST);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        // An answer is one small packet, which need not wait for another.
        let _ = stream.set_nodelay(true);
        let front = front.clone();
        let service = service_fn(move |request| {
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        // A connection that breaks is its client's affair.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    Ok(timeout(GRACE, connections.shutdown()).await.is_ok())
}

/// Resolves at SIGTERM or Ctrl-C.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

impl<P: AnyPool> Front<P> {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let Some(name) = request.uri().path().strip_prefix("/uploads/") else {
            return plain(StatusCode::NOT_FOUND, "POST /uploads/NAME");
        };
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "POST /uploads/NAME");
        }
        let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
            return plain(StatusCode::BAD_REQUEST, "a name is up to 200 of A-Z a-z 0-9 . _ -");
        }
        let name = name.to_owned();
        match timeout(SLOWEST, Limited::new(request.into_body(), LARGEST).collect()).await {
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "the body did not come"),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                plain(StatusCode::PAYLOAD_TOO_LARGE, "a body has up to 1 MiB")
            }
            Ok(Err(_)) => plain(StatusCode::BAD_REQUEST, "the body is broken"),
            Ok(Ok(body)) => self.upload(name, body.to_bytes()).await,
        }
    }

    async fn upload(&self, name: String, body: Bytes) -> Reply {
        let (reply, stored) = oneshot::channel();
        if let Err(Refused(reason)) = self.backend.accept(Upload { name, body, reply }).await {
            // Relaxed: both counters are read when the runtime, and with it this thread's work, has ended.
            self.refused.fetch_add(1, Ordering::Relaxed);
            let mut refusal = plain(StatusCode::SERVICE_UNAVAILABLE, reason);
            refusal.headers_mut().insert(RETRY_AFTER, RETRY.parse().expect("a number is a header value"));
            return refusal;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        match stored.await {
            Ok(Ok(number)) => plain(StatusCode::CREATED, &number.to_string()),
            Ok(Err(error)) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the work on the upload panicked"),
        }
    }
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    response
}
