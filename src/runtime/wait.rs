//! Waiting: what can be waited for ([`Awaited`]), how a wait ends, and the wait of a thread that runs nothing
//! meanwhile.
//!
//! Any thread may wait here for itself. What a worker runs during a wait is in `push/worker/wait.rs` and
//! `pull/worker.rs`; how it sleeps, and when a stand-in works for it, is in `long_wait.rs`. Guarded by
//! `tests/process_nesting.rs`, `tests/process_stack.rs` and `tests/it/behaviour/nesting.rs`; models:
//! `latches` and `result_slot_waiting`.

use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{io, mem, thread};

use crate::base::facade::lock;
use crate::runtime::config::Config;
use crate::runtime::held_pass::{self, HeldPasses};
use crate::runtime::stall::Target;
use crate::sys::{affinity, stack};
use crate::task::counts::TaskCounts;

/// How long a thread spins for a result before it sleeps: about the time that falling asleep and waking up
/// take. In a program that submits and joins in turn the next result usually comes sooner.
const JOIN_SPIN: Duration = Duration::from_micros(10);

/// An event that a task or a thread waits for.
pub trait Awaited {
    /// Whether the event has happened.
    fn is_done(&self) -> bool;
    /// Whether it is the end of a task of the pool with this id.
    fn is_of(&self, _pool: u32) -> bool {
        false
    }
    /// Runs the awaited task if it has not started. Returns whether it did.
    fn run_here(&mut self, _counts: &TaskCounts) -> bool {
        false
    }
    /// Has the calling thread unparked when the event happens, or at once if it has happened.
    fn unpark_me(&mut self);
    /// What it is, for the picture of waits without an end.
    fn target(&self) -> Target;
    /// Whether something is reserved for the wait before it goes on: a permit, a pass.
    fn reserves(&self) -> bool {
        false
    }
    /// Called before the worker runs something on top of the waiting task that may want what the wait holds:
    /// the wait then reserves nothing.
    fn release_claim(&mut self) {}
    /// Takes [`Awaited::release_claim`] back.
    fn claim_again(&mut self) {}
}

/// How a wait on a worker ended.
#[derive(Debug)]
#[must_use]
pub enum Waited {
    /// The event has happened.
    Done,
    /// The deadline passed first.
    TimedOut,
    /// The stack is used up, and the operating system gives no thread with a fresh stack.
    NoStack(io::Error),
}

/// How long to spin for a result before sleeping.
pub fn join_spin() -> Duration {
    if affinity::is_single_core() { Duration::ZERO } else { JOIN_SPIN }
}

/// Spins for a moment, then sleeps, until `awaited` is done or the deadline has passed.
pub fn block(awaited: &mut dyn Awaited, deadline: Option<Instant>) -> Waited {
    let now = Instant::now();
    let spin = join_spin();
    let spin_until = deadline.map_or(now + spin, |deadline| deadline.min(now + spin));
    while Instant::now() < spin_until {
        for _ in 0..32 {
            if awaited.is_done() {
                return Waited::Done;
            }
            std::hint::spin_loop();
        }
    }
    let mut token = ParkToken::default();
    while !awaited.is_done() {
        awaited.unpark_me(); // each time, because a wake-up for another reason has used up the request
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => token.park(),
            Some(Duration::ZERO) => return Waited::TimedOut,
            Some(left) => token.park_timeout(left),
        }
    }
    Waited::Done
}

/// The token of the calling thread that [`thread::unpark`](thread::Thread::unpark) sets and [`thread::park`]
/// uses up, during one wait of the library inside user code.
///
/// The wait cannot tell whether it was woken by its event, or by an `unpark` that the program has meant for a
/// `park` of its own, which follows. So a wait that has parked sets the token again when it ends. The
/// program's next `park` may return at once for no reason, which the standard library allows; but it never
/// sleeps for ever because a wait has used up its token.
#[derive(Debug, Default)]
pub struct ParkToken {
    is_used: bool,
}

impl ParkToken {
    /// Parks the calling thread.
    pub fn park(&mut self) {
        self.is_used = true;
        thread::park();
    }

    /// Parks the calling thread for at most `time`.
    pub fn park_timeout(&mut self, time: Duration) {
        self.is_used = true;
        thread::park_timeout(time);
    }
}

impl Drop for ParkToken {
    fn drop(&mut self) {
        if self.is_used {
            thread::current().unpark();
        }
    }
}

/// Bytes of a small stack that a task should find free: three quarters of the smallest stack. (In a build
/// without optimisation a queue that grows takes some 20 KiB.)
const STACK_RESERVE: usize = 48 << 10;

/// True if less than half of the worker's stack is left (on small stacks, less than [`STACK_RESERVE`]). The
/// next nested wait then continues on a new thread. The thread of a lease may have had a smaller stack from
/// the start.
pub fn is_deep(config: &Config) -> bool {
    stack::is_short_of((config.stack_size / 2).max(STACK_RESERVE.min(config.stack_size / 4 * 3)))
}

/// Runs `work` on a new thread, in the name of worker `index`, and waits for that thread. An error means that
/// the operating system gave no thread.
pub fn on_thread<R: Send>(config: &Config, index: usize, work: impl FnOnce() -> R + Send) -> io::Result<R> {
    // The tasks on this stack are below those on the new one.
    let passes = Mutex::new(held_pass::replace(HeldPasses::default()));
    let begin = || {
        stack::begin(config.stack_size);
        held_pass::replace(mem::take(&mut lock(&passes)));
        let result = work();
        *lock(&passes) = held_pass::replace(HeldPasses::default());
        result
    };
    let result = thread::scope(|scope| {
        let thread = config.thread(index).spawn_scoped(scope, begin)?;
        Ok(thread.join().expect("waiting runs user code only inside the panic guard"))
    });
    held_pass::replace(mem::take(&mut lock(&passes)));
    result
}
