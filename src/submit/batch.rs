//! Batches on a bounded pool. The submitting thread draws tasks in portions; as many of a portion as there is room for go in
//! together, the others one by one, in the way that the pool treats tasks for which there is no admitted.

use std::collections::VecDeque;

use crate::base::error::{BatchError, SubmitError};
use crate::runtime::intake::{Intake, Rejected, SUBMIT_PORTION};
use crate::submit::handle::JoinHandle;
use crate::submit::pack::{self, collecting_handles};
use crate::submit::{admission, single};

/// A part of a portion, the oldest first.
enum BatchPart<'a, F> {
    /// There is room for all of it.
    Admitted(Oldest<'a, F>),
    /// There was no room just now.
    Single(F),
}

/// The oldest tasks of a portion, so many of them. What is not drawn stays in the portion.
struct Oldest<'a, F> {
    portion: &'a mut VecDeque<F>,
    left: usize,
}

impl<F> Iterator for Oldest<'_, F> {
    type Item = F;

    fn next(&mut self) -> Option<F> {
        self.left = self.left.checked_sub(1)?;
        self.portion.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// See [`Pool::execute_batch`](crate::Pool::execute_batch).
pub fn execute_batch<I, F>(intake: &impl Intake, tasks: I) -> Result<usize, BatchError<F, ()>>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() + Send + 'static,
{
    let mut tasks = tasks.into_iter();
    let result = if intake.capacity.is_none() {
        let instrumentation = intake.instrumentation();
        intake.dispatch_batch(tasks.by_ref(), |task| pack::packed(task, instrumentation.next()))
    } else {
        execute(intake, tasks.by_ref())
    };
    result.map_err(|Rejected { accepted, mut returned, kind }| {
        returned.extend(tasks);
        BatchError { accepted: vec![(); accepted], rejected: returned, kind }
    })
}

/// See [`Pool::submit_batch`](crate::Pool::submit_batch).
pub fn submit_batch<I, F, T>(
    intake: &impl Intake,
    tasks: I,
) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = tasks.into_iter();
    let mut handles = Vec::with_capacity(tasks.size_hint().0);
    let result = if intake.capacity.is_none() {
        intake.dispatch_batch(tasks.by_ref(), collecting_handles(intake, &mut handles))
    } else {
        submit(intake, tasks.by_ref(), &mut handles)
    };
    match result {
        Ok(_) => Ok(handles),
        Err(Rejected { mut returned, kind, .. }) => {
            returned.extend(tasks);
            Err(BatchError { accepted: handles, rejected: returned, kind })
        }
    }
}

/// See [`single::execute_batch`].
fn execute<F>(intake: &impl Intake, tasks: impl Iterator<Item = F>) -> Result<usize, Rejected<F>>
where
    F: FnOnce() + Send + 'static,
{
    let instrumentation = intake.instrumentation();
    in_portions(intake, tasks, |part| match part {
        BatchPart::Admitted(tasks) => {
            intake.dispatch_batch(tasks, |task| pack::packed(task, instrumentation.next()))
        }
        BatchPart::Single(task) => single::execute(intake, task, None).map_err(alone).map(|()| 1),
    })
}

/// See [`single::submit_batch`]. The handles of what was accepted are in `handles`, also after an error.
fn submit<F, T>(
    intake: &impl Intake,
    tasks: impl Iterator<Item = F>,
    handles: &mut Vec<JoinHandle<T>>,
) -> Result<usize, Rejected<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    in_portions(intake, tasks, |part| match part {
        BatchPart::Admitted(tasks) => intake.dispatch_batch(tasks, collecting_handles(intake, handles)),
        BatchPart::Single(task) => {
            handles.push(single::submit(intake, task, None).map_err(alone)?);
            Ok(1)
        }
    })
}

fn alone<F>(refused: SubmitError<F>) -> Rejected<F> {
    Rejected { accepted: 0, returned: vec![refused.task], kind: refused.kind }
}

/// Draws tasks in portions and has `put` take each part of them; how many it took.
///
/// They are drawn before there is room for them: while the caller's iterator is at work, room is left to others.
fn in_portions<F>(
    intake: &impl Intake,
    mut tasks: impl Iterator<Item = F>,
    mut put: impl FnMut(BatchPart<'_, F>) -> Result<usize, Rejected<F>>,
) -> Result<usize, Rejected<F>> {
    let share = tasks.size_hint().0.clamp(1, SUBMIT_PORTION);
    let mut portion = VecDeque::with_capacity(share);
    let mut accepted = 0;
    loop {
        portion.extend(tasks.by_ref().take(share));
        if portion.is_empty() {
            return Ok(accepted);
        }
        while !portion.is_empty() {
            let admitted = admission::admit_some(intake, portion.len());
            let part = if admitted > 0 {
                BatchPart::Admitted(Oldest { portion: &mut portion, left: admitted })
            } else {
                BatchPart::Single(portion.pop_front().expect("it is not empty"))
            };
            match put(part) {
                Ok(taken) => accepted += taken,
                Err(mut rejected) => {
                    admission::refund(intake, admitted - rejected.accepted);
                    rejected.accepted += accepted;
                    rejected.returned.extend(portion);
                    return Err(rejected);
                }
            }
        }
    }
}
