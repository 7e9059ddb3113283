//! What happens to a task when the pool is full.
//!
//! Pure functions and plain values; called by the submitting thread (`submit/admission.rs`). Guarded by the
//! unit tests here and by `tests/it/behaviour/bounded.rs`.

use std::time::Duration;

/// What a bounded pool does with a task when it is full. See
/// [`PoolBuilder::on_full`](crate::PoolBuilder::on_full). **A task that submits to its own full pool never
/// waits**, because it could wait for itself. If the policy says that the caller waits or runs the task, the
/// task runs the new one at once, inside the call. When such calls have nested so deeply that half of the
/// stack is used, the new task is accepted beyond the capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// The caller waits for a permit. Waiters are served in the order of their arrival.
    #[default]
    Block,
    /// The caller waits at most this long; then the task is returned with
    /// [`SubmitErrorKind::TimedOut`](crate::SubmitErrorKind::TimedOut). Zero tries once. A duration beyond
    /// the range of the clock waits forever.
    BlockFor(Duration),
    /// The task is returned with [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full).
    Reject,
    /// The task is dropped, which counts as accepted: the call succeeds, a handle returns
    /// [`JoinError::Dropped`](crate::JoinError::Dropped), and
    /// [`PoolStats::dropped`](crate::PoolStats::dropped) counts the task.
    Drop,
    /// The calling thread runs the task itself, before the call returns.
    CallerRuns,
}

/// What a pool with a [budget](crate::PoolBuilder::budget) does with a task whose weight is above the whole
/// budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overweight {
    /// The task is returned with [`SubmitErrorKind::Overweight`](crate::SubmitErrorKind::Overweight).
    #[default]
    Reject,
    /// The task takes the whole budget: it waits until no other task with a weight is in the pool, and none
    /// enters while it is there.
    RunAlone,
}

/// What the submitting thread is to the full pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A thread outside of the pool that has used less than half of its stack.
    Outside,
    /// A thread outside of the pool that has used half of its stack.
    OutsideDeep,
    /// A thread outside of the pool whose task must run on a worker, because a lane limits how many tasks run
    /// at a time.
    OutsideBound,
    /// A task of the pool that has used less than half of its stack.
    Inside,
    /// A task of the pool that has used half of its stack, or whose new task may run only when a lane allows
    /// it.
    InsideBound,
}

/// What is done with the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverflowAction {
    /// The caller waits for a permit.
    Wait,
    /// The caller waits for a permit, at most this long.
    WaitFor(Duration),
    /// The task is returned with an error.
    Refuse,
    /// The task is dropped.
    Drop,
    /// The caller runs the task.
    RunInline,
    /// The task is queued beyond the capacity.
    Exceed,
}

/// What is done with a task of `caller` when the pool is full.
pub fn overflow_action(on_full: OnFull, caller: Caller) -> OverflowAction {
    let wait = match on_full {
        OnFull::Reject => return OverflowAction::Refuse,
        OnFull::Drop => return OverflowAction::Drop,
        OnFull::Block | OnFull::CallerRuns => OverflowAction::Wait,
        OnFull::BlockFor(time) => OverflowAction::WaitFor(time),
    };
    let caller_runs = on_full == OnFull::CallerRuns;
    match caller {
        Caller::Inside => OverflowAction::RunInline,
        Caller::InsideBound => OverflowAction::Exceed,
        Caller::Outside if caller_runs => OverflowAction::RunInline,
        // Callers that run tasks which submit tasks nest on the stack, and no caller can handle a stack
        // overflow.
        Caller::OutsideDeep if caller_runs => OverflowAction::Exceed,
        Caller::Outside | Caller::OutsideDeep | Caller::OutsideBound => wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_the_pool_never_waits() {
        let policies = [
            OnFull::Block,
            OnFull::BlockFor(Duration::ZERO),
            OnFull::BlockFor(Duration::MAX),
            OnFull::Reject,
            OnFull::Drop,
            OnFull::CallerRuns,
        ];
        for on_full in policies {
            for caller in [Caller::Inside, Caller::InsideBound] {
                let action = overflow_action(on_full, caller);
                assert!(!matches!(action, OverflowAction::Wait | OverflowAction::WaitFor(_)), "{on_full:?}");
                assert!(
                    caller == Caller::Inside || action != OverflowAction::RunInline,
                    "{on_full:?}: nests forever"
                );
            }
        }
    }

    #[test]
    fn only_what_would_nest_for_ever_exceeds_the_capacity_from_outside() {
        assert_eq!(overflow_action(OnFull::Block, Caller::OutsideDeep), OverflowAction::Wait);
        assert_eq!(overflow_action(OnFull::CallerRuns, Caller::Outside), OverflowAction::RunInline);
        assert_eq!(overflow_action(OnFull::CallerRuns, Caller::OutsideDeep), OverflowAction::Exceed);
    }
}
