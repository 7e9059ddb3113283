//! The envelope of a task: everything that travels with it besides its work.
//!
//! Most tasks have none and are stored as if this file did not exist. A task with [`Extras`] is an [`Envelope`]: extras and
//! work side by side in one block. The submitting thread fills the extras in; the worker that runs the task asks the
//! conditions, enters the span, records the times, and releases the budget permit.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::span::Span;
use crate::limits::budget::BudgetPermit;
use crate::runtime::config::Histograms;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::task::conditions::Conditions;
use crate::task::work::{Unstarted, Work};

/// [`Histograms::Sampled`] measures one in this many tasks of a submitting thread. The number is prime, so that it does not
/// fall into step with programs that submit tasks of several kinds in turn.
const SAMPLE_INTERVAL: u32 = 61;

/// What travels with a task besides its work.
#[derive(Debug, Default)]
pub struct Extras {
    /// What must hold for the task to start. Shared with the handle.
    pub conditions: Option<Arc<Conditions>>,
    /// The task's part of the pool's budget, released when the task has ended or is dropped.
    pub permit: Option<BudgetPermit>,
    /// When the task was submitted, if its times are measured.
    submitted: Option<Instant>,
    /// The span of the submitter, if the program traces.
    span: Option<Arc<Span>>,
}

/// What the pool and the calling thread add to each task of one submission: a time stamp, a span.
#[derive(Debug)]
pub struct Instrumentation {
    histograms: Histograms,
    span: Option<Arc<Span>>,
}

impl Core {
    /// The instrumentation of this submission. Asks the program's tracing for the present span, which is user code: must not
    /// be called while a reserved place in a queue is held.
    #[inline]
    pub fn instrumentation(&self) -> Instrumentation {
        Instrumentation { histograms: self.config.histograms, span: Span::current().map(Arc::new) }
    }
}

impl Instrumentation {
    /// The extras of the next task, if it has any. Runs no user code.
    #[inline(always)]
    pub fn next(&self) -> Option<Extras> {
        if self.histograms == Histograms::Off && self.span.is_none() {
            return None;
        }
        self.measured()
    }

    /// The extras of the next task, which has these conditions and this permit, if it has any. Runs no user code.
    pub fn next_with(
        &self,
        conditions: Option<Arc<Conditions>>,
        permit: Option<BudgetPermit>,
    ) -> Option<Extras> {
        match self.next() {
            None if conditions.is_none() && permit.is_none() => None,
            extras => Some(Extras { conditions, permit, ..extras.unwrap_or_default() }),
        }
    }

    #[cold]
    fn measured(&self) -> Option<Extras> {
        let submitted = match self.histograms {
            Histograms::Off => None,
            Histograms::Sampled => is_sampled().then(Instant::now),
            Histograms::All => Some(Instant::now()),
        };
        let has_extras = submitted.is_some() || self.span.is_some();
        has_extras.then(|| Extras { submitted, span: self.span.clone(), ..Extras::default() })
    }
}

/// Whether the next submission of the calling thread is one that is measured.
fn is_sampled() -> bool {
    thread_local! {
        /// Submissions until the next measured one, to all pools together. The first submission is measured.
        static COUNTDOWN: Cell<u32> = const { Cell::new(0) };
    }
    let left = COUNTDOWN.get();
    COUNTDOWN.set(left.checked_sub(1).unwrap_or(SAMPLE_INTERVAL - 1));
    left == 0
}

/// Work with extras.
pub struct Envelope<W> {
    /// What travels with the work.
    pub extras: Extras,
    /// The work.
    pub work: W,
}

impl<W: Work> Work for Envelope<W> {
    type Output = W::Output;

    fn refusal(&self) -> Option<Unstarted> {
        self.extras.conditions.as_ref().and_then(|conditions| conditions.refusal())
    }

    fn call(self) -> W::Output {
        let Envelope { extras: Extras { permit, submitted, span, .. }, work } = self;
        let _timing = submitted.map(TimingGuard::start);
        let _permit = permit; // released first, also by a panic
        match span {
            Some(span) => span.enter(|| work.call()),
            None => work.call(),
        }
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Records how long a task waited and ran, in whatever way it ends.
struct TimingGuard {
    waited: Duration,
    started: Instant,
}

impl TimingGuard {
    fn start(submitted: Instant) -> Self {
        let started = Instant::now();
        TimingGuard { waited: started.saturating_duration_since(submitted), started }
    }
}

impl Drop for TimingGuard {
    fn drop(&mut self) {
        // A thread that is no worker runs its own task because the pool is full: the task has not waited in a queue.
        current::with(|worker| {
            let Some(worker) = worker else { return };
            let timing = worker.core().record(worker.index()).timing.get_or_init(Box::default);
            timing.waits.record(self.waited);
            timing.runs.record(self.started.elapsed());
        });
    }
}

/// Turns what a closure returns into the result of its task.
pub trait OutputAdapter<T>: Send {
    /// The result.
    type Output: Send + 'static;

    /// The closure is about to start. If nothing is adapted after this, the closure has panicked.
    fn start(&mut self);

    /// The closure has returned `output`.
    fn adapt(self, output: T) -> Self::Output;

    /// Whether the task counts as failed.
    fn has_failed(output: &Self::Output) -> bool;
}

/// A closure whose output is adapted.
pub struct Adapted<F, A> {
    /// The closure.
    pub closure: F,
    /// The adapter.
    pub adapter: A,
}

impl<F, T, A> Work for Adapted<F, A>
where
    F: FnOnce() -> T + Send,
    A: OutputAdapter<T>,
{
    type Output = A::Output;

    fn call(self) -> A::Output {
        let mut adapter = self.adapter;
        adapter.start();
        adapter.adapt((self.closure)())
    }

    fn has_failed(output: &A::Output) -> bool {
        A::has_failed(output)
    }
}
