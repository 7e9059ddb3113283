//! The future behind [`Pool::submit_async`](crate::Pool::submit_async): a task on its way into a pool that may be full. It
//! belongs to whoever polls it; no thread waits.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::limits::budget::Budget;
use crate::limits::budget::Share;
use crate::limits::permits::Room;
use crate::limits::wait_queue::{Joined, Manner, Office, Verdict};
use crate::policy::overflow::OnFull;
use crate::runtime::intake::Intake;
use crate::runtime::stripe;
use crate::submit::admission::{self, Entry, Place};
use crate::submit::handle::JoinHandle;
use crate::submit::options::Ticket;
use crate::submit::single::{self, Admitted};
use crate::sync::waiter::Waiter;

/// See the module's text.
pub struct Submitting<S, F, T> {
    shared: Arc<S>,
    ticket: Ticket,
    /// Gone when the future is ready.
    task: Option<F>,
    stage: Stage,
    result: PhantomData<fn() -> T>,
}

/// How far it has come.
enum Stage {
    /// Nothing has happened.
    New,
    /// Its turn for a share of the budget, of this weight, has not come.
    InLineForShare(Place<Budget>, u64),
    /// It has what it needs of the budget, and wants room.
    HasShare(Option<Share>),
    /// Its turn for room has not come.
    InLineForRoom(Place<Room>, Option<Share>),
}

// The closure is moved out whole; nothing in here is pinned.
impl<S, F, T> Unpin for Submitting<S, F, T> {}

impl<S: Intake, F, T> Submitting<S, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Submits `task` when it is polled.
    pub fn new(shared: Arc<S>, ticket: Ticket, task: F) -> Self {
        Submitting { shared, ticket, task: Some(task), stage: Stage::New, result: PhantomData }
    }

    /// Goes on until it is in, or has to wait.
    fn poll_admission(&mut self, cx: &Context<'_>) -> Poll<Result<Admitted, SubmitErrorKind>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(SubmitErrorKind::Forked));
        }
        self.shared.check(self.ticket.route)?;
        if self.shared.is_inside() {
            // A task that blocks on this must not wait in front of its own pool.
            self.stage = Stage::New;
            return Poll::Ready(admission::admit_heavy(
                &*self.shared,
                self.ticket.weight,
                Some(OnFull::Block),
            ));
        }
        loop {
            self.stage = match mem::replace(&mut self.stage, Stage::New) {
                Stage::New => self.want_share(cx)?,
                Stage::InLineForShare(place, weight) => match look(&place, cx) {
                    Verdict::Waiting => {
                        self.stage = Stage::InLineForShare(place, weight);
                        return Poll::Pending;
                    }
                    Verdict::Closed => return Poll::Ready(Err(SubmitErrorKind::Closed)),
                    Verdict::Granted => Stage::HasShare(Some(Share::granted(place.use_up(), weight))),
                },
                Stage::HasShare(share) => match self.want_room(cx)? {
                    None => return Poll::Ready(Ok((Entry::Queue, share))),
                    Some(place) => Stage::InLineForRoom(place, share),
                },
                Stage::InLineForRoom(place, share) => match look(&place, cx) {
                    Verdict::Waiting => {
                        self.stage = Stage::InLineForRoom(place, share);
                        return Poll::Pending;
                    }
                    Verdict::Closed => return Poll::Ready(Err(SubmitErrorKind::Closed)),
                    Verdict::Granted => {
                        place.use_up();
                        return Poll::Ready(Ok((Entry::Queue, share)));
                    }
                },
            };
        }
    }

    fn want_share(&self, cx: &Context<'_>) -> Result<Stage, SubmitErrorKind> {
        let Some(budget) = self.shared.budget.as_ref().filter(|_| self.ticket.weight > 0) else {
            return Ok(Stage::HasShare(None));
        };
        let weight = admission::fitting(&self.shared.config, budget, self.ticket.weight)?;
        match budget.join(weight, Manner::InLine, waiter(cx)) {
            Joined::Taken => Ok(Stage::HasShare(Some(Share::granted(budget.clone(), weight)))),
            Joined::Closed => Err(SubmitErrorKind::Closed),
            Joined::Waits(ticket) => Ok(Stage::InLineForShare(Place::new(budget.clone(), ticket), weight)),
        }
    }

    /// A place to wait at, or nothing if there is room.
    fn want_room(&self, cx: &Context<'_>) -> Result<Option<Place<Room>>, SubmitErrorKind> {
        let Some(admission) = &self.shared.admission else { return Ok(None) };
        if admission.room.take(stripe::mine(), 1) == 1 {
            return Ok(None);
        }
        match admission.room.join(1, Manner::InLine, waiter(cx)) {
            Joined::Taken => Ok(None),
            Joined::Closed => Err(SubmitErrorKind::Closed),
            Joined::Waits(ticket) => Ok(Some(Place::new(admission.room.clone(), ticket))),
        }
    }
}

fn waiter(cx: &Context<'_>) -> Waiter {
    Waiter::Waker(cx.waker().clone())
}

fn look<O: Office>(place: &Place<O>, cx: &Context<'_>) -> Verdict {
    place.look(waiter(cx))
}

impl<S: Intake, F, T> Future for Submitting<S, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<JoinHandle<T>, SubmitError<F>>;

    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(this.task.is_some(), "polled after it was ready");
        let Poll::Ready(admitted) = this.poll_admission(cx) else { return Poll::Pending };
        let task = this.task.take().expect("asserted above");
        Poll::Ready(match admitted {
            Ok(admitted) => single::enter(&*this.shared, admitted, mem::take(&mut this.ticket), task),
            Err(kind) => Err(SubmitError { task, kind }),
        })
    }
}
