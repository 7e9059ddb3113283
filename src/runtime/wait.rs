//! Waiting: what can be waited for ([`Awaited`]), how a wait ends, and the wait of a thread that runs nothing meanwhile.

use std::time::{Duration, Instant};
use std::{io, thread};

use crate::runtime::config::Config;
use crate::sys::{affinity, stack};
use crate::task::counts::TaskCounts;

/// How long a thread spins for a result before it sleeps: about what it takes to put it to sleep and wake it up. The next
/// result of a program that submits and joins in turn usually comes sooner.
const JOIN_SPIN: Duration = Duration::from_micros(10);

/// Something that a task or a thread waits for.
pub trait Awaited {
    /// Whether it has come.
    fn is_done(&self) -> bool;
    /// Whether it comes from a task of the pool of this number.
    fn is_of(&self, pool: u32) -> bool;
    /// Runs the task that it comes from, if nobody has begun it; whether that was so.
    fn run_here(&mut self, counts: &TaskCounts) -> bool;
    /// Has the calling thread unparked when it comes (at once, if it has come already).
    fn unpark_me(&mut self);
}

/// How a wait on a worker ended.
#[derive(Debug)]
#[must_use]
pub enum Waited {
    /// It came.
    Done,
    /// The deadline passed first.
    TimedOut,
    /// The stack is used up and the operating system gives no thread with a fresh one.
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
    while !awaited.is_done() {
        awaited.unpark_me(); // each time: whoever has woken this thread for another reason has used it up
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Waited::TimedOut,
            Some(left) => thread::park_timeout(left),
        }
    }
    Waited::Done
}

/// What a task should find free of a small stack, in bytes: three quarters of the smallest. (In a build without
/// optimisation a queue that grows takes some 20 KiB.)
const ROOM: usize = 48 << 10;

/// Whether tasks within tasks have left less than half of the stack that a task of this pool may count on (of a small one,
/// less than [`ROOM`]): that is for the next one. A thread that has borrowed the worker may have a smaller one from the
/// beginning.
pub fn is_deep(config: &Config) -> bool {
    stack::is_short_of((config.stack_size / 2).max(ROOM.min(config.stack_size / 4 * 3)))
}

/// Has a thread of its own work or wait, in the name of worker `index`, and waits for that thread. An error means that there
/// was none to be had.
pub fn on_thread<R: Send>(config: &Config, index: usize, work: impl FnOnce() -> R + Send) -> io::Result<R> {
    let begin = || {
        stack::begin(config.stack_size);
        work()
    };
    thread::scope(|scope| {
        let thread = config.thread(index).spawn_scoped(scope, begin)?;
        Ok(thread.join().expect("waiting runs user code only inside the panic guard"))
    })
}
