//! The threads of the operating system behind the workers: they are started, say when they end, and are
//! joined.
//!
//! Every pool owns one [`Threads`]. Any thread may start a thread or wait for the end of all.
//!
//! A thread announces its end from the destructor of a thread-local (`Farewell`), which is initialised before
//! all others of the thread and so destroyed after them. So the destructors of the program's thread-locals
//! have run when the end is announced, and to join the thread takes a moment only. A wait with a time limit
//! ends in time however long those destructors take. (Only destructors that C code registers with
//! `pthread_key_create` run later.)
//!
//! While the pool goes on, a thread that ends joins the threads that ended before it. Only one thread joins
//! at a time, and the other threads do not wait for it. If each thread joined the one before it, they would
//! form a row behind the slowest one, of thousands of threads under many resizes.
//!
//! Guarded by `tests/elastic/resizing.rs`, `tests/elastic/load.rs`, `tests/process_start.rs` and
//! `tests/process_end.rs`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::base::facade::lock;
use crate::base::unwind;

/// If more threads than this have ended and are not joined, the next start of a thread pauses first. It is
/// enough for all workers of a large pool to end at once; a thread that has ended still takes its stack.
const MOST_ENDED: usize = 64;

/// The longest such pause: many times what joining that many threads takes. The pause must end, because the
/// thread that starts another may hold something that the destructor of a thread-local waits for.
const JOIN_GRACE: Duration = Duration::from_millis(10);

/// Identifies a thread. Worker numbers cannot: they are reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ThreadKey(u64);

/// When a thread ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadExit {
    /// Together with the pool. The thread that waits for the pool joins it.
    WithPool,
    /// While the pool goes on.
    Early,
}

/// Announces the end of the thread whose thread-local it is.
struct Farewell {
    threads: Arc<Threads>,
    key: ThreadKey,
    exit: ThreadExit,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        match self.exit {
            ThreadExit::WithPool => self.threads.gone(),
            ThreadExit::Early => self.threads.gone_early(self.key),
        }
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

/// The threads of a pool.
#[derive(Debug, Default)]
pub struct Threads {
    state: Mutex<ThreadsState>,
    /// Signalled when the last running thread is about to end.
    all_gone: Condvar,
    /// Signalled when a thread that has ended is about to be joined.
    fewer_ended: Condvar,
}

#[derive(Debug, Default)]
struct ThreadsState {
    /// Threads that have been started and have not announced their end.
    running: usize,
    /// How many threads were ever started.
    started: u64,
    /// The threads that are left to join.
    handles: Vec<(ThreadKey, JoinHandle<()>)>,
    /// Threads that have announced their end while the pool goes on. When no thread ends any more, at most
    /// one is left: the last that joined other threads.
    ended: VecDeque<JoinHandle<()>>,
    /// Whether a thread that ends is joining other threads.
    is_joining: bool,
    /// Workers of other pools that wait for the end of all threads: they are unparked then.
    waiters: Vec<Thread>,
}

impl Threads {
    /// Starts a thread that runs `life`, which returns how it ends.
    pub fn start(
        self: &Arc<Self>,
        thread: Builder,
        life: impl FnOnce() -> ThreadExit + Send + 'static,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.ended.len() > MOST_ENDED {
            let too_many = |state: &mut ThreadsState| state.ended.len() > MOST_ENDED;
            let waited = self.fewer_ended.wait_timeout_while(state, JOIN_GRACE, too_many);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let key = ThreadKey(state.started);
        let threads = self.clone();
        let handle = thread.spawn(move || {
            // First, so that it is destroyed last.
            FAREWELL.set(Some(Farewell { threads, key, exit: ThreadExit::WithPool }));
            let exit = life();
            FAREWELL
                .with_borrow_mut(|farewell| farewell.iter_mut().for_each(|farewell| farewell.exit = exit));
        })?;
        state.started += 1;
        state.running += 1;
        state.handles.push((key, handle));
        Ok(())
    }

    /// A thread of the program begins to work for the pool, as if it were one of the pool's threads.
    pub fn enter(&self) {
        lock(&self.state).running += 1;
    }

    /// Ends what [`Threads::enter`] began.
    pub fn leave(&self) {
        self.gone();
    }

    fn gone(&self) {
        self.count_down(lock(&self.state));
    }

    fn gone_early(&self, key: ThreadKey) {
        let mut state = lock(&self.state);
        let own = state.handles.iter().position(|(of, _)| *of == key);
        let own = own.map(|place| state.handles.swap_remove(place).1);
        if !state.is_joining {
            state.is_joining = true;
            // More threads may end meanwhile. None of them waits for another thread, so each join takes a
            // moment.
            while let Some(ended) = state.ended.pop_front() {
                drop(state);
                self.fewer_ended.notify_all();
                join(ended);
                state = lock(&self.state);
            }
            state.is_joining = false;
        }
        state.ended.extend(own);
        // Only now, because a wait for all threads must not return while this thread joins others.
        self.count_down(state);
    }

    fn count_down(&self, mut state: MutexGuard<'_, ThreadsState>) {
        state.running -= 1;
        if state.running == 0 {
            self.all_gone.notify_all();
            state.waiters.drain(..).for_each(|waiter| waiter.unpark());
        }
    }

    /// Whether every thread has announced its end.
    pub fn are_gone(&self) -> bool {
        lock(&self.state).running == 0
    }

    /// Has `waiter` unparked when every thread has announced its end. Returns false if that is so already.
    pub fn unpark_at_end(&self, waiter: Thread) -> bool {
        let mut state = lock(&self.state);
        let waits = state.running > 0;
        if waits && state.waiters.iter().all(|known| known.id() != waiter.id()) {
            state.waiters.push(waiter);
        }
        waits
    }

    /// Waits until every thread has ended and is joined; `false` if the deadline passes first. Any number of
    /// threads may wait, each until the end.
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        while state.running > 0 {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.all_gone.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.all_gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        // The lock is held on purpose: a second waiting thread returns only when all threads have really
        // ended. That takes a moment at most, because the announcement was the last act of each thread, after
        // the destructors of its thread-locals.
        state.ended.drain(..).for_each(join);
        state.handles.drain(..).for_each(|(_, handle)| join(handle));
        true
    }

    /// Drops the handles: no thread is joined. For a pool that is dropped by one of its own workers.
    pub fn detach(&self) {
        let mut state = lock(&self.state);
        state.handles.clear();
        state.ended.clear();
    }
}

fn join(handle: JoinHandle<()>) {
    // A worker's thread catches all panics of user code. But the destructor of a thread-local may still
    // panic: then the runtime aborts, or the payload arrives here and is of no use.
    if let Err(payload) = handle.join() {
        unwind::drop_silently(payload);
    }
}
