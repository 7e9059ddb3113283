//! The HTTP side: one thread with an async runtime that reads requests, hands them to the back end, and answers.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use longshore::{AnyPool, Pool, PullPool};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::service::{self, Connection, Limits, Served};
use longshore_cli::{limits, print};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::backend::{Backend, Refused};
use crate::body;
use crate::cli::{Model, Serve};
use crate::report;
use crate::store::{Database, WriteError, Written};
use crate::upload::Upload;

/// Connections at a time, if the system has descriptors for them.
const CONNECTIONS: usize = 10_000;
/// Characters of a name, and of a key.
const LONGEST_NAME: usize = 200;
/// For the head of a request, also of the next one on the same connection.
const SLOWEST_HEAD: Duration = Duration::from_secs(30);
/// Bytes that a connection holds of what it has read and not yet used: the longest head.
const BUFFER: usize = 64 << 10;
/// After this time of silence a connection makes room for another one.
const IDLE: Duration = Duration::from_secs(1);
/// A client that takes nothing of its answer for so long has gone.
const STALL: Duration = Duration::from_secs(10);
/// For a client that was refused, in seconds.
const RETRY: &str = "1";
/// For a connection that there is no room for.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Length: 21\r\n\r\ntoo many connections\n";

#[derive(Debug)]
struct Front<P> {
    backend: Backend<P>,
    accepted: Cell<u64>,
    refused: Cell<u64>,
}

type Reply = Response<Full<Bytes>>;

/// Runs the server until it is told to stop, and reports.
pub fn serve(options: &Serve) -> Result<Status, Failure> {
    match options.work.model {
        Model::Push => serve_with::<Pool>(options),
        Model::Pull => serve_with::<PullPool>(options),
    }
}

fn serve_with<P: AnyPool>(options: &Serve) -> Result<Status, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_usage()?;
    // Before the address is announced: its reader may signal at once.
    let (_signals, stop) = service::stop_signal("server").context("cannot listen for signals").or_usage()?;
    let connections = limits::connections(CONNECTIONS).or_usage()?;
    let database = Database::parse(&options.database).or_usage()?;
    let backend = Backend::<P>::start(options.mode, options.work, &database).or_usage()?;
    let front = Rc::new(Front { backend, accepted: Cell::new(0), refused: Cell::new(0) });
    // A tenth is for the rows that are to be written when the connections have ended.
    let limits = Limits { connections, idle: IDLE, stall: STALL, grace: options.grace * 9 / 10 };
    let local = LocalSet::new();
    let served = local.block_on(&runtime, listen(options, limits, &front, stop)).or_usage()?;
    // Ends the connections that were cut, and with them the other owners of the front.
    drop(local);
    drop(runtime);
    let front = Rc::into_inner(front).context("a connection is left").or_failed()?;
    report(front, served, options.grace / 10)
}

/// Waits for what was accepted, and says what has happened.
fn report<P: AnyPool>(front: Front<P>, served: Served, rest: Duration) -> Result<Status, Failure> {
    let Front { backend, accepted, refused } = front;
    let deadline = Instant::from(served.deadline).max(Instant::now()) + rest;
    let closed = backend.close(deadline).or_failed()?;
    let (stored, transactions) = (closed.stored, closed.transactions);
    // Only the database knows that a key is taken, which makes it a refusal.
    let accepted = accepted.get().saturating_sub(closed.key_taken);
    let refused = refused.get() + closed.key_taken;
    let text = format!("stopped: {accepted} accepted, {refused} refused, {stored} stored");
    print::report(|out| writeln!(out, "{text}, in {transactions} transactions"))
        .context("cannot write the report")
        .or_failed()?;
    if served.cut > 0 {
        report::complain(&format!("{} connections were cut that did not end in time", served.cut));
    }
    if !closed.is_finished {
        report::complain("the database did not answer in time; what was not stored was not promised");
    }
    let is_good = served.cut == 0 && closed.is_finished && stored == accepted;
    Ok(if is_good { Status::DONE } else { Status::FAILED })
}

