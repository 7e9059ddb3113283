//! Waiting inside a task: the worker runs other tasks meanwhile, on a fresh stack if its own is used up.

use std::io;
use std::thread;
use std::time::Instant;

use super::{Goal, Worker};
use crate::sys::stack::approximate_stack_pointer;

/// Something that a task waits for on a worker.
pub trait Awaited {
    /// Whether it has come.
    fn is_done(&self) -> bool;
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

impl Worker {
    /// Runs tasks until `awaited` is done or the deadline has passed. Called from inside a task.
    pub fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        if self.is_deep() {
            return self.on_fresh_stack(awaited, deadline);
        }
        self.help_until(awaited, deadline)
    }

    fn help_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        let mut goal = Goal::Await { awaited, deadline };
        self.work_until(&mut goal);
        let Goal::Await { awaited, .. } = goal else { unreachable!("set above") };
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// Whether tasks within tasks have used half of the stack: the other half is for the next one.
    fn is_deep(&self) -> bool {
        let size = self.shared.config.stack_size;
        let used = self.stack_base.get().abs_diff(approximate_stack_pointer());
        // More than there is: a stack that is not in one piece (AddressSanitizer's), of which nothing is known.
        (size / 2..size).contains(&used)
    }

    /// Lends this worker to a thread with a fresh stack, which waits in its stead while this thread sleeps.
    ///
    /// A wait inside a task runs other tasks, which may wait as well: recursion by `submit` and `join` nests as deep
    /// as the recursion goes. Neither a bound on the depth (a worker that may not help can hang the pool) nor an
    /// overflow is acceptable, so the stack is continued on another thread. It costs a thread creation once in half a
    /// stack of nesting.
    #[cold]
    fn on_fresh_stack(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        struct Lent<'a>(&'a Worker);
        // SAFETY: the worker is not `Sync`, but this thread does not touch it until the other one has ended.
        unsafe impl Send for Lent<'_> {}
        impl Lent<'_> {
            fn wait(self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
                self.0.as_current(|| self.0.help_until(awaited, deadline))
            }
        }

        let lent = Lent(self);
        let builder = self.shared.config.thread(self.index);
        thread::scope(|scope| match builder.spawn_scoped(scope, move || lent.wait(awaited, deadline)) {
            Ok(thread) => thread.join().expect("waiting runs user code only inside the panic guard"),
            Err(error) => Waited::NoStack(error),
        })
    }
}
