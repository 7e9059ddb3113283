//! Programs that are started and watched: by tests, and by programs that measure others.
//!
//! What a program prints is read all the time, so that it never waits for its reader; every wait here has a limit; and a program
//! that is still running is killed when its [`Running`] is dropped, with all that it has started.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::signals::Signal;

/// How long a wait takes at most. Far above anything that a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often the end of a process is looked for.
const LOOK: Duration = Duration::from_millis(2);

/// One of the two streams of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: Arc<Said>,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// As the system has it.
    pub status: ExitStatus,
    /// All of standard output.
    pub output: Vec<u8>,
    /// All of standard error.
    pub error: Vec<u8>,
}

/// What it has printed so far.
#[derive(Debug, Default)]
struct Said {
    streams: Mutex<[Collected; 2]>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Running {
    /// Starts a program in a group of processes of its own, without input, and with the signals that stop a program as if a user
    /// had started it at a terminal.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(command: &mut Command) -> io::Result<Running> {
        Running::start_with(command, Stdio::piped())
    }

    /// As [`Running::start`], with standard output of the caller's choice.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(command: &mut Command, output: Stdio) -> io::Result<Running> {
        isolate(command);
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let said = Arc::<Said>::default();
        match child.stdout.take() {
            Some(output) => collect(Stream::Output, output, &said)?,
            None => said.lock()[Stream::Output as usize].is_closed = true,
        }
        if let Some(error) = child.stderr.take() {
            collect(Stream::Error, error, &said)?;
        }
        Ok(Running { child, said })
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed so far.
    pub fn said(&self, stream: Stream) -> String {
        self.said.lock()[stream as usize].text()
    }

    /// Waits until it has printed a line that contains `text`, and returns the first such line.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the stream ends before, [`ErrorKind::TimedOut`] after [`PATIENCE`]. Both say what was printed.
    pub fn wait_for(&self, stream: Stream, text: &str) -> io::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut streams = self.said.lock();
        loop {
            let said = streams[stream as usize].text();
            let mut lines = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.find(|line| line.contains(text)) {
                return Ok(line.trim_end().to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let kind = match streams[stream as usize].is_closed {
                true => ErrorKind::UnexpectedEof,
                false if left.is_zero() => ErrorKind::TimedOut,
                false => {
                    let waited = self.said.more.wait_timeout(streams, left);
                    streams = waited.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
            };
            let [output, error] = [&streams[0], &streams[1]].map(Collected::text);
            return Err(io::Error::new(kind, format!("no line with '{text}': {output}{error}")));
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended, or the system has no signals.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::new(ErrorKind::NotFound, format!("it has ended: {status}")));
        }
        send(&self.child, signal)
    }

    /// Ends it on the spot, with all that it has started.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        kill_group(&mut self.child)
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// What the system says.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it has ended and everything that it printed was read.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] after [`PATIENCE`], with what was printed; the program is killed then.
    pub fn finish(self) -> io::Result<Finished> {
        self.finish_within(PATIENCE)
    }

    /// As [`Running::finish`], with another limit.
    ///
    /// # Errors
    /// As there.
    pub fn finish_within(mut self, limit: Duration) -> io::Result<Finished> {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                let [output, error] = [Stream::Output, Stream::Error].map(|stream| self.said(stream));
                return Err(io::Error::new(ErrorKind::TimedOut, format!("it does not end: {output}{error}")));
            }
            thread::park_timeout(LOOK);
        };
        // A process that it has left behind may hold its streams open.
        let _ = kill_group(&mut self.child);
        let mut streams = self.said.lock();
        while !streams.iter().all(|stream| stream.is_closed) {
            let waited = self.said.more.wait_timeout(streams, PATIENCE);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Err(io::Error::new(ErrorKind::TimedOut, "its streams stay open"));
            }
            streams = again;
        }
        let [output, error] = &mut *streams;
        Ok(Finished {
            status,
            output: std::mem::take(&mut output.bytes),
            error: std::mem::take(&mut error.bytes),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In vain if it has ended.
        let _ = kill_group(&mut self.child);
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The exit status; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Standard error as text.
    pub fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.error).into_owned()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}{}", self.status, self.text(), self.complaints())
    }
}