/// Takes connections until the stop, then waits for those that are open.
async fn listen<P: AnyPool>(
    options: &Serve,
    limits: Limits,
    front: &Rc<Front<P>>,
    stop: impl Future<Output = ()>,
) -> Result<Served> {
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    report::say(&format!("listening on {}", listener.local_addr()?));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SLOWEST_HEAD).max_buf_size(BUFFER);
    // A client that has sent everything may close its side before it reads the answer.
    http.half_close(true);
    let handle = |connection| talk(front.clone(), http.clone(), connection);
    Ok(service::serve(listener, limits, REFUSAL, stop, handle).await)
}

/// Serves one connection.
async fn talk<P: AnyPool>(front: Rc<Front<P>>, http: http1::Builder, connection: Connection) {
    let Connection { stream, activity, mut closing } = connection;
    let answer = service_fn(move |request| {
        let (front, activity) = (front.clone(), activity.clone());
        async move {
            let _request = activity.begin();
            Ok::<_, Infallible>(front.answer(request).await)
        }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // A connection that breaks is its client's affair.
        _ = connection.as_mut() => return,
        _ = closing.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

impl<P: AnyPool> Front<P> {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let (name, key) = match check(&request) {
            Ok(checked) => checked,
            Err((status, text)) => {
                body::discard(request).await;
                return plain(status, text);
            }
        };
        let place = match self.backend.place().await {
            Ok(place) => place,
            Err(refused) => {
                body::discard(request).await;
                return self.refuse(&refused);
            }
        };
        let body = match body::read(request.into_body()).await {
            Ok(body) => body,
            Err(error) => return plain(error.status(), error.text()),
        };
        let (reply, answer) = oneshot::channel();
        if let Err(refused) = self.backend.accept(Upload { name, key, body, reply, place }).await {
            return self.refuse(&refused);
        }
        self.accepted.update(|accepted| accepted + 1);
        match answer.await {
            Ok(Ok(Written::Stored(number))) => plain(StatusCode::CREATED, &number.to_string()),
            Ok(Ok(Written::KeyTaken)) => {
                plain(StatusCode::UNPROCESSABLE_ENTITY, "the key belongs to another upload")
            }
            Ok(Err(error @ WriteError::Unavailable(_))) => busy(&error.to_string()),
            Ok(Err(error)) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "not stored: the work on it has ended"),
        }
    }

    fn refuse(&self, Refused(reason): &Refused) -> Reply {
        self.refused.update(|refused| refused + 1);
        busy(reason)
    }
}

/// The name and the key of an upload, or why it is none.
fn check(request: &Request<Incoming>) -> Result<(String, Option<String>), (StatusCode, &'static str)> {
    const USE: &str = "POST /uploads/NAME";
    let Some(name) = request.uri().path().strip_prefix("/uploads/") else {
        return Err((StatusCode::NOT_FOUND, USE));
    };
    if request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, USE));
    }
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
        return Err((StatusCode::BAD_REQUEST, "a name is up to 200 of A-Z a-z 0-9 . _ -"));
    }
    let is_key =
        |key: &str| (1..=LONGEST_NAME).contains(&key.len()) && key.bytes().all(|c| c.is_ascii_graphic());
    let mut keys = request.headers().get_all("idempotency-key").iter();
    let key = keys.next().map(|key| key.to_str().unwrap_or_default().to_owned());
    if keys.next().is_some() || key.as_ref().is_some_and(|key| !is_key(key)) {
        return Err((StatusCode::BAD_REQUEST, "an Idempotency-Key is up to 200 visible characters of ASCII"));
    }
    body::announced(request).map_err(|error| (error.status(), error.text()))?;
    Ok((name.to_owned(), key))
}

fn busy(reason: &str) -> Reply {
    let mut refusal = plain(StatusCode::SERVICE_UNAVAILABLE, reason);
    refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY));
    refusal
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    response
}
