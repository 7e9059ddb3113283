//! Tasks with conditions, a deadline or a token, and how such a task ends while it is queued.
//!
//! The work of such a task is in a [`WorkCell`]. The task in the queue, the handle, the token and the list of
//! deadlines share the cell. The first side gets the work:
//! - the **task side**: the thread that begins or discards the task takes the work out and calls or drops it;
//! - a thread that **revokes** the task, because its token was cancelled, its deadline has passed, or its
//!   handle cancels it: it drops the work at once, and the owner of the task counts the end and releases the
//!   permit (`owners.rs`);
//! - a thread that **asks** whether the task is over, and finds that its conditions have failed: it gets the
//!   work like a thread that revokes, but must not wait for the user code in a drop. So it leaves the work to
//!   a helper thread of the owner ([`Remains`]), and drops it only where there is no helper.
//!
//! The worker that finds the empty cell in its queue later counts it as skipped, and nothing else.
//!
//! # The word
//! | value       | meaning                                       | set by                      |
//! |-------------|-----------------------------------------------|-----------------------------|
//! | `PENDING`   | the cell holds the work, which has no owner   | creation                    |
//! | `BEGUN`     | the work belongs to the task side             | the task side, if `PENDING` |
//! | `CANCELLED` | the work belongs to the side that set this    | either, if `PENDING`        |
//! | `EXPIRED`   | the same, because the deadline had passed     | either, if `PENDING`        |
//!
//! `COUNTED` is added to the last two if the owner counts the end early. No other change happens.
//!
//! # Links
//! The registrations with token and deadlines, and the waiter of the handle, are behind a lock. Each side
//! that changes the word takes the links out *afterwards*; a thread that adds a link looks at the word *under
//! the lock* first. So either the link finds the word changed and is not added, or it is taken out. A waiter
//! that is taken out by the side that revokes is woken.
//!
//! Guarded by the model `pending_work`, `tests/cancelling` and `tests/it/behaviour/conditions.rs`.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::time::Instant;
use std::{fmt, mem};

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicU32, Mutex, Ordering, UninitCell, lock};
use crate::base::unwind;
use crate::sync::waiter::Waiter;
use crate::task::cancel::{CancelToken, Revocable, TaskNumber};
use crate::task::deadlines::DeadlineRegistration;
use crate::task::owners::TaskOwner;
use crate::task::work::{Remains, Unstarted, Work, WorkRefusal};

/// A deadline and a token, both optional.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// From this moment on the task must not start.
    pub deadline: Option<Instant>,
    /// If it is cancelled, the task must not start.
    pub token: Option<CancelToken>,
}

impl Conditions {
    /// Why the task must not start now. After the first refusal every later call refuses as well.
    pub fn refusal(&self) -> Option<Unstarted> {
        if self.token.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Unstarted::Cancelled);
        }
        // The clock is read only if there is a deadline.
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Unstarted::Expired)
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.deadline.is_none() && self.token.is_none()
    }
}

const PENDING: u32 = 0;
const BEGUN: u32 = 1;
const CANCELLED: u32 = 2;
const EXPIRED: u32 = 3;
const COUNTED: u32 = 4;

/// Why the word says that the task never starts, if it says so.
fn refusal_in(word: u32) -> Option<WorkRefusal> {
    let is_counted = word & COUNTED != 0;
    match word & !COUNTED {
        CANCELLED => Some(WorkRefusal { why: Unstarted::Cancelled, is_counted }),
        EXPIRED => Some(WorkRefusal { why: Unstarted::Expired, is_counted }),
        _ => None,
    }
}

/// The word of a task that never starts for this reason.
fn word_of(why: Unstarted) -> u32 {
    if why == Unstarted::Expired { EXPIRED } else { CANCELLED }
}

/// The part of a cell that does not depend on the type of the work.
pub struct PendingState {
    word: AtomicU32,
    /// What must hold for the task to start.
    pub conditions: Conditions,
    /// Whether a handle receives the panics of the task.
    has_handle: bool,
    links: Mutex<PendingLinks>,
}

