//! Waits inside a task: what a worker may run while a task on it waits, and the change to a fresh stack.
//!
//! Whatever a worker runs during a wait is on the stack *above* the waiting task and must end first. If it
//! waited for a task below it, neither would ever end. So only this runs on top of a waiting task:
//! - the **awaited task**, if no thread has begun it;
//! - in a wait for a task of the own pool, tasks that the **waiting task has submitted**, and the tasks that
//!   these leave in the deque. By the documentation of `JoinHandle` no descendant waits for its ancestor;
//! - in a long wait, **broadcast tasks** of this worker, which no other worker may run.
//!
//! If there is nothing of that kind, the thread sleeps, and a stand-in works in its place if there is work
//! (`runtime/long_wait.rs`). So a queued task finds a worker whatever the present workers wait for. Java's
//! ForkJoinPool and leapfrogging (Wagner and Calder, PPoPP 1993) restrict their joins for the same reason,
//! and ForkJoinPool adds threads when it cannot.
//!
//! Only if no stand-in can be had, a worker that waits for something else than a task of its own pool serves
//! that pool on top of the waiting task, without restriction. Then a task that waits for a task below it can
//! still deadlock.
//!
//! Called by the thread that acts as the worker. Guarded by `tests/waits`, `tests/process_nesting.rs` and
//! `tests/it/behaviour/nesting.rs`.

use std::io;
use std::time::{Duration, Instant};

use longshore_trace::record::Source;

use crate::push::worker::PushWorker;
use crate::runtime::current_pool::enter_pool;
use crate::runtime::held_pass;
use crate::runtime::long_wait::{LONG, WaitSleep, Woken};
use crate::runtime::pool_kind::Owner;
use crate::runtime::stall;
use crate::runtime::wait::{Awaited, Waited, is_deep, join_spin, on_thread};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};

/// Which tasks a yield may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayRun {
    /// Any task of the pool.
    Any,
    /// Tasks that the yielding task has submitted.
    OwnChildren,
}

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
        let is_own = awaited.is_of(self.shared.id);
        let mut sleep = WaitSleep::new(self, join_spin(), if is_own { LONG } else { Duration::ZERO });
        loop {
            // The scope must not wait while this worker sleeps or runs something else.
            self.flush();
            if awaited.is_done() {
                return Waited::Done;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Waited::TimedOut;
            }
            if is_own && (self.run_awaited(awaited) || held_pass::on_top(|| self.run_local_child()))
                || (!is_own || sleep.is_long()) && self.run_own_broadcast(awaited)
            {
                continue;
            }
            match sleep.sleep(awaited, deadline) {
                Woken::NoStandIn if !is_own => {
                    drop(sleep);
                    return self.serve_until(awaited, deadline);
                }
                Woken::NoStandIn | Woken::Look => {}
            }
        }
    }

    /// Runs the awaited task of this pool, if no thread has begun it. Returns whether it did.
    fn run_awaited(&self, awaited: &mut dyn Awaited) -> bool {
        let depth_below = self.local_depth.replace(0);
        self.note(|track| track.set_source(Source::Awaited));
        let ran = held_pass::on_top(|| awaited.run_here(&self.metrics().counts));
        self.note(|track| track.forgets_take());
        self.local_depth.set(depth_below.wrapping_add(self.local_depth.get()));
        ran
    }

    /// Runs a broadcast task of this worker on top of the task that waits for `awaited`. Returns whether
    /// there was one.
    pub(in crate::push) fn run_own_broadcast(&self, awaited: &mut dyn Awaited) -> bool {
        let Some(task) = self.shared.take_broadcast(self.index()) else { return false };
        awaited.release_claim();
        // A nested run, because forks of such a task are no part of the present task (see `fork`).
        held_pass::on_top(|| self.in_nested_run(|| self.run_task(task)));
        self.flush();
        awaited.claim_again();
        true
    }

    /// Does what a poll of a future may do for it: runs the awaited task if no thread has begun it, and
    /// broadcast tasks of this worker. Without a stack it does nothing.
    pub(super) fn help_poll(&self, awaited: &mut (dyn Awaited + Send)) {
        let mut help = move |worker: &PushWorker| {
            if awaited.is_of(worker.shared.id) {
                worker.run_awaited(awaited);
            }
            while !awaited.is_done() && worker.run_own_broadcast(awaited) {}
            worker.flush();
        };
        if is_deep(&self.shared.config) {
            let (Ok(()) | Err(_)) = self.on_fresh_stack(help);
        } else {
            help(self);
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

    /// Runs a task on top of the present task, which yields: any task, or one that the present task has
    /// submitted. Returns whether it ran one. Yields nest like waits, but a yield has nothing to wait for:
    /// with half of the stack used it runs nothing, and the queued tasks run when the tasks on the stack have
    /// ended.
    pub fn run_for_yield(&self, may_run: MayRun) -> bool {
        if is_deep(&self.shared.config) {
            return false;
        }
        let ran = held_pass::on_top(|| match may_run {
            MayRun::Any => self.run_any(),
            MayRun::OwnChildren => self.run_local_child(),
        });
        held_pass::take_again(None);
        ran
    }

    /// Runs a task that the present task has submitted. Returns whether it ran one.
    pub fn run_local_child(&self) -> bool {
        let ran = self.run_local(0);
        self.flush();
        ran
    }

    /// Runs any task. Returns whether it ran one.
    pub(super) fn run_any(&self) -> bool {
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
    #[cold]
    pub(super) fn serve_until(&self, awaited: &mut dyn Awaited, deadline: Option<Instant>) -> Waited {
        let _registered = stall::register(self.shared.id, || awaited.target());
        let reserves = awaited.reserves();
        let mut until = RunUntil::awaiting(&mut *awaited, deadline);
        held_pass::on_top(|| {
            self.in_nested_run(|| {
                if reserves { self.work_between_claims(&mut until) } else { self.work_until(&mut until) }
            });
        });
        // Tasks that the present task has submitted may be below tasks that were queued since: all count.
        self.local_depth.set(self.local_depth.get().wrapping_add(self.deque.len() as u32));
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// What [`PushWorker::work_until`] does, for a wait for which something is reserved: only while nothing
    /// runs on top of it.
    fn work_between_claims(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.shared) {
            if self.begins_turn_between_claims(until) {
                continue;
            }
            if self.is_fair_turn() {
                until.without_claim(|_| self.take_fair_turn());
                continue;
            }
            let task = self.next_local().or_else(|| self.refill()).or_else(|| self.search_or_park(until));
            if let Some(task) = task {
                until.without_claim(|_| self.run_task(task));
            }
        }
        self.flush();
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
