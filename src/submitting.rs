//! The future behind [`Pool::submit_async`](crate::Pool::submit_async): a task on its way into a pool that may be full. It
//! belongs to whoever polls it; no thread waits.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::handle::JoinHandle;
use crate::policy::overflow::OnFull;
use crate::primitives::line::{Joined, Manner, Office, Verdict};
use crate::primitives::room::Room;
use crate::primitives::slot::Waiter;
use crate::runtime::admission::{self, Entry, Place};
use crate::runtime::dispatcher::Intake;
use crate::submission;

/// See the module's text.
pub struct Submitting<S, F, T> {
    shared: Arc<S>,
    /// Gone when the future is ready.
    task: Option<F>,
    /// Where it waits for room.
    place: Option<Place<Room>>,
    result: PhantomData<fn() -> T>,
}

// The closure is moved out whole; nothing in here is pinned.
impl<S, F, T> Unpin for Submitting<S, F, T> {}

impl<S: Intake, F, T> Submitting<S, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Submits `task` when it is polled.
    pub fn new(shared: Arc<S>, task: F) -> Self {
        Submitting { shared, task: Some(task), place: None, result: PhantomData }
    }

    /// Whether there is room, and what is to be done with the task.
    fn poll_entry(&mut self, cx: &Context<'_>) -> Poll<Result<Entry, SubmitErrorKind>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(SubmitErrorKind::Forked));
        }
        if let Some(place) = &self.place {
            return match place.look(Waiter::Waker(cx.waker().clone())) {
                // A task that blocks on this must not wait for room in its own pool.
                Verdict::Waiting if self.shared.is_inside() => {
                    self.place = None;
                    Poll::Ready(admission::admit(&*self.shared, Some(OnFull::Block)))
                }
                Verdict::Waiting => Poll::Pending,
                Verdict::Closed => Poll::Ready(Err(SubmitErrorKind::Closed)),
                Verdict::Granted => {
                    self.place.take().into_iter().for_each(Place::use_up);
                    Poll::Ready(Ok(Entry::Queue))
                }
            };
        }
        match admission::admit_without_waiting(&*self.shared) {
            Some(entry) => Poll::Ready(entry),
            None => self.join_line(cx),
        }
    }

    fn join_line(&mut self, cx: &Context<'_>) -> Poll<Result<Entry, SubmitErrorKind>> {
        let admission = self.shared.admission.as_ref().expect("only a bounded pool has no room");
        match admission.room.join(1, Manner::InLine, Waiter::Waker(cx.waker().clone())) {
            Joined::Taken => Poll::Ready(Ok(Entry::Queue)),
            Joined::Closed => Poll::Ready(Err(SubmitErrorKind::Closed)),
            Joined::Waits(ticket) => {
                self.place = Some(Place::new(admission.room.clone(), ticket));
                self.poll_entry(cx) // the turn may have come in the same moment
            }
        }
    }
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
        let Poll::Ready(entry) = this.poll_entry(cx) else { return Poll::Pending };
        this.place = None;
        let task = this.task.take().expect("asserted above");
        Poll::Ready(match entry {
            Ok(entry) => submission::enter(&*this.shared, entry, task),
            Err(kind) => Err(SubmitError { task, kind }),
        })
    }
}
