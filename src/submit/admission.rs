//! The limits of a bounded pool: how a task gets in, and what becomes of it if there is no room.
//!
//! A producer takes a permit before its task is queued; the tally of the worker that begins the task gives it back (see
//! `primitives::tally`). Any thread comes through here with what it submits; what is structured (scopes, joins, loops) is let
//! in without a permit, for it cannot be refused.

use crate::limits::budget::Share;
use crate::runtime::capacity::Admission;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::base::error::SubmitErrorKind;
use crate::limits::budget::Budget;
use crate::limits::wait_queue::{Joined, Manner, Office, Ticket, Verdict};
use crate::policy::overflow::{Caller, Measure, OnFull, Overweight, measure};
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::runtime::intake::Intake;
use crate::runtime::intake::Limits;
use crate::runtime::stripe::{self};
use crate::runtime::wait::Waited;
use crate::runtime::wait::{self, Awaited};
use crate::sync::waiter::Waiter;
use crate::sys::stack;
use crate::task::counts::Tally;
use crate::task::erased::{Finished, Task};
use crate::task::work::Unstarted;

/// How a task gets into a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Entry {
    /// There is room: it is to be queued. If that fails, [`refund`] is called.
    Queue,
    /// The calling thread is to run it: [`run_here`].
    RunHere,
    /// It is to be thrown away and counted.
    Drop,
}

/// Lets one task in; `on_full` is used instead of what the pool was built with.
#[inline]
pub fn admit(shared: &impl Intake, on_full: Option<OnFull>) -> Result<Entry, SubmitErrorKind> {
    let Some(admission) = &shared.admission else { return Ok(Entry::Queue) };
    if shared.is_forked() {
        return Err(SubmitErrorKind::Forked); // in the child locks may be held by threads that do not exist
    }
    if admission.room.take(stripe::mine(), 1) == 1 {
        return Ok(Entry::Queue);
    }
    admit_to_full(shared, admission, on_full.unwrap_or(shared.config.on_full))
}

#[cold]
fn admit_to_full<S: Intake>(
    shared: &S,
    admission: &Admission,
    on_full: OnFull,
) -> Result<Entry, SubmitErrorKind> {
    match measure(on_full, caller(shared)?) {
        Measure::Wait => wait_for(&*admission.room, 1, None).map(|()| Entry::Queue),
        Measure::WaitFor(time) => wait_for(&*admission.room, 1, Some(time)).map(|()| Entry::Queue),
        Measure::Refuse => Err(SubmitErrorKind::Full),
        Measure::Drop => Ok(Entry::Drop),
        Measure::RunHere => Ok(Entry::RunHere),
        Measure::Exceed => {
            admission.room.overdraw_from_outside(1);
            Ok(Entry::Queue)
        }
    }
}

/// Who calls, as far as that matters for a task for which there is no room.
fn caller(shared: &impl Intake) -> Result<Caller, SubmitErrorKind> {
    let is_inside = shared.is_inside();
    // Tasks of the pool may submit while it drains.
    if shared.phase() >= if is_inside { Phase::Ended } else { Phase::Draining } {
        return Err(SubmitErrorKind::Closed);
    }
    Ok(match (is_inside, shared.limits()) {
        (true, Limits::Pool) if !wait::is_deep(&shared.config) => Caller::Inside,
        (true, _) => Caller::InsideBound,
        (false, Limits::Pool) if !stack::is_half_used() => Caller::Outside,
        (false, Limits::Pool) => Caller::OutsideDeep,
        (false, Limits::Concurrency) => Caller::OutsideBound,
    })
}

/// Lets a task in that weighs `weight`: it gets its share of the budget, if the pool has one, and then room.
pub fn admit_heavy(
    shared: &impl Intake,
    weight: u64,
    on_full: Option<OnFull>,
) -> Result<(Entry, Option<Share>), SubmitErrorKind> {
    let Some(budget) = shared.budget.as_ref().filter(|_| weight > 0) else {
        return admit(shared, on_full).map(|entry| (entry, None));
    };
    if shared.is_forked() {
        return Err(SubmitErrorKind::Forked);
    }
    let weight = fitting(&shared.config, budget, weight)?;
    let mut on_full = on_full.unwrap_or(shared.config.on_full);
    if !budget.take(weight) {
        let begin = Instant::now();
        match measure(on_full, caller(shared)?) {
            // Whoever runs it, it weighs what it weighs. So one from outside waits; a task of the pool cannot.
            Measure::RunHere | Measure::Exceed if shared.is_inside() => budget.overdraw(weight),
            Measure::Wait | Measure::RunHere | Measure::Exceed => wait_for(&**budget, weight, None)?,
            Measure::WaitFor(time) => wait_for(&**budget, weight, Some(time))?,
            Measure::Refuse => return Err(SubmitErrorKind::Full),
            Measure::Drop => return Ok((Entry::Drop, None)),
        }
        if let OnFull::BlockFor(time) = &mut on_full {
            *time = time.saturating_sub(begin.elapsed());
        }
    }
    let share = Share::granted(budget.clone(), weight);
    admit(shared, Some(on_full)).map(|entry| (entry, Some(share)))
}

/// What a task that weighs `weight` takes from the budget.
pub fn fitting(config: &Config, budget: &Budget, weight: u64) -> Result<u64, SubmitErrorKind> {
    match config.overweight {
        Overweight::Reject if weight > budget.limit() => Err(SubmitErrorKind::Overweight),
        Overweight::Reject | Overweight::RunAlone => Ok(weight.min(budget.limit())),
    }
}

