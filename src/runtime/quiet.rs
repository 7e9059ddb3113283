//! Waiting until a pool is quiet: no task is queued, runs, or waits for another one.
//!
//! A waiting thread or future registers a [`QuietWait`] in the pool's list (`quiet_waits.rs`) and looks at
//! the pool. From then on each event after which the pool may have become quiet looks for it: a worker parks,
//! a worker begins to wait for the end of a pause, a worker leaves the pool or ends with it, a lease ends, a
//! thread stops acting as the worker of a pool without threads, a queued task ends early, a purge ends. So
//! nothing polls, and a pool for whose rest no thread waits pays one load when a worker parks.
//!
//! # A paused pool
//! A worker of a paused pool waits between two tasks, with nothing in hand (`Idle::begin_pause`). It counts
//! like a parked one: it leaves the pause under the lock of the list of the parked before it looks at any
//! queue, so no task begins during a look. No worker takes anything out of the queues, so entries of tasks
//! that were cancelled or have expired stay there, and the pool is not drained. Then the counts decide:
//! every accepted task has ended (`Core::have_all_ended`). A pool is at rest if either holds. The counts are
//! asked whether the pool is paused now or not, because a pause may end and begin again before its workers
//! have woken up. They are not asked during a purge, which holds tasks of lanes that nothing counts; it looks
//! itself when it has ended. (A bounded pool with very many empty entries counts further ones only when a
//! worker finds them, which is after the pause.)
//!
//! # No wake-up is lost
//! The wait is counted before the first look, which takes the lock of the list of the parked workers. A
//! worker reads the count after it has entered that list, or has announced its pause under the same lock. If
//! it did so before the look, the look sees it there; otherwise the lock orders the count before the worker's
//! load, and the worker looks itself. Of several workers that park or pause at the same time, the last one
//! sees all others. A thread that ends or discards queued tasks is ordered by a fence instead
//! (`QuietWaits::look_from_outside`). Guarded by `tests/process_quiet.rs`.

use std::future::{self, Future};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Instant;

use crate::base::error::IdleError;
use crate::runtime::control::Phase;
use crate::runtime::current::PollState;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::quiet_waits::QuietWait;
use crate::runtime::stall::Target;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::runtime::{current, current_pool};
use crate::sync::waiter::Waiter;

/// Whether no task of the pool is left, in whatever phase it is.
pub fn is_at_rest<M: PoolKind>(shared: &M) -> bool {
    match shared.phase() {
        Phase::Open => shared.is_quiet() || has_empty_entries_only(shared),
        Phase::Draining => shared.is_quiet(), // not paused: a worker takes the empty entries
        Phase::Ended => true,
        // The queued tasks are discarded, and no task starts any more. The ends are read before the starts,
        // so equal sums mean that no worker ran a task when the ends had been read.
        Phase::Stopping => shared.sum(|m| m.counts.gone()) == shared.sum(|m| m.counts.started.get()),
    }
}

/// Whether all workers are parked or paused between two tasks, and whatever is queued is an entry whose task
/// has ended.
fn has_empty_entries_only<M: PoolKind>(shared: &M) -> bool {
    let have_all_ended = || shared.have_all_ended(|| shared.entered());
    shared.idle.while_all_parked(|| shared.quiet_waits.between_purges(have_all_ended))
}

/// A registered wait, which is removed when this is dropped.
#[derive(Debug)]
pub struct Registration<M: PoolKind> {
    shared: Arc<M>,
    wait: Arc<QuietWait>,
}

impl<M: PoolKind> Registration<M> {
    /// Begins a wait for the rest of the pool.
    pub fn new(shared: &Arc<M>) -> Result<Self, IdleError> {
        if shared.is_forked() {
            return Err(IdleError::Forked);
        }
        if current_pool::belongs_to_pool(shared) {
            return Err(IdleError::FromWorker);
        }
        let registration = Registration { shared: shared.clone(), wait: Arc::default() };
        shared.quiet_waits.add(&registration.wait);
        shared.quiet_waits.look(|| is_at_rest(&**shared));
        Ok(registration)
    }

    /// Blocks the calling thread until the pool is at rest. A worker of another pool has a stand-in
    /// meanwhile.
    pub fn block(mut self, deadline: Option<Instant>) -> Result<(), IdleError> {
        loop {
            if self.wait.has_ended() {
                return Ok(());
            }
            let waited = match current::wait_until(&mut self, deadline) {
                // The operating system gives no thread with a fresh stack: the wait goes on without.
                Waited::NoStack(_) => wait::block(&mut self, deadline),
                waited => waited,
            };
            if let Waited::TimedOut = waited {
                return if self.wait.has_ended() { Ok(()) } else { Err(IdleError::TimedOut) };
            }
        }
    }

    /// Polls the wait for a future. A worker of another pool whose task polls in vain has a stand-in from
    /// then on, because the thread may block until the future is ready.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if current::has_broadcast() {
            current::help_poll(self); // such a task may be what the awaited pool waits for
        }
        let has_ended = self.wait.wake_at_end(Waiter::Waker(cx.waker().clone()));
        current::note_poll(match has_ended {
            true => PollState::Ready,
            false => PollState::Pending(cx.waker(), self.target()),
        });
        if has_ended { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<M: PoolKind> Awaited for Registration<M> {
    fn is_done(&self) -> bool {
        self.wait.has_ended()
    }

    fn target(&self) -> Target {
        Target::PoolRest(self.shared.id)
    }

    fn unpark_me(&mut self) {
        let thread = thread::current();
        if self.wait.wake_at_end(Waiter::Thread(thread.clone())) {
            thread.unpark(); // the park that follows returns at once
        }
    }
}

impl<M: PoolKind> Drop for Registration<M> {
    fn drop(&mut self) {
        if !self.shared.is_forked() {
            self.shared.quiet_waits.remove(&self.wait);
        }
    }
}

/// A future that is ready when the pool is at rest. The wait begins with this call.
pub fn future<M: PoolKind>(shared: &Arc<M>) -> impl Future<Output = Result<(), IdleError>> + Send + use<M> {
    let registration = Registration::new(shared);
    async move {
        let mut registration = registration?;
        future::poll_fn(|cx| registration.poll(cx)).await;
        Ok(())
    }
}
