//! One measurement in a process of its own.
//!
//! Programs built from older commits are called in the same way, so the arguments of the commands `child` and
//! `count-child`, and the line of JSON that they print, stay as they are.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use longshore_rivals::rows::{Row, Scale};

use crate::sample::Sample;

/// How much of a failed child's standard error is kept.
const TAIL: usize = 400;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The program to ask: this one, or one built from another commit.
    pub program: &'a Path,
    /// The row.
    pub row: &'a Row,
    /// The competitor.
    pub competitor: &'a str,
    /// Workers of its pool.
    pub workers: usize,
    /// How much work.
    pub scale: Scale,
    /// How long it may take.
    pub deadline: Duration,
}

impl Call<'_> {
    /// Starts the child, waits for its end, and kills it at the deadline.
    ///
    /// # Errors
    ///
    /// If no child can be started; what goes wrong in a child is in the sample.
    pub fn sample(&self) -> Result<Sample> {
        let mut command = Command::new(self.program);
        command.args(["child", self.row.id, self.competitor, "--workers", &self.workers.to_string()]);
        if self.scale == Scale::Quick {
            command.arg("--quick");
        }
        if let Some(stack) = self.row.stack {
            command.env("RUST_MIN_STACK", stack.to_string());
        }
        // The record keeps the end of what a child that panics says: the message, not the way there.
        let mut child = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let Some((out, err)) = output(&mut child, self.deadline) else {
            child.kill().context("cannot kill a child that hangs")?;
            child.wait().context("cannot wait for a child")?;
            return Ok(Sample::Hung { seconds: self.deadline.as_secs() });
        };
        let status = child.wait().context("cannot wait for a child")?;
        Ok(serde_json::from_str(out.trim()).unwrap_or_else(|_| failed(status, &err)))
    }
}

fn failed(status: ExitStatus, err: &str) -> Sample {
    let err = err.trim();
    let start = (err.len().saturating_sub(TAIL)..err.len()).find(|&at| err.is_char_boundary(at)).unwrap_or(0);
    Sample::Failed { message: format!("{status}: {}", &err[start..]) }
}

/// All that the child writes, or nothing if it has not closed its ends by the deadline.
fn output(child: &mut Child, deadline: Duration) -> Option<(String, String)> {
    let mut out = child.stdout.take().expect("piped");
    let mut err = child.stderr.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let reader = thread::spawn(move || text(&mut err));
        let out = text(&mut out);
        // After the deadline the receiver is gone.
        drop(sender.send((out, reader.join().unwrap_or_default())));
    });
    receiver.recv_timeout(deadline).ok()
}

fn text(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is all there is.
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}
