//! Runs a program in a process of its own, and kills it if it does not end.

use std::env;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::Program;

/// The argument by which a process is told to run the program on its standard input.
pub const PLAY: &str = "--play";

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it must.
    Good,
    /// It did not end in time.
    Hangs,
    /// A check failed, or the process died. With what it has printed last.
    Fails(String),
}

/// Runs `program` for at most `limit`.
///
/// # Panics
/// If no process can be started.
pub fn verdict(program: &Program, limit: Duration) -> Verdict {
    let this = env::current_exe().expect("the path of this program is known");
    let mut command = Command::new(this);
    command.arg(PLAY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.env("RUST_BACKTRACE", "0").spawn().expect("a process starts");
    let text = serde_json::to_string(program).expect("a program can be written");
    let mut input = process.stdin.take().expect("piped");
    let _ = input.write_all(text.as_bytes()); // a process that has died says so by its status
    drop(input);
    let (mut out, mut err) = (process.stdout.take().expect("piped"), process.stderr.take().expect("piped"));
    let reading = thread::spawn(move || {
        let (mut text, mut rest) = (String::new(), String::new());
        let _ = out.read_to_string(&mut text);
        let _ = err.read_to_string(&mut rest);
        text + &rest
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        match process.try_wait().expect("the process is this one's child") {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => break None,
            None => thread::park_timeout(Duration::from_millis(1)),
        }
    };
    let Some(status) = status else {
        let _ = process.kill();
        let _ = process.wait();
        // With `LONGSHORE_STALL` in the environment: which task waits for what.
        eprint!("{}", reading.join().expect("reading does not panic"));
        return Verdict::Hangs;
    };
    let text = reading.join().expect("reading does not panic");
    if status.success() {
        return Verdict::Good;
    }
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Verdict::Fails(format!("{status}: {last}"))
}

/// Runs the program on the standard input, if this process was started for that. Returns whether it was.
///
/// # Panics
/// If the standard input holds no program.
pub fn plays() -> bool {
    if env::args().nth(1).as_deref() != Some(PLAY) {
        return false;
    }
    let program: Program = serde_json::from_reader(std::io::stdin()).expect("the parent writes a program");
    if let Err(what) = crate::run::run(&program) {
        println!("FAULT: {what}");
        std::process::exit(1);
    }
    true
}
