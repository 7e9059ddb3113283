//! Connections of a service: as many as its limits allow, each answered or refused, all ended by a stop.
//!
//! - **A service never has more connections than it can.** When all are taken, the one that has been silent
//!   longest makes room, if it has been silent for [`Limits::idle`] and no request of it is under way;
//!   otherwise the new one is refused by a short answer.
//! - **A client that does not read its answers** is cut when it has taken nothing for [`Limits::stall`].
//! - **A client that sends more than is wanted** gets its answer nevertheless: a closed connection is read
//!   from for a while, because the system would otherwise reset it, and the client would see the reset before
//!   the answer.
//! - **A stop** ends within [`Limits::grace`]: no new connections; those on which no request is under way end
//!   within [`LAST_CALL`]; requests under way are answered; what is left at the end of the grace is cut and
//!   counted.
//!
//! All of it runs on one thread, inside of a `LocalSet`.

mod accept;
mod lines;
mod stream;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::signals::{self, Signals};

pub use accept::{Served, serve};
pub use lines::{Line, Lines};
pub use stream::Stream;

/// What a service takes upon itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, from 1; see [`limits::connections`](crate::limits::connections).
    pub connections: usize,
    /// After this time of silence a connection makes room for another one if all are taken.
    pub idle: Duration,
    /// A client that takes none of its answer for so long is gone.
    pub stall: Duration,
    /// For everything that was begun when the stop came.
    pub grace: Duration,
}

/// How long after a stop a request can still begin on a connection that is open: its first bytes may be on
/// their way.
pub const LAST_CALL: Duration = Duration::from_millis(500);

/// A connection, as its handler gets it.
#[derive(Debug)]
pub struct Connection {
    /// To read from and write to.
    pub stream: Stream,
    /// To say when a request is under way.
    pub activity: Activity,
    /// Becomes true when the service stops: then the connection ends after the request that is under way.
    pub closing: watch::Receiver<bool>,
}

/// What a connection does.
#[derive(Clone, Debug)]
pub struct Activity(Rc<State>);

#[derive(Debug)]
struct State {
    requests: Cell<u32>,
    last: Cell<Instant>,
}

/// A request is under way for as long as this lives.
#[derive(Debug)]
pub struct Request(Activity);

impl Activity {
    fn new() -> Self {
        Activity(Rc::new(State { requests: Cell::new(0), last: Cell::new(Instant::now()) }))
    }

    /// A request is under way, until the result is dropped: the connection is neither closed for its silence
    /// nor by a stop before the end of the grace.
    pub fn begin(&self) -> Request {
        self.0.requests.update(|requests| requests + 1);
        Request(self.clone())
    }

    /// Bytes have come or gone.
    fn note(&self) {
        self.0.last.set(Instant::now());
    }

    fn is_busy(&self) -> bool {
        self.0.requests.get() > 0
    }

    /// How long it has been silent, if no request is under way.
    fn idle(&self) -> Option<Duration> {
        (!self.is_busy()).then(|| self.0.last.get().elapsed())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.0.requests.update(|requests| requests - 1);
        self.0.note();
    }
}

/// Connections that the system may hold for a service until it takes them. With the usual 128 a burst of
/// clients overflows it, and each client that finds no room is silently put off by a second or more.
const BACKLOG: u32 = 4096;

/// Listens on an address, with room for a burst of clients.
///
/// # Errors
/// What the system says.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a service can be started again at once. On Windows it would allow two services at an address.
    if cfg!(not(windows)) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens for the signals that stop a service; the future is done at the first.
///
/// # Errors
/// As [`signals::listen`].
pub fn stop_signal(program: &'static str) -> io::Result<(Signals, impl Future<Output = ()> + 'static)> {
    let (stop, stopped) = oneshot::channel();
    let signals = signals::listen(program, move |_| {
        let _ = stop.send(());
    })?;
    Ok((signals, async move {
        if stopped.await.is_err() {
            // Without the thread that listens there is no signal.
            std::future::pending::<()>().await;
        }
    }))
}