/// What is to be undone when the task begins or ends.
#[derive(Default)]
struct PendingLinks {
    owner: Option<Weak<dyn TaskOwner>>,
    token: Option<TaskNumber>,
    deadline: Option<DeadlineRegistration>,
    /// The waiter of the handle.
    waiter: Option<Waiter>,
}

/// A task with conditions, as its handle sees it.
pub trait Pending: Revocable {
    /// The part that does not depend on the type of the work.
    fn state(&self) -> &PendingState;

    /// The task without its conditions. (Older compilers do not convert one into the other.)
    fn into_revocable(self: Arc<Self>) -> Arc<dyn Revocable>
    where
        Self: 'static;

    /// Ends the task for this reason, if it has not begun, like [`Revocable::revoke`]. But user code in the
    /// drop of the work runs on a helper thread of the owner, if there is one.
    fn end(self: Arc<Self>, why: Unstarted)
    where
        Self: 'static;
}

impl_debug! { PendingState {} }

impl PendingState {
    /// Claims the work for the task side, to start it or to drop it: `claim` is `BEGUN`, or the reason why
    /// the task never starts. On failure returns why it never starts.
    fn begin(&self, claim: u32) -> Result<(), WorkRefusal> {
        // AcqRel: Acquire pairs with the Release in `revoke`, if this fails. On success the work is visible,
        // because this side received it with the task; Release orders nothing that another side reads.
        match self.word.compare_exchange(PENDING, claim, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.unlink();
                Ok(())
            }
            Err(word) => Err(refusal_in(word).expect("the task side begins once")),
        }
    }

    /// Takes the links out and drops the registrations. Returns the waiter.
    fn unlink(&self) -> Option<Waiter> {
        let links = mem::take(&mut *lock(&self.links));
        // The registrations end after the lock is released.
        if let (Some(token), Some(number)) = (&self.conditions.token, links.token) {
            token.deregister(number);
        }
        links.waiter
    }

    /// Has `waiter` woken when the task is revoked. Returns `false`, and drops the waiter, if it has been
    /// revoked already. A task that has begun wakes the waiter of its result slot only.
    pub fn set_waiter(&self, waiter: Waiter) -> bool {
        let mut links = lock(&self.links);
        // Relaxed: the lock orders this load after a change whose links were taken out before. A later change
        // finds the waiter in the links.
        let word = self.word.load(Ordering::Relaxed);
        let unused = if word == PENDING { links.waiter.replace(waiter) } else { Some(waiter) };
        drop(links);
        unwind::drop_silently(unused); // a waker is user code
        refusal_in(word).is_none()
    }

    /// Forgets the waiter.
    pub fn clear_waiter(&self) {
        let waiter = lock(&self.links).waiter.take();
        unwind::drop_silently(waiter);
    }
}

/// Has the task of `pending`, which is queued now, revoked when its conditions fail, or at once if they have
/// failed. `owner` counts it then. `add_deadline` adds the task to the deadlines of its pool.
pub fn watch(
    pending: &Arc<dyn Pending>,
    owner: Option<Weak<dyn TaskOwner>>,
    add_deadline: impl FnOnce(Instant, Weak<dyn Revocable>) -> Option<DeadlineRegistration>,
) {
    let state = pending.state();
    let revocable = || Arc::downgrade(&pending.clone().into_revocable());
    let mut links = lock(&state.links);
    // Relaxed: as in `set_waiter`.
    if state.word.load(Ordering::Relaxed) != PENDING {
        return;
    }
    links.owner = owner;
    if let Some(token) = &state.conditions.token {
        links.token = token.register_task(revocable());
    }
    if let Some(deadline) = state.conditions.deadline {
        links.deadline = add_deadline(deadline, revocable());
    }
    drop(links);
    // A token that was cancelled before has refused the registration. A deadline may have passed.
    if let Some(why) = pending.state().conditions.refusal() {
        pending.revoke(why);
    }
}

