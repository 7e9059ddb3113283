//! How a batch is doing: figures for a table, a line, or JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::engine::Counts;
use crate::message::Beat;

/// After so many seconds without a word a worker counts as silent. It says something every 2 s.
const SILENT: f64 = 10.0;

/// How a batch is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Jobs of the batch.
    pub total: u64,
    /// Whether the publisher has published all of them.
    pub is_published: bool,
    /// Jobs that were never given out.
    pub waiting: u64,
    /// Jobs that workers have, or that are to be given out again.
    pub given_out: u64,
    /// Jobs that are done.
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
    /// The workers, by name.
    pub workers: Vec<WorkerStatus>,
}

/// How a worker is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerStatus {
    /// What it said last.
    #[serde(flatten)]
    pub beat: Beat,
    /// Seconds since then, by the broker's clock.
    pub age: f64,
    /// Whether it should have said something since.
    pub is_silent: bool,
}

impl WorkerStatus {
    pub(crate) fn new(beat: Beat, age: Duration) -> WorkerStatus {
        let age = age.as_secs_f64();
        WorkerStatus { is_silent: !beat.has_ended && age > SILENT, beat, age }
    }

    /// One word about it.
    pub fn state(&self) -> &'static str {
        match (self.beat.has_ended, self.is_silent, &self.beat.paused) {
            (true, _, _) => "ended",
            (_, true, _) => "silent",
            (_, _, Some(_)) => "paused",
            _ => "works",
        }
    }
}

impl Counts {
    /// Jobs that the broker will still give out, or has given out.
    pub fn outstanding(&self) -> u64 {
        self.waiting + self.given_out
    }
}

impl Status {
    pub(crate) fn new(
        total: u64,
        is_published: bool,
        counts: &Counts,
        mut workers: Vec<WorkerStatus>,
    ) -> Status {
        workers.sort_by(|a, b| a.beat.worker.cmp(&b.beat.worker));
        let Counts { waiting, given_out, done, dead, .. } = *counts;
        // A server that was killed may count ended jobs as given out; messages of other programs are no jobs.
        let total =
            if is_published { total.max(done + dead) } else { total.max(waiting + given_out + done + dead) };
        Status { total, is_published, waiting, given_out, done, dead, workers }
    }

    /// Whether nothing is left to do, as far as the broker knows.
    pub fn is_complete(&self) -> bool {
        self.is_published && self.waiting + self.given_out == 0
    }

    /// Jobs that the broker has neither in the queue nor in a table: lost by it. The publisher sends them
    /// again ([`Batch::resume`](crate::Batch::resume)).
    pub fn missing(&self) -> u64 {
        self.total.saturating_sub(self.waiting + self.given_out + self.done + self.dead)
    }

    /// Threads of the workers that work.
    pub fn threads(&self) -> usize {
        let works = |worker: &&WorkerStatus| !worker.beat.has_ended && !worker.is_silent;
        self.workers.iter().filter(works).map(|worker| worker.beat.threads).sum()
    }
}

impl fmt::Display for Status {
    /// A table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { total, waiting, given_out, done, dead, .. } = self;
        write!(f, "{done} of {total} jobs done, {dead} dead letters, {given_out} with workers, ")?;
        writeln!(f, "{waiting} waiting")?;
        if !self.is_published {
            writeln!(f, "the publisher has not finished")?;
        }
        if self.is_complete() && self.missing() > 0 {
            writeln!(f, "{} jobs are missing: publish again with --resume", self.missing())?;
        }
        if self.workers.is_empty() {
            return writeln!(f, "no worker has come yet");
        }
        let head = ("worker", "state", "threads", "running", "done", "dead", "back", "lost", "share", "said");
        let (a, b, c, d, e, g, h, i, j, k) = head;
        writeln!(f, "\n{a:<28}{b:<8}{c:>8}{d:>8}{e:>9}{g:>6}{h:>6}{i:>6}{j:>7}{k:>9}")?;
        let all: u64 = self.workers.iter().map(|worker| worker.beat.done).sum();
        for worker in &self.workers {
            let Beat { worker: name, threads, running, done, dead, returned, lost, .. } = &worker.beat;
            let share = 100.0 * *done as f64 / all.max(1) as f64;
            let (state, age) = (worker.state(), worker.age);
            write!(
                f,
                "{name:<28}{state:<8}{threads:>8}{running:>8}{done:>9}{dead:>6}{returned:>6}{lost:>6}"
            )?;
            writeln!(f, "{share:>6.0}%{age:>7.0} s")?;
            if let Some(reason) = &worker.beat.paused {
                writeln!(f, "  takes no jobs: {reason}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str, age: u64, has_ended: bool) -> WorkerStatus {
        let beat = Beat { worker: name.into(), threads: 2, done: 3, has_ended, ..Beat::default() };
        WorkerStatus::new(beat, Duration::from_secs(age))
    }

    #[test]
    fn a_status_says_what_is_missing_and_which_worker_is_silent() {
        let counts = Counts { waiting: 0, given_out: 0, done: 6, dead: 1, time: Duration::ZERO };
        let workers = vec![worker("b", 60, false), worker("a", 1, false), worker("c", 60, true)];
        let status = Status::new(10, true, &counts, workers);
        assert!(status.is_complete());
        assert_eq!((status.missing(), status.threads()), (3, 2));
        let states: Vec<_> = status.workers.iter().map(WorkerStatus::state).collect();
        assert_eq!(states, ["works", "silent", "ended"]);
        let text = status.to_string();
        assert!(text.contains("6 of 10 jobs done, 1 dead letters"), "{text}");
        assert!(text.contains("3 jobs are missing"), "{text}");
    }
}
