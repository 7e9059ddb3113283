//! What a program prints: one-line messages, and a report that is text or JSON.
//!
//! - A message is one line, whatever it was made from, and a reader who has gone stops no program.
//! - A report goes to standard output. A closed pipe is no error: its reader has seen enough, and the exit status is that of the
//!   work. Any other error is the caller's, because a report that is lost is not what was asked for.

use std::io::{self, BufWriter, ErrorKind, Write};

use serde::Serialize;

use crate::name;

/// Writes one line to standard error, after the program's name.
pub fn complain(program: &str, message: &str) {
    // `eprintln!` would panic when standard error is closed, and there is no other place to tell it.
    let _ = Patient(io::stderr()).write_all(format!("{program}: {}\n", name::line(message)).as_bytes());
}

/// Writes one line to standard output, for example what a service does at the moment.
pub fn say(message: &str) {
    // A service goes on without a reader of its messages.
    let mut out = Patient(io::stdout().lock());
    let _ = out.write_all(format!("{}\n", name::line(message)).as_bytes()).and_then(|()| out.flush());
}

/// Writes a report to standard output.
///
/// # Errors
/// What the system says, except that the pipe is closed.
pub fn report(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(Patient(io::stdout().lock()));
    let written = write(&mut out).and_then(|()| out.flush());
    if written.is_err() {
        // Dropping the buffer would try once more.
        let _ = out.into_parts();
    }
    unless_closed(written)
}

/// Writes a value to standard output as one JSON object over several lines.
///
/// # Errors
/// As [`report`].
pub fn json(value: &impl Serialize) -> io::Result<()> {
    report(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        writeln!(out)
    })
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Waits where the stream would not: another program may have made the pipe non-blocking, because standard streams are
/// shared with the process that started this one.
struct Patient<W>(W);

impl<W: Write + Stream> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.0.wait()?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.0.wait()?,
                other => return other,
            }
        }
    }
}

/// A standard stream.
trait Stream {
    /// Waits until it takes more.
    fn wait(&self) -> io::Result<()>;
}

#[cfg(unix)]
impl<S: std::os::fd::AsFd> Stream for S {
    fn wait(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};

        match poll(&mut [PollFd::new(self, PollFlags::OUT)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(unix))]
impl<S> Stream for S {
    fn wait(&self) -> io::Result<()> {
        Err(ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        let closed = Err(ErrorKind::BrokenPipe.into());
        assert!(unless_closed(closed).is_ok());
        let full = Err(ErrorKind::StorageFull.into());
        assert_eq!(unless_closed(full).expect_err("it is lost").kind(), ErrorKind::StorageFull);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_does_not_block_gets_everything() {
        use std::io::Read;

        let (mut reader, writer) = io::pipe().expect("a pipe");
        let flags = rustix::fs::fcntl_getfl(&writer).expect("flags");
        rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
        // More than a pipe holds.
        let sent = vec![7; 1 << 20];
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).expect("readable");
            got
        });
        Patient(writer).write_all(&sent).expect("it waits");
        assert_eq!(reading.join().expect("no panic"), sent);
    }
}