/// Why the task of `pending` will never start, if that is certain now. Ends a task whose conditions have
/// failed; user code runs elsewhere ([`Pending::end`]).
pub fn refusal_asked(pending: &Arc<dyn Pending>) -> Option<WorkRefusal> {
    let state = pending.state();
    // Acquire, twice: pairs with the Release in `claim`. What the thread that ended the task did before is
    // visible.
    if state.word.load(Ordering::Acquire) == PENDING {
        if let Some(why) = state.conditions.refusal() {
            pending.clone().end(why);
        }
    }
    refusal_in(state.word.load(Ordering::Acquire))
}

/// The work of a task with conditions; see the module's text.
pub struct WorkCell<W> {
    state: PendingState,
    work: UninitCell<W>,
}

// SAFETY: the word gives the work to one thread, which moves it out or drops it; see the module's text. The
// work is `Send`.
unsafe impl<W: Send> Sync for WorkCell<W> {}

impl_debug! { WorkCell<W> {} }

impl<W: Work> WorkCell<W> {
    /// A cell for `work`: for the queue, as work that looks for its conditions when it starts.
    pub fn new(conditions: Conditions, has_handle: bool, work: W) -> Arc<Self> {
        let state =
            PendingState { word: AtomicU32::new(PENDING), conditions, has_handle, links: Mutex::default() };
        Arc::new(WorkCell { state, work: UninitCell::holding(work) })
    }

    /// The task side of the cell. Called once.
    pub fn task_side(self: &Arc<Self>) -> Conditioned<W> {
        Conditioned { cell: self.clone(), holds: Cell::new(Holds::Nothing) }
    }
}

/// What the claim of a thread that ends the task says of the owner.
struct Claimed {
    /// The owner, if it still exists.
    owner: Option<Arc<dyn TaskOwner>>,
    /// Whether the owner counts the end early.
    is_counted: bool,
}

impl Claimed {
    /// The owner, if it counts the end early.
    fn counting(&self) -> Option<&dyn TaskOwner> {
        self.owner.as_deref().filter(|_| self.is_counted)
    }
}

impl<W: Work> WorkCell<W> {
    /// Claims the work for the calling thread, which ends the task for this reason. On failure returns the
    /// word.
    fn claim(&self, why: Unstarted) -> Result<Claimed, u32> {
        let owner = lock(&self.state.links).owner.clone();
        let owner = owner.and_then(|owner| owner.upgrade());
        let is_counted = owner.as_ref().is_some_and(|owner| owner.counts_early());
        let claim = word_of(why) | if is_counted { COUNTED } else { 0 };
        // Release pairs with the Acquire in `begin` and `refusal_asked`: the sides that see the reason see
        // what this thread did before. Acquire: the work is visible, because this thread got the cell from a
        // lock that its creator has released; a failure reads nothing but the word.
        self.state.word.compare_exchange(PENDING, claim, Ordering::AcqRel, Ordering::Acquire)?;
        Ok(Claimed { owner, is_counted })
    }

    /// Has the end of the task, whose work is gone or left to a helper, counted and its waiter woken.
    fn announce(&self, why: Unstarted, claimed: &Claimed) {
        if let Some(owner) = claimed.counting() {
            owner.count_early(why);
        }
        if let Some(waiter) = self.state.unlink() {
            waiter.wake();
        }
    }
}

/// The work in a cell, which belongs to the owner of this value.
struct LeftWork<W: Work>(Arc<WorkCell<W>>);

impl<W: Work> Drop for LeftWork<W> {
    fn drop(&mut self) {
        let dropped = unwind::catch(|| {
            // SAFETY: the cell holds the work, because the thread that made this value has claimed it. It
            // belongs to this value, which is dropped once.
            unsafe { self.0.work.drop_in_place() }
        });
        unwind::drop_silently(dropped); // the task has a handle, which shows that the task never started
    }
}

