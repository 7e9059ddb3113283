//! The operating system's threads behind the workers: started, told when they go, joined. Any thread may wait for their end.
//!
//! While the pool goes on, those that go are joined by another that goes: one at a time does that, and the others do not wait
//! for it. If each joined the one before it, they would stand in a row behind the slowest, and under many resizes there would
//! be thousands of them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::base::unwind;

/// Threads that have gone and that nobody has joined, beyond which a new one is started only after a pause. Enough for all
/// workers of a large pool to go at once; what each of them still takes is its stack.
const MOST_ENDED: usize = 64;

/// The longest such pause: many times what joining that many takes. It must end, for whoever starts a thread may hold what the
/// destructor of a thread-local is waiting for.
const PAUSE: Duration = Duration::from_millis(10);

/// A thread's name for itself when it goes: numbers of workers are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadKey(u64);

/// See the module's text.
#[derive(Debug, Default)]
pub struct Threads {
    state: Mutex<ThreadsState>,
    /// Signalled when the last running thread is about to go.
    all_gone: Condvar,
    /// Signalled when one that has gone is taken up to be joined.
    fewer_ended: Condvar,
}

#[derive(Debug, Default)]
struct ThreadsState {
    /// Threads that have been started and have not announced their end.
    running: usize,
    /// How many were ever started.
    tickets: u64,
    /// What is left to join.
    handles: Vec<(ThreadKey, JoinHandle<()>)>,
    /// Those that have announced their end while the pool goes on. When all is quiet there is one at most: who joined the others.
    ended: VecDeque<JoinHandle<()>>,
    joining: Joining,
}

/// Whether a thread that goes is joining others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Joining {
    #[default]
    Nobody,
    Somebody,
}

impl Threads {
    fn state(&self) -> MutexGuard<'_, ThreadsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that runs `life` and ends by calling [`Threads::gone`] or [`Threads::gone_early`].
    pub fn start(&self, thread: Builder, life: impl FnOnce(ThreadKey) + Send + 'static) -> io::Result<()> {
        let mut state = self.state();
        if state.ended.len() > MOST_ENDED {
            let too_many = |state: &mut ThreadsState| state.ended.len() > MOST_ENDED;
            let waited = self.fewer_ended.wait_timeout_while(state, PAUSE, too_many);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let key = ThreadKey(state.tickets);
        let handle = thread.spawn(move || life(key))?;
        state.tickets += 1;
        state.running += 1;
        state.handles.push((key, handle));
        Ok(())
    }

    /// The calling thread is about to go, with the pool: whoever waits for that joins it.
    pub fn gone(&self) {
        self.count_down(self.state());
    }

    /// The calling thread, which has this key, is about to go while the pool goes on.
    pub fn gone_early(&self, key: ThreadKey) {
        let mut state = self.state();
        let own = state.handles.iter().position(|(of, _)| *of == key);
        let own = own.map(|place| state.handles.swap_remove(place).1);
        if state.joining == Joining::Nobody {
            state.joining = Joining::Somebody;
            // Again and again, for others go meanwhile. None of them waits for another, so each join takes a moment.
            while let Some(ended) = state.ended.pop_front() {
                drop(state);
                self.fewer_ended.notify_all();
                join(ended);
                state = self.state();
            }
            state.joining = Joining::Nobody;
        }
        state.ended.extend(own);
        // Only now: who waits for all must not return while others are being joined.
        self.count_down(state);
    }

    fn count_down(&self, mut state: MutexGuard<'_, ThreadsState>) {
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
        state.ended.drain(..).for_each(join);
        state.handles.drain(..).for_each(|(_, handle)| join(handle));
        true
    }

    /// Lets the threads go their way: nobody will join them. For a pool that is dropped by one of its own workers.
    pub fn detach(&self) {
        let mut state = self.state();
        state.handles.clear();
        state.ended.clear();
    }
}

fn join(handle: JoinHandle<()>) {
    // A worker's thread catches all panics of user code, but a thread-local's destructor may still panic (the runtime then
    // aborts) and the payload says nothing to us.
    if let Err(payload) = handle.join() {
        unwind::drop_silently(payload);
    }
}