/// Runs a program to its end.
///
/// # Errors
/// As [`Running::start`] and [`Running::finish`].
pub fn run(command: &mut Command) -> io::Result<Finished> {
    Running::start(command)?.finish()
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, [Collected; 2]> {
        // What was collected is whole, whatever panicked.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Reads a stream to its end, on a thread of its own.
fn collect(stream: Stream, mut from: impl Read + Send + 'static, said: &Arc<Said>) -> io::Result<()> {
    let said = Arc::clone(said);
    thread::Builder::new().name("reader".into()).spawn(move || {
        let mut buffer = [0; 8192];
        loop {
            let got = match from.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                got => got.unwrap_or(0),
            };
            let mut streams = said.lock();
            let collected = &mut streams[stream as usize];
            collected.bytes.extend_from_slice(&buffer[..got]);
            collected.is_closed = got == 0;
            drop(streams);
            said.more.notify_all();
            if got == 0 {
                return;
            }
        }
    })?;
    Ok(())
}

#[cfg(unix)]
fn isolate(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
    let listen = || {
        for signal in Signal::ALL {
            // SAFETY: always sound, also between fork and exec: the call is async-signal-safe and SIG_DFL no handler.
            unsafe { libc::signal(i32::from(signal.number()), libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: `listen` neither allocates nor locks.
    unsafe { command.pre_exec(listen) };
}

#[cfg(unix)]
fn number(child: &Child) -> io::Result<rustix::process::Pid> {
    let number = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    number.ok_or_else(|| io::Error::other("not the number of a process"))
}

#[cfg(unix)]
fn send(child: &Child, signal: Signal) -> io::Result<()> {
    use rustix::process::{Signal as Number, kill_process};

    let signal = match signal {
        Signal::HangUp => Number::HUP,
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
    };
    Ok(kill_process(number(child)?, signal)?)
}

#[cfg(unix)]
fn kill_group(child: &mut Child) -> io::Result<()> {
    use rustix::process::{Signal as Number, kill_process_group};

    match kill_process_group(number(child)?, Number::KILL) {
        // No process of the group is left.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn isolate(_: &mut Command) {}

#[cfg(not(unix))]
fn send(_: &Child, signal: Signal) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, format!("this system has no {signal}")))
}

#[cfg(not(unix))]
fn kill_group(child: &mut Child) -> io::Result<()> {
    child.kill()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_is_read_signalled_and_waited_for() {
        let mut running = Running::start(&mut shell("echo one; echo two >&2; sleep 600")).expect("it starts");
        assert_eq!(running.wait_for(Stream::Output, "on").expect("a line"), "one");
        assert_eq!(running.wait_for(Stream::Error, "two").expect("a line"), "two");
        assert!(!running.has_ended().expect("ours"));
        running.signal(Signal::Terminate).expect("it runs");
        let finished = running.finish().expect("it ends");
        assert_eq!((finished.code(), finished.text()), (None, "one\n".into()));
        let finished = run(&mut shell("exit 3")).expect("it ends");
        assert_eq!(finished.code(), Some(3));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_what_it_started() {
        let running = Running::start(&mut shell("sleep 600 & echo started; wait")).expect("it starts");
        running.wait_for(Stream::Output, "started").expect("a line");
        let error = running.finish_within(Duration::from_millis(1)).expect_err("it runs");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // Its child has the pipe; it ends nevertheless.
        let finished = run(&mut shell("sleep 600 & echo left; exit 0")).expect("it ends");
        assert_eq!(finished.text(), "left\n");
        let running = Running::start(&mut shell("echo one")).expect("it starts");
        let error = running.wait_for(Stream::Output, "two").expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
