//! Waiting: on a worker, where the wait is used to run what it needs, and outside.
//!
//! What a worker may run while a task on it waits is limited, for whatever it runs lies *on top* of the waiting task on the
//! stack and must end first. If it waited for the one below, neither would ever end. The rule, and why it is safe:
//! - The **awaited task**, if nobody has begun it, is run here and now.
//! - Tasks that the **waiting task has submitted** are run, and what these leave behind; they descend from it, and the
//!   documentation of `JoinHandle` says that a descendant must not wait for its ancestor.
//! - Otherwise the thread sleeps until the result is there.
//!
//! Follow the chain "waits for" from any waiting task: each member has begun (else its waiter would run it), so the chain
//! ends in a task that runs, unless it closes to a circle, which no scheduler could resolve. Java's ForkJoinPool and
//! leapfrogging (Wagner and Calder, PPoPP 1993) limit their joins for the same reason.
//!
//! A task of another pool cannot be run here, and that pool may be waiting for ours. Then the worker goes on serving its
//! own pool without limits, and a task that waits for the one below can still bury it; documented there too. What would
//! lift both limits is another worker that stands in for a waiting one.

use std::io;
use std::time::Instant;

use crate::push::worker::PushWorker;
use crate::runtime::model::Owner;
use crate::runtime::thread_role::enter_pool;
use crate::runtime::wait::{Awaited, Waited, block, is_deep, on_thread};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};

impl PushWorker {
    /// Waits until `awaited` is done or the deadline has passed. Called from inside a task.
    pub fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        if is_deep(&self.shared.config) {
            let wait = move |worker: &PushWorker| worker.wait_here(awaited, deadline);
            return self.on_fresh_stack(wait).unwrap_or_else(Waited::NoStack);
        }
        self.wait_here(awaited, deadline)
    }

    fn wait_here(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        if !awaited.is_of(self.shared.id) {
            return self.serve_until(awaited, deadline);
        }
        loop {
            // Before it sleeps, or goes on with something else.
            self.flush();
            if awaited.is_done() {
                return Waited::Done;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Waited::TimedOut;
            }
            let depth_below = self.local_depth.replace(0);
            let ran = awaited.run_here(&self.metrics().counts);
            self.local_depth.set(depth_below.wrapping_add(self.local_depth.get()));
            if !ran && !self.run_local_child() {
                return block(awaited, deadline);
            }
        }
    }

    /// Runs the youngest task in the deque, as long as more are there than the `below` oldest of those that descend from the
    /// present task. Whether there was one.
    ///
    /// Written so that the task goes from the deque to its call without being handed through other functions: each would
    /// copy it.
    #[inline]
    pub fn run_local(&self, below: u32) -> bool {
        let depth = self.local_depth.get();
        if depth <= below {
            return false;
        }
        match self.deque.pop() {
            Some(task) => {
                self.local_depth.set(depth - 1);
                self.run_task(task);
                true
            }
            None => {
                self.local_depth.set(below); // thieves take the oldest first: the others are gone as well
                false
            }
        }
    }

    /// Runs a task that the present task has submitted. Whether there was one.
    pub fn run_local_child(&self) -> bool {
        let ran = self.run_local(0);
        self.flush();
        ran
    }

    /// Runs any task. Whether there was one.
    pub fn run_any(&self) -> bool {
        if self.run_local_child() {
            return true;
        }
        // Nothing in the deque is the present task's any more: what comes from others may lie on top.
        // In epoch, for what others fork on top of this task is no part of it (see `fork`).
        let ran = self.in_nested_run(|| self.find_task().map(|task| self.run_task(task)).is_some());
        self.flush();
        ran
    }

    /// Works for the pool as if there were no task that waits.
    fn serve_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        let mut until = RunUntil::Await { awaited, deadline };
        self.in_nested_run(|| self.work_until(&mut until));
        // What the present task had submitted may lie below what has come since, so that all of it counts.
        self.local_depth.set(self.local_depth.get().wrapping_add(self.deque.len() as u32));
        let RunUntil::Await { awaited, .. } = until else { unreachable!("set above") };
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// Lends this worker to a thread with a fresh stack, which waits in its stead while this thread sleeps.
    ///
    /// A wait inside a task runs other tasks, which may wait as well: recursion by `submit` and `join` nests as deep
    /// as the recursion goes. Neither a bound on the depth (a wait that runs nothing can hang the pool) nor an overflow
    /// is acceptable, so the stack is continued on another thread. It costs a thread creation once in half a stack of
    /// nesting.
    #[cold]
    pub fn on_fresh_stack<R: Send>(&self, work: impl FnOnce(&PushWorker) -> R + Send) -> io::Result<R> {
        struct Leased<'a>(&'a PushWorker);
        // SAFETY: the worker is not `Sync`, but this thread does not touch it until the other one has ended.
        unsafe impl Send for Leased<'_> {}
        impl Leased<'_> {
            fn act<R>(self, work: impl FnOnce(&PushWorker) -> R) -> R {
                enter_pool(self.0.shared.id);
                self.0.as_current(|| work(self.0))
            }
        }

        let leased = Leased(self);
        on_thread(&self.shared.config, self.index(), move || leased.act(work))
    }
}
