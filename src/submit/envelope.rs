//! What travels with some tasks besides their work: the moment of their submission, if the pool measures how long tasks wait
//! and run, and the span of their submitter, if somebody traces. Most tasks have none, and are as if this did not exist.
//!
//! The submitting thread makes an escort; the worker that runs the task writes down what it measured, in its own record.

use crate::limits::budget::Share;
use crate::task::conditions::Conditions;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::span::Span;
use crate::runtime::config::Histograms;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::runtime::record::Record;
use crate::task::work::{Unstarted, Work};

/// Every so many tasks of a submitting thread are measured by [`Histograms::Sampled`]. That the number is prime keeps it out of
/// step with programs that submit tasks of several kinds in turn.
const SAMPLE_INTERVAL: u32 = 61;

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
        // Without a worker it was run by its submitter, because the pool had no room: it has not waited.
        current::with(|worker| worker.into_iter().for_each(|worker| note(worker.core().record(worker.index()))));
    }
}

/// A closure that begins only under conditions, and somebody who judges what comes out.
pub struct Ticketed<F, J = Plain> {
    /// Shared with the handle.
    pub conditions: Option<Arc<Conditions>>,
    /// What to do.
    pub closure: F,
    /// Who judges it.
    pub judge: J,
    /// Its part of the pool's budget, which goes when this goes.
    pub share: Option<Share>,
}

/// Turns what a closure returns into the task's result.
pub trait Judge<T>: Send {
    /// The result.
    type Output: Send + 'static;

    /// The closure is about to begin. If nothing is judged after this, it has panicked.
    fn begin(&mut self) {}

    /// It returned this.
    fn judge(self, output: T) -> Self::Output;

    /// Whether the task counts as failed.
    fn has_failed(_: &Self::Output) -> bool {
        false
    }
}

/// Whatever is returned is the result.
pub struct Plain;

impl<T: Send + 'static> Judge<T> for Plain {
    type Output = T;

    fn judge(self, output: T) -> T {
        output
    }
}

impl<F, T, J> Work for Ticketed<F, J>
where
    F: FnOnce() -> T + Send,
    T: Send,
    J: Judge<T>,
{
    type Output = J::Output;

    fn refusal(&self) -> Option<Unstarted> {
        self.conditions.as_ref().and_then(|conditions| conditions.refusal())
    }

    fn call(self) -> J::Output {
        let _share = self.share; // until the end, also by a panic
        let mut judge = self.judge;
        judge.begin();
        let output = (self.closure)();
        judge.judge(output)
    }

    fn has_failed(output: &J::Output) -> bool {
        J::has_failed(output)
    }
}
