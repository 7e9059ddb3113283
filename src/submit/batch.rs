//! Submission of many tasks, to a pool with or without a capacity.
//!
//! Without a capacity the pool's intake takes the whole iterator. With a capacity the submitting thread draws
//! the tasks in portions. As many of a portion as there are permits for are queued together; the next task is
//! submitted alone, so that the pool's overflow policy applies to it.
//!
//! Everything here runs on the submitting thread. Guarded by `tests/it/behaviour/batches.rs` and
//! `bounded.rs`.

use std::collections::VecDeque;

use crate::base::error::{BatchError, SubmitError};
use crate::runtime::intake::{Intake, Rejected, SUBMIT_PORTION};
use crate::submit::handle::JoinHandle;
use crate::submit::pack::{self, collecting_handles};
use crate::submit::{admission, single};

/// The oldest tasks of a portion.
enum BatchPart<'a, F> {
    /// Tasks that hold permits.
    Admitted(Oldest<'a, F>),
    /// A task for which there was no permit.
    Single(F),
}

/// Draws the `left` oldest tasks of a portion. Tasks that are not drawn stay in the portion.
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
    let (mut tasks, mut counted) = (tasks.into_iter(), 0);
    let instrumentation = intake.instrumentation();
    let pack = |task| pack::packed(task, instrumentation.next());
    let result = if intake.capacity.is_none() {
        intake.dispatch_batch(tasks.by_ref(), pack)
    } else {
        in_admitted_portions(intake, tasks.by_ref(), |part| match part {
            BatchPart::Admitted(tasks) => intake.dispatch_batch(tasks, pack),
            BatchPart::Single(task) => {
                let result = single::execute(intake, task, None).map(|()| 1);
                result.map_err(|refused| rejected(refused, &mut counted))
            }
        })
    };
    result.map_err(|Rejected { accepted, mut returned, kind }| {
        extend_by_rest(&mut returned, tasks);
        admission::count_refused(intake, returned.len() - counted);
        BatchError::new(vec![(); accepted], returned, kind)
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
    let (mut tasks, mut counted) = (tasks.into_iter(), 0);
    let mut handles = Vec::with_capacity(tasks.size_hint().0);
    let result = if intake.capacity.is_none() {
        intake.dispatch_batch(tasks.by_ref(), collecting_handles(intake, &mut handles))
    } else {
        in_admitted_portions(intake, tasks.by_ref(), |part| match part {
            BatchPart::Admitted(tasks) => {
                intake.dispatch_batch(tasks, collecting_handles(intake, &mut handles))
            }
            BatchPart::Single(task) => {
                let result = single::submit(intake, task, None);
                handles.push(result.map_err(|refused| rejected(refused, &mut counted))?);
                Ok(1)
            }
        })
    };
    match result {
        Ok(_) => Ok(handles),
        Err(Rejected { mut returned, kind, .. }) => {
            extend_by_rest(&mut returned, tasks);
            admission::count_refused(intake, returned.len() - counted);
            Err(BatchError::new(handles, returned, kind))
        }
    }
}

/// Adds the tasks that a refused batch has not drawn, if the iterator knows how many there are. Any other
/// iterator may yield tasks for ever, or wait for the next one, so it is left as it is.
fn extend_by_rest<F>(returned: &mut Vec<F>, rest: impl Iterator<Item = F>) {
    let (least, most) = rest.size_hint();
    if most == Some(least) {
        returned.extend(rest.take(least));
    }
}

/// Converts the error of a single task, which the statistics have counted already.
fn rejected<F>(refused: SubmitError<F>, counted: &mut usize) -> Rejected<F> {
    *counted = 1;
    let kind = refused.kind;
    Rejected { accepted: 0, returned: vec![refused.into_inner()], kind }
}

/// Draws tasks in portions and passes each part of a portion to `put`, which returns how many tasks it
/// accepted.
///
/// A portion is drawn before permits are acquired for it, so that no permits are held while the caller's
/// iterator runs.
fn in_admitted_portions<F>(
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
                BatchPart::Single(portion.pop_front().expect("a portion that is not empty"))
            };
            match put(part) {
                Ok(taken) => {
                    accepted += taken;
                    intake.run_in_caller();
                }
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
