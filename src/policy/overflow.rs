//! What happens to a task for which there is no room.

use std::time::Duration;

/// What a bounded pool does with a task when it is full. See [`PoolBuilder::on_full`](crate::PoolBuilder::on_full).
///
/// **A task that submits to its own full pool never waits**, for it might wait for itself. Where this says that the caller
/// waits or runs the task, it then runs the new task at once, inside the call; and when such calls have nested so deeply that
/// half of the stack is used up, the new task is accepted beyond the capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// The caller waits until there is room. Those who wait get it in the order in which they came. Two pools of capacity 0 may
    /// so wait for each other: see [`PoolBuilder::queue_capacity`](crate::PoolBuilder::queue_capacity).
    #[default]
    Block,
    /// The caller waits for so long at most; then the task comes back with
    /// [`SubmitErrorKind::TimedOut`](crate::SubmitErrorKind::TimedOut). Zero tries once. A time beyond the range of the clock
    /// waits for ever.
    BlockFor(Duration),
    /// The task comes back with [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full).
    Reject,
    /// The task is thrown away, which counts as accepted: the call succeeds, a handle says
    /// [`JoinError::Dropped`](crate::JoinError::Dropped), and [`PoolStats::dropped`](crate::PoolStats::dropped) tells how many
    /// there were.
    Drop,
    /// The calling thread runs the task itself, before the call returns.
    CallerRuns,
}

/// What a pool with a [budget](crate::PoolBuilder::budget) does with a task that weighs more than all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overweight {
    /// The task comes back with [`SubmitErrorKind::Overweight`](crate::SubmitErrorKind::Overweight).
    #[default]
    Reject,
    /// It takes the whole budget: it waits until no other task with a weight is in the pool, and none comes in beside it.
    RunAlone,
}

/// What the caller is to the pool whose room is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A thread that does not act for the pool, at the bottom of its stack or near it.
    Outside,
    /// One that has used half of its stack.
    OutsideDeep,
    /// One whose task is to run only on workers, because a lane limits how many run at a time.
    OutsideBound,
    /// A task of the pool itself.
    Inside,
    /// A task of the pool under which tasks have piled up, or whose new task is to run only when a lane lets it.
    InsideBound,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverflowAction {
    /// The caller waits until there is room.
    Wait,
    /// The caller waits for so long at most.
    WaitFor(Duration),
    /// The task comes back.
    Refuse,
    /// The task is thrown away.
    Drop,
    /// The caller runs it.
    RunInline,
    /// It is queued without room.
    Exceed,
}

/// What is done with a task of `caller`'s when the pool is full.
pub fn overflow_action(on_full: OnFull, caller: Caller) -> OverflowAction {
    match (on_full, caller) {
        (OnFull::Reject, _) => OverflowAction::Refuse,
        (OnFull::Drop, _) => OverflowAction::Drop,
        (OnFull::Block, Caller::Outside | Caller::OutsideDeep | Caller::OutsideBound) => OverflowAction::Wait,
        (OnFull::CallerRuns, Caller::OutsideBound) => OverflowAction::Wait,
        (OnFull::BlockFor(time), Caller::Outside | Caller::OutsideDeep | Caller::OutsideBound) => {
            OverflowAction::WaitFor(time)
        }
        (OnFull::CallerRuns, Caller::Outside) => OverflowAction::RunInline,
        (OnFull::Block | OnFull::BlockFor(_) | OnFull::CallerRuns, Caller::Inside) => {
            OverflowAction::RunInline
        }
        // Tasks run by callers that submit tasks nest on the stack, and its end is no error that anybody could handle.
        (OnFull::CallerRuns, Caller::OutsideDeep) => OverflowAction::Exceed,
        (OnFull::Block | OnFull::BlockFor(_) | OnFull::CallerRuns, Caller::InsideBound) => {
            OverflowAction::Exceed
        }
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
                    "{on_full:?}: nests for ever"
                );
            }
        }
    }

    #[test]
    fn only_what_would_nest_for_ever_exceeds_the_room_from_outside() {
        assert_eq!(overflow_action(OnFull::Block, Caller::OutsideDeep), OverflowAction::Wait);
        assert_eq!(overflow_action(OnFull::CallerRuns, Caller::Outside), OverflowAction::RunInline);
        assert_eq!(overflow_action(OnFull::CallerRuns, Caller::OutsideDeep), OverflowAction::Exceed);
    }
}
