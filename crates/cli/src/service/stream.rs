//! The stream of a connection: notes when something moves, gives up on a client that does not read, and closes so that the last
//! answer arrives.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::Activity;

/// How long a closed connection is read from in all, and how long without a byte.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_SILENT: Duration = Duration::from_secs(2);

/// How often it is looked whether a client has hung up that has sent something before.
const LOOK: Duration = Duration::from_millis(100);

/// See the module's text.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    activity: Activity,
    stall: Duration,
    /// Runs while the client takes nothing of what there is for it.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Closing,
}

#[derive(Debug)]
enum Closing {
    /// It is open.
    No,
    /// Nothing is sent any more; what comes is thrown away until then, or until the client closes as well.
    Lingers {
        silent: Pin<Box<Sleep>>,
        deadline: Instant,
    },
    Done,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, activity: Activity, stall: Duration) -> Self {
        // An answer is one small packet, which need not wait for another. Without it, it is only slower.
        let _ = socket.set_nodelay(true);
        Stream { socket, activity, stall, stalled: None, closing: Closing::No }
    }

    /// Done when the client has closed its sending side, also while something that it has sent was not read yet. It may still wait
    /// for answers: closing one side and closing both look the same from here.
    pub async fn hung_up(&self) {
        loop {
            match self.socket.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {}
                // An error is the end of it, too.
                _ => return,
            }
            // As long as there is something to read, the system does not wait for more to happen.
            sleep(LOOK).await;
        }
    }

    /// Passes a result of writing on, or an error if there has been none for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            self.activity.note();
            return result;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.stall)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not take its answer")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if result.is_ready() {
            self.activity.note();
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Ends the sending side, then throws away what still comes: a socket that is closed with unread bytes is reset,
    /// and the client may lose the answer that it has not read yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.closing {
                Closing::No => {
                    ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
                    let silent = Box::pin(sleep(LINGER_SILENT));
                    this.closing = Closing::Lingers { silent, deadline: Instant::now() + LINGER };
                }
                Closing::Lingers { silent, deadline } => {
                    let mut scratch = [0; 4096];
                    let mut buffer = ReadBuf::new(&mut scratch);
                    match Pin::new(&mut this.socket).poll_read(cx, &mut buffer) {
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                            let until = (Instant::now() + LINGER_SILENT).min(*deadline);
                            silent.as_mut().reset(until);
                            if Instant::now() >= *deadline {
                                this.closing = Closing::Done;
                            }
                        }
                        // The end, or a connection that is broken already.
                        Poll::Ready(_) => this.closing = Closing::Done,
                        Poll::Pending => {
                            ready!(silent.as_mut().poll(cx));
                            this.closing = Closing::Done;
                        }
                    }
                }
                Closing::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
