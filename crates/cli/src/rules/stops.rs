//! Signals: the first stops in good order, the second at once, and what was ignored stays so.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Long, Subject};
use crate::process::{Finished, PATIENCE, Running, Stream};
use crate::signals::Signal;

/// How often a batch is started anew because it ended before the signal came.
const ATTEMPTS: usize = 20;
/// At once, on a machine that is busy with other things.
const AT_ONCE: Duration = Duration::from_secs(20);

pub fn check(subject: &Subject<'_>) {
    if !cfg!(target_os = "linux") {
        println!("notice: which signals a program listens to is unknown here, stops are skipped");
        return;
    }
    for signal in Signal::ALL {
        first(subject, signal);
    }
    if !matches!(subject.long, Long::Waiting(_)) {
        for signal in [Signal::Interrupt, Signal::Terminate] {
            second(subject, signal);
        }
    }
    ignored(subject);
}

impl Long<'_> {
    fn arguments(&self) -> &[&str] {
        let (Long::Batch(arguments) | Long::Service(arguments) | Long::Waiting(arguments)) = self;
        arguments
    }

    fn assert_reported(&self, finished: &Finished) {
        let reports = !matches!(self, Long::Waiting(_));
        assert!(!reports || !finished.output.is_empty(), "no report: {finished}");
    }

    fn status_after(&self, signal: Signal) -> i32 {
        match self {
            Long::Batch(_) | Long::Waiting(_) => 128 + i32::from(signal.number()),
            Long::Service(_) => 0,
        }
    }
}

/// The first signal: the program says that it stops, reports, and has the status of the signal, or 0 if it is a service.
fn first(subject: &Subject<'_>, signal: Signal) {
    for _ in 0..ATTEMPTS {
        let mut running = subject.start(subject.long.arguments());
        until_it_listens(&mut running, signal);
        if running.signal(signal).is_err() {
            continue;
        }
        let finished = running.finish().expect("it ends");
        if finished.code() == Some(0) && matches!(subject.long, Long::Batch(_)) {
            // It was done before.
            continue;
        }
        assert_eq!(finished.code(), Some(subject.long.status_after(signal)), "{signal}: {finished}");
        subject.long.assert_reported(&finished);
        return;
    }
    panic!("{ATTEMPTS} times the run ended before it could be stopped by {signal}");
}

/// The second signal while the first cannot be obeyed: the report has to wait for a pipe that nobody reads.
fn second(subject: &Subject<'_>, signal: Signal) {
    let (_reader, mut writer) = std::io::pipe().expect("a pipe");
    fill(&mut writer);
    let mut command = subject.command(subject.long.arguments());
    let mut running = Running::start_with(&mut command, writer.into()).expect("it starts");
    until_it_listens(&mut running, signal);
    running.signal(Signal::HangUp).expect("it runs");
    running.wait_for(Stream::Error, "SIGHUP").expect("a note that it stops");
    running.signal(signal).expect("it still runs");
    let finished = running.finish_within(AT_ONCE).expect("it ends");
    assert_eq!(finished.code(), Some(128 + i32::from(signal.number())), "{finished}");
}

/// Puts as much into a pipe as it takes.
fn fill(writer: &mut std::io::PipeWriter) {
    #[cfg(unix)]
    {
        let flags = rustix::fs::fcntl_getfl(&*writer).expect("flags");
        rustix::fs::fcntl_setfl(&*writer, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
        while writer.write(&[b'x'; 4096]).is_ok() {}
        // The rest of the last page.
        while writer.write(b"x").is_ok() {}
        rustix::fs::fcntl_setfl(&*writer, flags).expect("flags");
    }
    #[cfg(not(unix))]
    let _ = writer.write(b"");
}

/// A signal that was ignored at the start does not stop the program, and the others do.
fn ignored(subject: &Subject<'_>) {
    for _ in 0..ATTEMPTS {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", subject.program]);
        command.args(subject.long.arguments()).current_dir(subject.directory).stdin(Stdio::null());
        let mut running = Running::start(&mut command).expect("it starts");
        until_it_listens(&mut running, Signal::Terminate);
        // The second would end it at once, if the first had counted.
        let sent = running.signal(Signal::HangUp).and_then(|()| running.signal(Signal::Terminate));
        if sent.is_err() {
            continue;
        }
        let finished = running.finish().expect("it ends");
        if finished.code() == Some(0) && matches!(subject.long, Long::Batch(_)) {
            continue;
        }
        assert_eq!(finished.code(), Some(subject.long.status_after(Signal::Terminate)), "{finished}");
        subject.long.assert_reported(&finished);
        assert!(!finished.complaints().contains("SIGHUP"), "{finished}");
        return;
    }
    panic!("{ATTEMPTS} times the run ended before it could be stopped");
}

/// Waits until the program has a handler for the signal, which would end it before, or has ended.
fn until_it_listens(running: &mut Running, signal: Signal) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !running.has_ended().expect("ours") {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        if u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & (1 << (signal.number() - 1)) != 0) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the program does not listen for {signal}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
