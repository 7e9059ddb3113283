//! The envelope of a task: everything that travels with a task besides its work.
//!
//! Most tasks have no extras and are stored without an envelope. A task with [`Extras`] is an [`Envelope`],
//! which holds extras and work in one block. A task that has only the time of its submission is [`Timed`],
//! which is small enough for a queue's entry if its closure is. The submitting thread fills in the extras.
//! The worker that runs the task enters the span, records the times, and releases the budget permit.
//!
//! A task owns its envelope, so one thread at a time touches it. Conditions do not travel in it, because
//! other threads need them (`task/conditions.rs`). Guarded by `tests/it/behaviour/histograms.rs`,
//! `weights.rs` and `crates/together/tests/features.rs`.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::base::recording;
use crate::base::span::Span;
use crate::limits::budget::BudgetPermit;
use crate::runtime::config::Histograms;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::sys::clock;
use crate::task::work::Work;

/// [`Histograms::Sampled`] measures one in this many submissions of a thread. The number is prime, so that it
/// does not fall into step with a program that submits several kinds of tasks in turn.
const SAMPLE_INTERVAL: u32 = 61;

/// What travels with a task besides its work.
#[derive(Debug, Default)]
pub struct Extras {
    /// The part of the pool's budget that the task holds until it has ended or is dropped.
    pub permit: Option<BudgetPermit>,
    /// When the task was submitted, if its times are measured.
    submitted: Option<TimeStamp>,
    /// The span of the submitter, if the program traces.
    span: Option<Arc<Span>>,
    /// What a recording calls the task.
    label: Option<&'static str>,
}

impl Extras {
    /// The time of the submission, if there is nothing else.
    #[inline]
    pub fn only_time(&self) -> Option<TimeStamp> {
        let is_only = self.permit.is_none() && self.span.is_none() && self.label.is_none();
        self.submitted.filter(|_| is_only)
    }
}

/// A moment, as [`clock::nanos`] and one more. Half as long as an `Instant`.
#[derive(Debug, Clone, Copy)]
pub struct TimeStamp(NonZeroU64);

impl TimeStamp {
    fn now() -> Self {
        TimeStamp(NonZeroU64::MIN.saturating_add(clock::nanos()))
    }

    /// The time from `earlier` to this moment.
    fn since(self, earlier: TimeStamp) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// What the pool and the calling thread add to each task of one submission: a time stamp, a span.
#[derive(Debug)]
pub struct Instrumentation {
    histograms: Histograms,
    span: Option<Arc<Span>>,
}

impl Core {
    /// Returns the instrumentation of this submission. It asks the program's tracing subscriber for the
    /// current span, which is user code. The caller must not hold a reserved place in a queue.
    #[inline]
    pub fn instrumentation(&self) -> Instrumentation {
        Instrumentation { histograms: self.config.histograms, span: Span::current().map(Arc::new) }
    }
}

impl Instrumentation {
    /// Returns the extras of the next task, if it has any. Runs no user code.
    #[inline(always)]
    pub fn next(&self) -> Option<Extras> {
        if self.histograms == Histograms::Off && self.span.is_none() {
            return None;
        }
        self.measured()
    }

    /// Returns the extras of a task with this permit and label, if it has any. Runs no user code.
    pub fn next_with(&self, permit: Option<BudgetPermit>, label: Option<&'static str>) -> Option<Extras> {
        match self.next() {
            None if permit.is_none() && label.is_none() => None,
            extras => Some(Extras { permit, label, ..extras.unwrap_or_default() }),
        }
    }

    #[cold]
    fn measured(&self) -> Option<Extras> {
        let submitted = match self.histograms {
            Histograms::Off => None,
            Histograms::Sampled => is_sampled().then(TimeStamp::now),
            Histograms::All => Some(TimeStamp::now()),
        };
        let has_extras = submitted.is_some() || self.span.is_some();
        has_extras.then(|| Extras { submitted, span: self.span.clone(), ..Extras::default() })
    }
}

/// Counts one submission of the calling thread. Returns whether it is measured.
fn is_sampled() -> bool {
    thread_local! {
        /// Submissions to all pools until the next measured submission. The first submission is measured.
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

    const NEEDS_DROP: bool = W::NEEDS_DROP;

    fn call(self) -> W::Output {
        let Envelope { extras: Extras { permit, submitted, span, label }, work } = self;
        if let Some(label) = label {
            recording::label(label);
        }
        let _timing = submitted.map(TimingGuard::start);
        let _permit = permit; // released before the times are recorded, also by a panic
        match span {
            Some(span) => span.enter(|| work.call()),
            None => work.call(),
        }
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Work of which the time of its submission is known, and nothing else.
pub struct Timed<W> {
    /// The time of its submission.
    pub submitted: TimeStamp,
    /// The work.
    pub work: W,
}

impl<W: Work> Work for Timed<W> {
    type Output = W::Output;

    const NEEDS_DROP: bool = W::NEEDS_DROP;

    fn call(self) -> W::Output {
        let _timing = TimingGuard::start(self.submitted);
        self.work.call()
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

/// Records how long a task waited and ran when it is dropped, also by a panic.
struct TimingGuard {
    submitted: TimeStamp,
    started: TimeStamp,
}

impl TimingGuard {
    fn start(submitted: TimeStamp) -> Self {
        TimingGuard { submitted, started: TimeStamp::now() }
    }
}

impl Drop for TimingGuard {
    fn drop(&mut self) {
        // A thread that is no worker runs a task only if the pool was full. Such a task has not waited in a
        // queue and is not recorded.
        current::with(|worker| {
            let Some(worker) = worker else { return };
            let timing = worker.core().worker_record(worker.index()).timing.get_or_init(Box::default);
            let ended = TimeStamp::now();
            timing.waits.record(self.started.since(self.submitted));
            timing.runs.record(ended.since(self.started));
            timing.latencies.record(ended.since(self.submitted));
        });
    }
}

/// Turns what a closure returns into the result of its task. Used by the worker that runs the task.
pub trait OutputAdapter<T>: Send {
    /// The type of the result.
    type Output: Send + 'static;

    /// Called before the closure starts. An adapter that is dropped between this and `adapt` knows of a
    /// panic.
    fn start(&mut self);

    /// Makes the result of what the closure has returned.
    fn adapt(self, output: T) -> Self::Output;

    /// Returns whether the task counts as failed.
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