/// Lets up to `tasks` tasks in for which there is room now; how many. (All of them if there is no limit.)
pub fn admit_some(shared: &impl Intake, tasks: usize) -> usize {
    match &shared.admission {
        Some(_) if shared.is_forked() => 0,
        Some(admission) => admission.room.take(stripe::mine(), tasks as u64) as usize,
        None => tasks,
    }
}

/// Gives back what was taken for `tasks` tasks that have not been queued.
#[cold]
pub fn refund(core: &Core, tasks: usize) {
    if let Some(admission) = &core.admission
        && tasks > 0
        && !core.is_forked()
    {
        admission.room.give_back_from_outside(tasks as u64);
    }
}

/// Runs a task that was let in as [`Entry::RunHere`].
pub fn run_here(shared: &impl Intake, task: Task) {
    let Err(task) = shared.run_inside(task) else { return };
    let counts = &shared.metrics.by_callers;
    counts.started.add_shared(1);
    let tally = Tally::default();
    let finished = task.run(&tally);
    // Counted before the caller gets its handle.
    counts.add_ends_of(&tally);
    if let Finished::Orphaned(payload) = finished {
        shared.report_panic(payload);
    }
}

/// Throws a task away that was let in as [`Entry::Drop`].
pub fn throw_away(core: &Core, task: Task) {
    // Counted before the caller gets its handle.
    core.metrics.by_callers.started.add_shared(1);
    core.metrics.by_callers.dropped.add_shared(1);
    if let Err(payload) = task.discard(Unstarted::Dropped) {
        core.report_panic(payload);
    }
}

/// Waits in front of `office` for `weight`, for as long as that takes or for `time`. Not for workers of the office's own pool.
///
/// A worker of another pool serves that one meanwhile: it may be what the other waits for.
pub fn wait_for<O: Office + Sync>(
    office: &O,
    weight: u64,
    time: Option<Duration>,
) -> Result<(), SubmitErrorKind> {
    let deadline = match time {
        Some(Duration::ZERO) => return Err(SubmitErrorKind::TimedOut),
        Some(time) => Instant::now().checked_add(time),
        None => None,
    };
    // A worker may take up another task just when the turn comes, which waits for the same on top of this one. So nothing is
    // kept for it.
    let manner = if current::is_worker() { Manner::Watching } else { Manner::InLine };
    loop {
        let mut wait = Wait::new(office, weight, manner);
        if let Waited::NoStack(_) = current::wait_until(&mut wait, deadline) {
            // No thread to be had that serves the worker's pool meanwhile: the wait goes on without.
            let _ = wait::block(&mut wait, deadline);
        }
        match wait.end() {
            Ended::Taken => return Ok(()),
            Ended::Closed => return Err(SubmitErrorKind::Closed),
            Ended::TimedOut => return Err(SubmitErrorKind::TimedOut),
            Ended::Told => {}
        }
    }
}

/// A thread that waits in front of an office.
struct Wait<'a, O: Office> {
    office: &'a O,
    manner: Manner,
    standing: Joined,
}

/// How a wait has ended.
enum Ended {
    Taken,
    /// There is something, for whoever is the first to take it.
    Told,
    Closed,
    TimedOut,
}

impl<'a, O: Office> Wait<'a, O> {
    fn new(office: &'a O, weight: u64, manner: Manner) -> Self {
        let standing = office.join(weight, manner, Waiter::Thread(thread::current()));
        Wait { office, manner, standing }
    }

    /// What came of it, now that nobody waits any more.
    fn end(self) -> Ended {
        match self.standing {
            Joined::Taken => Ended::Taken,
            Joined::Closed => Ended::Closed,
            Joined::Waits(ticket) => match (ticket.verdict(), self.manner) {
                (Verdict::Granted, Manner::InLine) => Ended::Taken,
                (Verdict::Granted, Manner::Watching) => Ended::Told,
                (Verdict::Closed, _) => Ended::Closed,
                (Verdict::Waiting, _) => {
                    self.office.leave(ticket); // also if the turn comes just now
                    Ended::TimedOut
                }
            },
        }
    }
}

impl<O: Office + Sync> Awaited for Wait<'_, O> {
    fn is_done(&self) -> bool {
        match &self.standing {
            Joined::Waits(ticket) => ticket.verdict() != Verdict::Waiting,
            Joined::Taken | Joined::Closed => true,
        }
    }

    fn is_of(&self, _: u32) -> bool {
        false
    }

    fn run_here(&mut self, _: &Tally) -> bool {
        false
    }

    fn unpark_me(&mut self) {
        let waits = match &self.standing {
            Joined::Waits(ticket) => self.office.rewake(ticket, Waiter::Thread(thread::current())),
            Joined::Taken | Joined::Closed => false,
        };
        if !waits {
            thread::current().unpark(); // the verdict is there; the park that follows returns at once
        }
    }
}

/// One place in front of an office, for a future. Goes to the next when it is dropped.
#[derive(Debug)]
pub struct Place<O: Office> {
    office: Arc<O>,
    ticket: Option<Ticket>,
}

impl<O: Office> Place<O> {
    /// The place of `ticket`.
    pub fn new(office: Arc<O>, ticket: Ticket) -> Self {
        Place { office, ticket: Some(ticket) }
    }

    /// Has `waiter` woken from now on, unless the verdict is there; returns the verdict.
    pub fn look(&self, waiter: Waiter) -> Verdict {
        let ticket = self.ticket.as_ref().expect("there until it is used");
        self.office.rewake(ticket, waiter);
        ticket.verdict()
    }

    /// Uses what has been granted; returns by whom.
    pub fn use_up(mut self) -> Arc<O> {
        self.ticket = None;
        self.office.clone()
    }
}

impl<O: Office> Drop for Place<O> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.office.leave(ticket);
        }
    }
}
