//! The service: a future for each connection, all on one thread.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::backend::{Backend, Unanswered};
use crate::cli::Serve;
use crate::{complain, say};

/// Bytes of a line.
const LONGEST: u64 = 100;
/// Connections at a time; more wait to be accepted.
const MOST: usize = 2000;
/// After an error of `accept`, most likely too many open files: other connections have to end first.
const BREATH: Duration = Duration::from_millis(10);

/// What has become of the questions.
#[derive(Debug, Default)]
pub struct Counts {
    answered: Cell<u64>,
    unanswered: Cell<u64>,
    hung_up: Cell<u64>,
}

/// A service that can be told to stop.
pub struct Front {
    backend: Backend,
    counts: Counts,
}

/// Runs the service until a signal comes.
pub async fn serve(options: &Serve) -> Result<bool> {
    // Before the address is announced: who has read it may signal at once.
    let signal = stop_signal()?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let front = Rc::new(Front::new(Backend::start(options.service)?));
    say(&format!("listening on {}", listener.local_addr()?));
    LocalSet::new().run_until(front.run(listener, signal)).await;
    front.report()
}

impl Front {
    pub fn new(backend: Backend) -> Front {
        Front { backend, counts: Counts::default() }
    }

    /// Questions that are being computed just now.
    pub fn running(&self) -> u64 {
        self.backend.running()
    }

    /// Serves until `stop` is done, and then until each client has the answer to what it has asked.
    pub async fn run(self: &Rc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let (closing, closed) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept(), if connections.len() < MOST => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let (front, closed) = (self.clone(), closed.clone());
            // A connection that breaks is its client's affair.
            connections.spawn_local(async move { drop(front.connection(stream, closed).await) });
        }
        drop((listener, closing));
        connections.join_all().await;
    }

    async fn connection(&self, stream: TcpStream, mut closed: watch::Receiver<()>) -> io::Result<()> {
        // An answer is one small packet, which need not wait for another.
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            let mut line = String::new();
            let mut limited = (&mut read).take(LONGEST);
            let got = tokio::select! {
                // Fails when the sender is dropped.
                _ = closed.changed() => return Ok(()),
                got = limited.read_line(&mut line) => got?,
            };
            if got == 0 {
                return Ok(());
            }
            let answer = tokio::select! {
                answer = self.answer(line.trim()) => answer,
                () = hang_up(&mut read) => {
                    // The future of the answer is gone, and with it the task.
                    self.counts.hung_up.update(|n| n + 1);
                    return Ok(());
                }
            };
            write.write_all(format!("{answer}\n").as_bytes()).await?;
            if !line.ends_with('\n') {
                return Ok(());
            }
        }
    }

    async fn answer(&self, line: &str) -> String {
        let Some(number) = line.parse::<u64>().ok().filter(|number| *number > 0) else {
            self.counts.unanswered.update(|n| n + 1);
            return format!("{line}: not a number from 1 to {}", u64::MAX);
        };
        let answer = self.backend.factor(number).await;
        let count = if answer.is_ok() { &self.counts.answered } else { &self.counts.unanswered };
        count.update(|n| n + 1);
        match answer {
            Ok(factors) => {
                let factors: Vec<_> = factors.iter().map(u64::to_string).collect();
                format!("{number} = {}", factors.join(" "))
            }
            Err(Unanswered::Busy) => format!("{number}: too busy, try later"),
            Err(Unanswered::Broken) => format!("{number}: the service is broken"),
        }
    }

    /// Ends the pool and says what has happened.
    pub fn report(&self) -> Result<bool> {
        let (begun, never) = self.backend.close()?;
        let Counts { answered, unanswered, hung_up } = &self.counts;
        let (answered, unanswered, hung_up) = (answered.get(), unanswered.get(), hung_up.get());
        say(&format!("stopped: {answered} answered, {unanswered} not answered, {hung_up} hung up"));
        say(&format!("tasks: {begun} begun, {never} never begun"));
        if never > hung_up + unanswered {
            complain("tasks were lost");
            return Ok(false);
        }
        Ok(true)
    }
}

/// Resolves when the client has closed its side, or the connection broke, and no further question is there.
async fn hang_up(read: &mut BufReader<OwnedReadHalf>) {
    // Who has asked already what comes next is still there, as far as anybody can know.
    if !read.buffer().is_empty() || matches!(read.fill_buf().await, Ok(more) if !more.is_empty()) {
        std::future::pending::<()>().await;
    }
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
