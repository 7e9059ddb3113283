//! A server in a process of its own: starts it, watches what it uses, stops it by a signal.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use longshore_cli::process::{Finished, Running, Stream};
use longshore_cli::signals::Signal;

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
    running: Running,
    pub address: SocketAddr,
}

impl Watched {
    /// Starts this program again, as a server, and waits until it listens.
    pub fn start(arguments: &[String]) -> Result<Watched> {
        let program = std::env::current_exe().context("this program's file is not to be found")?;
        let running =
            Running::start(Command::new(program).args(arguments)).context("the server does not start")?;
        let line = running.wait_for(Stream::Output, "listening on ").context("the server does not listen")?;
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Ok(Watched { running, address: address.context("the server names no address")? })
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
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.id())).ok()?;
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_whitespace().next()?.parse().ok()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> Result<Finished> {
        self.running.signal(Signal::Terminate)?;
        Ok(self.running.finish()?)
    }
}
