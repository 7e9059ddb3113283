//! A server in a process of its own: starts it, watches what it uses, stops it by a signal.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often the number of threads is looked at.
const SAMPLE: Duration = Duration::from_millis(5);

/// What a process has used at most.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// As sampled: a thread that lives for less than the interval may be missed.
    pub threads: u64,
    /// Resident memory in kB, exact.
    pub memory: u64,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Watched {
    /// Starts this program again, as a server, and waits until it listens.
    pub fn start(arguments: &[String]) -> Result<Watched> {
        let program = std::env::current_exe().context("this program's file is not to be found")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server does not start")?;
        let mut output = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Watched { child, output, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                anyhow::bail!("the server does not listen")
            }
        }
    }

    /// Drives the future and samples the process meanwhile. No peaks where the system does not tell.
    pub async fn sample_during<T>(&self, work: impl Future<Output = T>) -> (T, Option<Peak>) {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(SAMPLE);
        let mut threads = None;
        loop {
            tokio::select! {
                done = &mut work => {
                    let memory = self.status("VmHWM:");
                    let peak = threads.zip(memory).map(|(threads, memory)| Peak { threads, memory });
                    return (done, peak);
                }
                _ = ticks.tick() => threads = threads.max(self.status("Threads:")),
            }
        }
    }

    fn status(&self, key: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_whitespace().next()?.parse().ok()
    }

    /// Asks it to stop, waits until it has, and returns the rest of what it said.
    pub fn stop(mut self) -> Result<(ExitStatus, String)> {
        terminate(&self.child)?;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest)?;
        Ok((self.child.wait()?, rest.trim().to_owned()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Both are in vain if it was stopped in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn terminate(child: &Child) -> Result<()> {
    let process = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let process = process.context("a process number")?;
    rustix::process::kill_process(process, rustix::process::Signal::TERM).context("the signal was not sent")
}

#[cfg(not(unix))]
fn terminate(_: &Child) -> Result<()> {
    anyhow::bail!("the bench stops its servers by SIGTERM, which this system does not have")
}
