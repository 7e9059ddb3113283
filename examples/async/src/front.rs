//! The TCP side: one thread with an async runtime that reads questions, has them answered, and writes the answers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::limits;
use longshore_cli::service::{self, Connection, Limits, Line, Lines, Served, Stream};
use longshore_cli::{name, print};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::backend::{Backend, Unanswered};
use crate::cli::Serve;
use crate::{complain, say};

/// Bytes of a line.
const LONGEST: usize = 100;
/// Bytes of a line that was too long, in the answer to it.
const SHOWN: usize = 20;
/// Connections at a time, if the system has descriptors for them.
const CONNECTIONS: usize = 2000;
/// After this time of silence a connection makes room for another one.
const IDLE: Duration = Duration::from_secs(1);
/// A client that takes nothing of its answers for so long has gone.
const STALL: Duration = Duration::from_secs(5);
/// A client that has closed its sending side may still wait for the answer, or be gone: so long it is computed.
const HALF_CLOSED: Duration = Duration::from_secs(1);
/// For a connection that there is no room for.
const REFUSAL: &[u8] = b"too many connections, try later\n";

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
    limits: Limits,
}

/// Runs the service until a signal comes.
pub fn serve(options: &Serve) -> Result<Status, Failure> {
    let runtime = crate::runtime().or_usage()?;
    let local = LocalSet::new();
    let (front, served) = local.block_on(&runtime, async {
        // Before the address is announced: its reader may signal at once.
        let (_signals, stop) =
            service::stop_signal("async").context("cannot listen for signals").or_usage()?;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))
            .or_usage()?;
        let front = Front::new(Backend::start(options.service).or_usage()?, options.grace).or_usage()?;
        let front = Rc::new(front);
        say(&format!("listening on {}", listener.local_addr().or_usage()?));
        let served = front.run(listener, stop).await;
        Ok((front, served))
    })?;
    // Connections that were cut take their tasks with them.
    drop(local);
    front.report(served).or_failed()
}

impl Front {
    pub fn new(backend: Backend, grace: Duration) -> Result<Front> {
        let connections = limits::connections(CONNECTIONS)?;
        let limits = Limits { connections, idle: IDLE, stall: STALL, grace };
        Ok(Front { backend, counts: Counts::default(), limits })
    }

    /// Questions that are being computed just now.
    pub fn running(&self) -> u64 {
        self.backend.running()
    }

    /// Serves until `stop` is done, and then until each client has the answer to what it has asked, or the grace is over.
    pub async fn run(self: &Rc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) -> Served {
        let handle = |connection| {
            let front = self.clone();
            // A connection that breaks is its client's affair.
            async move { drop(front.talk(connection).await) }
        };
        service::serve(listener, self.limits, REFUSAL, stop, handle).await
    }

    async fn talk(&self, connection: Connection) -> std::io::Result<()> {
        let Connection { stream, activity, mut closing } = connection;
        let mut lines = Lines::new(BufReader::new(stream), LONGEST);
        while !*closing.borrow() {
            let line = tokio::select! {
                line = lines.next() => line?,
                // Fails when the sender is dropped.
                _ = closing.changed() => break,
            };
            if line == Line::End {
                break;
            }
            let _request = activity.begin();
            let answer = tokio::select! {
                answer = self.answer(&line) => answer,
                () = gone(lines.get_ref().get_ref()) => {
                    // The future of the answer is gone, and with it the task.
                    self.counts.hung_up.update(|n| n + 1);
                    return Ok(());
                }
            };
            let stream = lines.get_mut();
            stream.write_all(format!("{answer}\n").as_bytes()).await?;
            stream.flush().await?;
        }
        lines.get_mut().shutdown().await
    }

    async fn answer(&self, line: &Line) -> String {
        let number = match line {
            Line::Whole(line) => number(line),
            Line::TooLong(_) | Line::End => None,
        };
        let Some(number) = number else {
            self.counts.unanswered.update(|n| n + 1);
            return refusal(line);
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
    pub fn report(&self, served: Served) -> Result<Status> {
        let (begun, never) = self.backend.close()?;
        let Counts { answered, unanswered, hung_up } = &self.counts;
        let (answered, unanswered, hung_up) = (answered.get(), unanswered.get(), hung_up.get());
        let cut = served.cut as u64;
        print::report(|out| {
            writeln!(out, "stopped: {answered} answered, {unanswered} not answered, {hung_up} hung up")?;
            writeln!(out, "tasks: {begun} begun, {never} never begun")
        })
        .context("cannot write the report")?;
        if cut > 0 {
            complain(&format!("{cut} connections were cut that did not end in time"));
        }
        let is_lost = never > hung_up + unanswered + cut;
        if is_lost {
            complain("tasks were lost");
        }
        Ok(if cut > 0 || is_lost { Status::FAILED } else { Status::DONE })
    }
}

/// The number that a line is, between blanks.
fn number(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii();
    // A sign is none of it.
    let digits = Some(line).filter(|line| line.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number > 0)
}

/// Why there is no answer to a line, which may hold anything.
fn refusal(line: &Line) -> String {
    match line {
        Line::Whole(line) => {
            format!("{}: not a number from 1 to {}", name::shown_bytes(line.trim_ascii()), u64::MAX)
        }
        Line::TooLong(start) => {
            let shown = name::shown_bytes(&start[..start.len().min(SHOWN)]).to_string();
            format!("{shown}...: too long, a line has at most {LONGEST} bytes")
        }
        Line::End => String::new(),
    }
}

/// Done some time after the client has closed its sending side.
async fn gone(stream: &Stream) {
    stream.hung_up().await;
    sleep(HALF_CLOSED).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        for (line, expected) in [
            (&b"12"[..], Some(12)),
            (b" 12\r", Some(12)),
            (b"0012", Some(12)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"0", None),
            (b"", None),
            (b"+12", None),
            (b"-12", None),
            (b"1 2", None),
            (b"1e3", None),
            (b"\xff", None),
            ("\u{661}".as_bytes(), None),
        ] {
            assert_eq!(number(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_refusal_is_one_line_without_control() {
        for line in [&b"\xff\xfe"[..], b"\x1b[31m", b"", b"a\0b", "\u{202e}".as_bytes()] {
            for line in [Line::Whole(line.to_vec()), Line::TooLong(line.to_vec())] {
                let text = refusal(&line);
                assert!(!text.contains(char::is_control) && text.contains(": "), "{text:?}");
            }
        }
    }
}
