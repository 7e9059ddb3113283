//! What travels with some tasks besides their work: the moment of their submission, if the pool measures how long tasks wait
//! and run, and the span of their submitter, if somebody traces. Most tasks have none, and are as if this did not exist.
//!
//! The submitting thread makes an escort; the worker that runs the task writes down what it measured, in its own record.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::histogram::Recorder;
use crate::base::span::Span;
use crate::runtime::core::{Core, Record};
use crate::runtime::current::Current;
use crate::task::work::{Unstarted, Work};

/// Every so many tasks of a submitting thread are measured by [`Histograms::Sampled`]. That the number is prime keeps it out of
/// step with programs that submit tasks of several kinds in turn.
const SAMPLE_INTERVAL: u32 = 61;

/// Whether a pool measures how long its tasks wait and run, for [`WorkerStats::waits`](crate::WorkerStats::waits) and
/// [`WorkerStats::runs`](crate::WorkerStats::runs).
///
/// The wait of a task is the time from its submission to its start, its run the time from there to its end, what it waited
/// for others included. Counted are tasks with and without handles, not parts of joins, scopes and loops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Histograms {
    /// Nothing is measured, and nothing is paid.
    #[default]
    Off,
    /// One in 61 of each thread's submissions: enough for percentiles of many tasks, and hardly to be noticed with the
    /// smallest of them.
    Sampled,
    /// Every task. Three looks at the clock a task: some 100 ns, a multiple of what the smallest tasks cost otherwise, and one
    /// hundredth of a task of 10 us.
    All,
}

/// What one worker has measured.
#[derive(Debug, Default)]
pub struct Timing {
    /// From submission to start.
    pub waits: Recorder,
    /// From start to end.
    pub runs: Recorder,
}

/// What travels with a task.
#[derive(Debug)]
pub struct Escort {
    submitted: Option<Instant>,
    span: Option<Arc<Span>>,
}

/// Makes escorts for what the calling thread submits now.
#[derive(Debug)]
pub struct Escorts {
    histograms: Histograms,
    span: Option<Arc<Span>>,
}

impl Core {
    /// The maker of escorts for this submission. Asks the program's tracing for the present span, which is user code: not to
    /// be called with a place for the task in hand.
    #[inline]
    pub fn escorts(&self) -> Escorts {
        Escorts { histograms: self.config.histograms, span: Span::current().map(Arc::new) }
    }
}

impl Escorts {
    /// What is to travel with the next task, if anything. Runs no user code.
    #[inline(always)]
    pub fn next(&self) -> Option<Escort> {
        if self.histograms == Histograms::Off && self.span.is_none() {
            return None;
        }
        self.meet()
    }

    #[cold]
    fn meet(&self) -> Option<Escort> {
        let submitted = match self.histograms {
            Histograms::Off => None,
            Histograms::Sampled => is_due().then(Instant::now),
            Histograms::All => Some(Instant::now()),
        };
        (submitted.is_some() || self.span.is_some()).then(|| Escort { submitted, span: self.span.clone() })
    }
}

/// Whether the calling thread's next submission is one to be measured.
fn is_due() -> bool {
    thread_local! {
        /// Submissions until then, of all pools together. The first is measured.
        static COUNTDOWN: Cell<u32> = const { Cell::new(0) };
    }
    match COUNTDOWN.get() {
        0 => {
            COUNTDOWN.set(SAMPLE_INTERVAL - 1);
            true
        }
        left => {
            COUNTDOWN.set(left - 1);
            false
        }
    }
}

/// Work with an escort.
pub struct Escorted<W> {
    /// The work.
    pub work: W,
    /// What travels with it.
    pub escort: Escort,
}

impl<W: Work> Work for Escorted<W> {
    type Output = W::Output;

    fn refusal(&self) -> Option<Unstarted> {
        self.work.refusal()
    }

    fn call(self) -> W::Output {
        let Escorted { work, escort } = self;
        let _measured = escort.submitted.map(|submitted| {
            let begun = Instant::now();
            Measured { waited: begun.saturating_duration_since(submitted), begun }
        });
        match escort.span {
            Some(span) => span.enter(|| work.call()),
            None => work.call(),
        }
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Writes down, when the task ends in whatever way, how long it waited and ran.
struct Measured {
    waited: Duration,
    begun: Instant,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let note = |record: &Record| {
            let timing = record.timing.get_or_init(Box::default);
            timing.waits.record(self.waited);
            timing.runs.record(self.begun.elapsed());
        };
        Current::with(|current| match current {
            Current::Push(worker) => note(worker.shared().record(worker.index())),
            Current::Pull(worker) => note(worker.shared().record(worker.index())),
            Current::None => {} // run by its submitter, for whom there was no room: it has neither waited nor a worker
        });
    }
}