impl<W: Work> Revocable for WorkCell<W> {
    fn revoke(&self, why: Unstarted) -> bool {
        let claimed = match self.claim(why) {
            Ok(claimed) => claimed,
            Err(word) => return refusal_in(word).is_some(),
        };
        let dropped = unwind::catch(|| {
            // SAFETY: the cell holds the work, which belongs to this thread, because it has claimed it. It is
            // dropped once.
            unsafe { self.work.drop_in_place() }
        });
        self.announce(why, &claimed);
        match (dropped, claimed.counting()) {
            (Err(payload), Some(owner)) if !self.state.has_handle => owner.report(payload),
            (dropped, _) => unwind::drop_silently(dropped),
        }
        true
    }

    fn wake_waiter(&self) {
        let waiter = lock(&self.state.links).waiter.take();
        waiter.into_iter().for_each(Waiter::wake); // without the lock, because a waker is user code
    }
}

impl<W: Work> Pending for WorkCell<W> {
    fn state(&self) -> &PendingState {
        &self.state
    }

    fn into_revocable(self: Arc<Self>) -> Arc<dyn Revocable>
    where
        Self: 'static,
    {
        self
    }

    fn end(self: Arc<Self>, why: Unstarted)
    where
        Self: 'static,
    {
        if !W::NEEDS_DROP {
            self.revoke(why);
            return;
        }
        let Ok(claimed) = self.claim(why) else { return };
        let remains: Remains = Box::new(LeftWork(self.clone()));
        let left = match &claimed.owner {
            Some(owner) => owner.take_remains(remains),
            None => Some(remains),
        };
        drop(left); // without a helper
        self.announce(why, &claimed);
    }
}

/// What the task side holds of its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// The work has no owner, or belongs to another side.
    Nothing,
    /// The work belongs to this side and is in the cell.
    Work,
    /// This side has moved the work out.
    Taken,
}

/// The task side of a [`WorkCell`]: the work of the task in the queue.
pub struct Conditioned<W: Work> {
    cell: Arc<WorkCell<W>>,
    holds: Cell<Holds>,
}

impl<W: Work> fmt::Debug for Conditioned<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conditioned").field("holds", &self.holds).finish_non_exhaustive()
    }
}

impl<W: Work> Work for Conditioned<W> {
    type Output = W::Output;

    fn refusal(&self) -> Option<WorkRefusal> {
        let state = &self.cell.state;
        // Asked first, so that a handle which cancels the task meanwhile learns that it never starts. A token
        // that is cancelled after this finds the task, and one of the two sides claims the work. (A token
        // that does not know the task yet is cancelled while the task is being submitted, so the task may be
        // the earlier one.)
        let refused = state.conditions.refusal();
        if let Err(refusal) = state.begin(refused.map_or(BEGUN, word_of)) {
            return Some(refusal);
        }
        self.holds.set(Holds::Work);
        refused.map(|why| WorkRefusal { why, is_counted: false })
    }

    fn call(self) -> W::Output {
        assert_eq!(self.holds.replace(Holds::Taken), Holds::Work, "the work begins before it is called");
        // SAFETY: the cell holds the work, which belongs to this side. It is moved out once, because `holds`
        // says so from now on.
        let work = unsafe { self.cell.work.read() };
        drop(self);
        work.call()
    }

    fn has_failed(output: &W::Output) -> bool {
        W::has_failed(output)
    }
}

impl<W: Work> Drop for Conditioned<W> {
    fn drop(&mut self) {
        let holds_work = match self.holds.get() {
            Holds::Nothing => self.cell.state.begin(BEGUN).is_ok(),
            Holds::Work => true,
            Holds::Taken => false,
        };
        if holds_work {
            self.holds.set(Holds::Taken);
            // SAFETY: the cell holds the work, which belongs to this side, because `begin` has succeeded. It
            // is dropped once, because `holds` says so from now on. A panic passes on to the caller's guard.
            unsafe { self.cell.work.drop_in_place() };
        }
    }
}
