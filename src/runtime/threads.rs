//! The operating system's threads behind the workers: started, told when they go, joined. Any thread may wait for their end.

use std::io;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use crate::base::unwind;

/// A thread's name for itself when it goes: numbers of workers are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// See the module's text.
#[derive(Debug, Default)]
pub struct Threads {
    state: Mutex<State>,
    /// Signalled when the last running thread is about to go.
    all_gone: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads that have been started and have not announced their end.
    running: usize,
    /// How many were ever started.
    tickets: u64,
    /// What is left to join.
    handles: Vec<(Ticket, JoinHandle<()>)>,
    /// The thread that announced its end last, while the pool goes on. The next one to go joins it, so that however many
    /// come and go there is never more than one that nobody has joined.
    ended: Option<JoinHandle<()>>,
}

impl Threads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that runs `life` and ends by calling [`Threads::gone`] or [`Threads::gone_early`].
    pub fn start(&self, thread: Builder, life: impl FnOnce(Ticket) + Send + 'static) -> io::Result<()> {
        let mut state = self.state();
        let ticket = Ticket(state.tickets);
        let handle = thread.spawn(move || life(ticket))?;
        state.tickets += 1;
        state.running += 1;
        state.handles.push((ticket, handle));
        Ok(())
    }

    /// The calling thread is about to go, with the pool: whoever waits for that joins it.
    pub fn gone(&self) {
        self.count_down(self.state());
    }

    /// The calling thread, which has this ticket, is about to go while the pool goes on.
    pub fn gone_early(&self, ticket: Ticket) {
        let mut state = self.state();
        let own = state.handles.iter().position(|(of, _)| *of == ticket);
        let own = own.map(|place| state.handles.swap_remove(place).1);
        let before = mem::replace(&mut state.ended, own);
        drop(state);
        before.into_iter().for_each(join);
        // Only now: who waits for all must not return while that one is being joined.
        self.count_down(self.state());
    }

    fn count_down(&self, mut state: MutexGuard<'_, State>) {
        state.running -= 1;
        if state.running == 0 {
            self.all_gone.notify_all();
        }
    }

    /// Waits until every thread has ended and is joined; `false` if the deadline comes first. Any number of threads
    /// may wait, each until the end.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        while state.running > 0 {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.all_gone.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.all_gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        // The lock is held on purpose: whoever comes second returns only after the threads are gone for good. They
        // take a moment at most, for the announcement was their last act.
        state.ended.take().into_iter().for_each(join);
        state.handles.drain(..).for_each(|(_, handle)| join(handle));
        true
    }

    /// Lets the threads go their way: nobody will join them. For a pool that is dropped by one of its own workers.
    pub fn detach(&self) {
        let mut state = self.state();
        state.handles.clear();
        state.ended = None;
    }
}

fn join(handle: JoinHandle<()>) {
    // A worker's thread catches all panics of user code, but a thread-local's destructor may still panic (the runtime then
    // aborts) and the payload says nothing to us.
    if let Err(payload) = handle.join() {
        unwind::drop_silently(payload);
    }
}
