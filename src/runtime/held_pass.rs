//! The passes of lanes that the tasks on a stack hold. A task that waits for long gives its pass back,
//! because the task that it waits for may need one, and takes a pass again before it goes on.
//!
//! Each thread has a list with an entry for each task on its stack that belongs to a lane (`submit/lane.rs`),
//! and for each task that runs on top of another one. Before a worker sleeps in a long wait, all passes on
//! its stack are given back: none of the tasks there can go on before the top one does. When a wait returns,
//! the task at the top of the list takes its pass again. The tasks below it do that when they go on
//! themselves, so no thread holds a pass while it waits for another. Only the thread that runs the tasks
//! touches its list; a wait that continues on a fresh stack moves the list to that thread. Guarded by
//! `tests/it/behaviour/lanes.rs` and `tests/waits`.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What grants passes: a lane.
pub trait PassSource: Send + Sync {
    /// Takes back the pass of a running task of this lane.
    fn give_back(self: Arc<Self>);
    /// Gives the running task its pass again, before any task that has no pass yet. Waits until there is one.
    /// After the deadline the task goes on in any case, even beyond the limit of the lane.
    fn take_again(self: Arc<Self>, deadline: Option<Instant>);
}

/// The entries of the tasks on a stack, the innermost last.
#[derive(Default)]
pub struct HeldPasses(Vec<StackEntry>);

enum StackEntry {
    /// A task of a lane, and whether it holds its pass.
    Pass { source: Arc<dyn PassSource>, is_held: bool },
    /// A task that runs on top of another task.
    OnTop,
}

thread_local! {
    static HELD: RefCell<HeldPasses> = const { RefCell::new(HeldPasses(Vec::new())) };
}

/// Calls `run`, a task of the lane `source` that holds a pass. Returns its result, and whether it still holds
/// the pass.
pub fn with_pass<R>(source: Arc<dyn PassSource>, run: impl FnOnce() -> R) -> (R, bool) {
    HELD.with_borrow_mut(|held| held.0.push(StackEntry::Pass { source, is_held: true }));
    let result = run();
    match HELD.with_borrow_mut(|held| held.0.pop()) {
        Some(StackEntry::Pass { is_held, .. }) => (result, is_held),
        Some(StackEntry::OnTop) | None => unreachable!("each task removes the entry that it has added"),
    }
}

/// Calls `run`, which runs tasks on top of the present task.
#[inline]
pub fn on_top<R>(run: impl FnOnce() -> R) -> R {
    if is_empty() {
        return run();
    }
    HELD.with_borrow_mut(|held| held.0.push(StackEntry::OnTop));
    let result = run();
    HELD.with_borrow_mut(|held| held.0.pop());
    result
}

/// Whether no task on this stack belongs to a lane. Such a task runs on no thread whose thread-locals are
/// being destroyed.
#[inline]
fn is_empty() -> bool {
    HELD.try_with(|held| held.borrow().0.is_empty()).unwrap_or(true)
}

/// Gives back all passes that the tasks on this stack hold.
pub fn give_back() {
    if is_empty() {
        return;
    }
    let mut given = Vec::new();
    HELD.with_borrow_mut(|held| {
        for entry in &mut held.0 {
            if let StackEntry::Pass { source, is_held: is_held @ true } = entry {
                *is_held = false;
                given.push(source.clone());
            }
        }
    });
    // After the borrow has ended, because a lane may send a task to the pool.
    given.into_iter().for_each(PassSource::give_back);
}

/// Takes the pass of the present task again, if the task has given it back.
#[inline]
pub fn take_again(deadline: Option<Instant>) {
    if is_empty() {
        return;
    }
    let source = HELD.with_borrow(|held| match held.0.last() {
        Some(StackEntry::Pass { source, is_held: false }) => Some(source.clone()),
        _ => None,
    });
    let Some(source) = source else { return };
    on_top(|| source.take_again(deadline));
    HELD.with_borrow_mut(|held| {
        if let Some(StackEntry::Pass { is_held, .. }) = held.0.last_mut() {
            *is_held = true;
        }
    });
}

/// Replaces the list of the calling thread.
pub fn replace(passes: HeldPasses) -> HeldPasses {
    HELD.try_with(|held| held.replace(passes)).unwrap_or_default()
}

impl fmt::Debug for HeldPasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPasses").field("entries", &self.0.len()).finish()
    }
}
