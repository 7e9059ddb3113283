//! What a worker does differently in a pool that follows the rules of rayon-core
//! ([`Rules::RayonCore`](crate::runtime::config::Rules)).
//!
//! | | the library | rayon-core |
//! |---|---|---|
//! | a join or a scope that waits | runs parts of what it waits for | runs these, and then any task |
//! | a broadcast task | runs before the next task | runs when the deque of the worker is empty |
//! | one task in 31 | may be the oldest of the own deque | never is, so the order of one thread is exact |
//! | a yield | runs children of the task, or any task | takes the own forks and the tasks below as well |
//! | a scope whose body and tasks panic | the panic of the body comes out | the first panic comes out |
//!
//! A program that was written for rayon-core may depend on the first row: its second half of a join may block
//! until another task has run, which only the waiting worker can do.
//!
//! An external thread that leases a worker is an exception. What it ran would delay its return by as long as
//! a foreign task takes, so its waits keep to the rule of the library. But it must run the broadcast tasks of
//! its worker, because no other thread may, and the work that it waits for may wait for them. It is woken for
//! them through [`Remote::broadcast_waiter`](crate::push::shared::Remote).
//!
//! Called by the thread that acts as the worker; [`wake_for_broadcast`] by any thread. Guarded by
//! `tests/rayon_core_support.rs`, and by rayon's own tests (`.ci/dropin`).

use std::{mem, thread};

use crate::base::facade::lock;
use crate::push::scope_state::ScopeState;
use crate::push::shared::PushShared;
use crate::push::worker::{CURRENT, PushWorker};
use crate::runtime::awaited_latch::AwaitedLatch;
use crate::runtime::config::Rules;
use crate::runtime::current::CurrentSlot;
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, ParkToken, is_deep};
use crate::runtime::worker_loop::WorkerLoop;
use crate::sync::latch::Latch;
use crate::sys::stack;

/// The part of a stack below which a wait takes a fresh stack, and the part below which a join runs no
/// foreign task. rayon-core does neither: its programs may use the whole stack, and expect their own thread.
const NEARLY_USED: usize = 8;

/// See [`NEARLY_USED`].
const MOSTLY_USED: usize = 4;

/// The end of a scope, or a task that was returned to it.
struct AwaitedScope<'a> {
    scope: &'a ScopeState,
    end: AwaitedLatch<'a>,
}

impl Awaited for AwaitedScope<'_> {
    fn is_done(&self) -> bool {
        self.scope.end.is_set() || self.scope.has_stored()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.end.is_of(pool)
    }

    fn target(&self) -> Target {
        Target::Scope(self.scope.shared().id)
    }

    fn unpark_me(&mut self) {
        self.end.unpark_me();
        if self.is_done() {
            // A task was returned before the latch was armed, so its nudge met no waiter.
            thread::current().unpark();
        }
    }
}

impl PushWorker {
    /// Makes this worker the current worker of the calling thread for the rest of the thread's life.
    pub fn stay_current(&'static self) {
        mem::forget(CurrentSlot::enter(&CURRENT, self));
    }

    /// Whether the pool follows the rules of rayon-core.
    pub(in crate::push) fn follows_rayon(&self) -> bool {
        self.shared.config.rules == Rules::RayonCore
    }

    /// Whether a wait inside a task may run any task of the pool.
    pub(in crate::push) fn serves_in_waits(&self) -> bool {
        self.follows_rayon() && !self.is_leased.get() && !stack::is_less_left_than_one_in(MOSTLY_USED)
    }

    /// Whether a wait for a scope goes on with a fresh stack.
    pub(in crate::push) fn needs_fresh_stack(&self) -> bool {
        if self.follows_rayon() {
            return stack::is_less_left_than_one_in(NEARLY_USED);
        }
        is_deep(&self.shared.config)
    }

    /// Whether the worker may take a broadcast task now.
    pub(super) fn takes_broadcasts(&self) -> bool {
        !self.follows_rayon() || self.deque.is_empty()
    }

    /// Runs tasks of the pool until `latch` is set.
    pub(super) fn serve_until_set(&self, latch: &Latch) {
        let _ = self.serve_until(&mut AwaitedLatch::new(latch, self.shared.id), None);
    }

    /// Runs tasks until `scope`, which was opened on this worker, has ended: its own first, then any.
    pub(in crate::push) fn serve_for_scope(&self, scope: &ScopeState, depth_below: u32) {
        loop {
            while !scope.end.is_set() && self.run_local(depth_below) {
                // A task of a scope around this one may come next, and must not run if this scope has ended.
                self.batched_count.flush_last_of(scope);
            }
            self.flush();
            if scope.end.is_set() {
                return;
            }
            if let Some(task) = scope.take_stored() {
                self.run_task(task);
                continue;
            }
            let end = AwaitedLatch::new(&scope.end, self.shared.id);
            let _ = self.serve_until(&mut AwaitedScope { scope, end }, None);
        }
    }

    /// Runs a broadcast task of this worker in a wait that runs no foreign task. Returns whether it ran one.
    pub(in crate::push) fn run_broadcast_in_wait(&self) -> bool {
        if !self.follows_rayon() || self.serves_in_waits() {
            return false;
        }
        match self.shared.take_broadcast(self.loop_state.index()) {
            Some(task) => {
                self.in_nested_run(|| self.run_task(task));
                self.flush();
                true
            }
            None => false,
        }
    }

    /// Parks the thread, whose wait runs no foreign task. Returns at once if a broadcast task is queued, and
    /// possibly for no reason.
    pub(in crate::push) fn park_in_wait(&self, token: &mut ParkToken) {
        if !self.follows_rayon() {
            return token.park();
        }
        let waiter = &self.remote().broadcast_waiter;
        // A broadcast queues its task and then takes this lock (`wake_for_broadcast`). If it takes the lock
        // after this thread, it finds and unparks the thread. If it has taken it before, the lock orders the
        // task before the look below. Without the lock both could miss each other.
        let around = lock(waiter).replace(thread::current());
        if !self.shared.has_broadcast(self.loop_state.index()) {
            token.park();
        }
        *lock(waiter) = around;
    }

    /// Runs any task as `rayon_core::yield_now` does. Returns whether it ran one.
    pub fn yield_as_rayon(&self) -> bool {
        self.offer_oldest();
        self.run_any()
    }

    /// Runs a task of the own deque, or an own fork, as `rayon_core::yield_local` does. Returns whether it
    /// ran one.
    pub fn yield_local_as_rayon(&self) -> bool {
        if self.run_local_child() {
            return true;
        }
        self.offer_oldest();
        let ran = self.in_nested_run(|| {
            let task = self.deque.pop().or_else(|| self.take_own_fork());
            let task = task.or_else(|| self.shared.take_broadcast(self.loop_state.index()));
            task.map(|task| self.run_task(task)).is_some()
        });
        self.flush();
        ran
    }

    /// Whether the deque of this worker has a task, or a fork waits for its join.
    pub fn has_pending(&self) -> bool {
        !self.deque.is_empty() || self.forks.has_private() || self.fork_slot().has_any()
    }
}

/// Wakes the thread that sleeps in a wait as worker `index`, after a broadcast task was queued for it.
pub fn wake_for_broadcast(shared: &PushShared, index: usize) {
    if let Some(waiter) = &*lock(&shared.remote(index).broadcast_waiter) {
        waiter.unpark();
    }
}
