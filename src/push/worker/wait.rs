//! Waits inside a task: what a worker may run while a task on it waits, and the change to a fresh stack.
//!
//! Whatever a worker runs during a wait is on the stack *above* the waiting task and must end first. If it
//! waited for a task below it, neither would ever end. So a wait for a task of the same pool runs only:
//! - the **awaited task**, if no thread has begun it;
//! - tasks that the **waiting task has submitted**, and the tasks that these leave in the deque. They descend
//!   from the waiting task, and by the documentation of `JoinHandle` no descendant waits for its ancestor.
//!
//! If there is no such task, the thread sleeps until the result is there.
//!
//! Why this does not deadlock: follow the chain "waits for" from any waiting task. Each member has begun,
//! because its waiter would run it otherwise. So the chain ends in a task that runs, unless it closes to a
//! cycle, which no scheduler could resolve. Java's ForkJoinPool and leapfrogging (Wagner and Calder, PPoPP
//! 1993) restrict their joins for the same reason.
//!
//! A task of another pool cannot be run here, and that pool may be waiting for this one. So during such a
//! wait the worker serves its own pool without restriction, and a task that waits for a task below it can
//! still deadlock; `JoinHandle` documents that too. A stand-in for each waiting worker would remove both
//! limits.
//!
//! Called by the thread that acts as the worker. Guarded by `tests/process_nesting.rs` and
//! `tests/it/behaviour/nesting.rs`.

use std::io;
use std::time::Instant;

use crate::push::worker::PushWorker;
use crate::runtime::model::Owner;
use crate::runtime::thread_role::enter_pool;
use crate::runtime::wait::{Awaited, Waited, block, is_deep, on_thread};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};

impl PushWorker {
    /// Waits until `awaited` is done or the deadline has passed. Called from inside a task.
    pub(super) fn wait(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
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
            // The scope must not wait while this worker sleeps or runs something else.
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

    /// Runs the newest task of the deque, unless at most `below` of the tasks that descend from the present
    /// task are left. Returns whether it ran a task.
    ///
    /// The task is passed from the deque straight to its call: each function in between would copy it.
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
                // Thieves take the oldest tasks first, so the tasks below are gone as well.
                self.local_depth.set(below);
                false
            }
        }
    }

    /// Runs a task that the present task has submitted. Returns whether it ran one.
    pub fn run_local_child(&self) -> bool {
        let ran = self.run_local(0);
        self.flush();
        ran
    }

    /// Runs any task. Returns whether it ran one.
    pub fn run_any(&self) -> bool {
        if self.run_local_child() {
            return true;
        }
        // No task in the deque descends from the present task now, so tasks from elsewhere may be pushed on
        // top. It is a nested run, because forks of such a task are no part of the present task (see `fork`).
        let ran = self.in_nested_run(|| self.find_task().map(|task| self.run_task(task)).is_some());
        self.flush();
        ran
    }

    /// Serves the pool as if no task waited here.
    pub(super) fn serve_until(
        &self,
        awaited: &mut (dyn Awaited + Send),
        deadline: Option<Instant>,
    ) -> Waited {
        let mut until = RunUntil::awaiting(awaited, deadline);
        self.in_nested_run(|| self.work_until(&mut until));
        // Tasks that the present task has submitted may be below tasks that were queued since: all count.
        self.local_depth.set(self.local_depth.get().wrapping_add(self.deque.len() as u32));
        let RunUntil::Await { awaited, .. } = until else { unreachable!("set above") };
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// Calls `work` with this worker on another thread with a fresh stack, while the calling thread sleeps.
    ///
    /// A wait inside a task runs other tasks, which may wait as well. So a recursion by `submit` and `join`
    /// nests as deep as the recursion itself. A limit on the depth could hang the pool (a wait that runs
    /// nothing), and an overflow of the stack ends the process. So the stack is continued on another thread.
    /// The price is one new thread for each half of a stack.
    ///
    /// # Errors
    /// The operating system provides no thread.
    #[cold]
    pub fn on_fresh_stack<R: Send>(&self, work: impl FnOnce(&PushWorker) -> R + Send) -> io::Result<R> {
        struct Moved<'a>(&'a PushWorker);
        // SAFETY: a worker is not `Sync`, so only one thread at a time may use it. The calling thread sleeps
        // in `on_thread` until the other thread has ended, and `on_thread` orders the accesses of both.
        unsafe impl Send for Moved<'_> {}
        impl Moved<'_> {
            fn act<R>(self, work: impl FnOnce(&PushWorker) -> R) -> R {
                let worker = self.0;
                enter_pool(worker.shared.id);
                worker.as_current(|| worker.shared.between_hooks(worker.index(), || work(worker)))
            }
        }

        let moved = Moved(self);
        on_thread(&self.shared.config, self.index(), move || moved.act(work))
    }
}
