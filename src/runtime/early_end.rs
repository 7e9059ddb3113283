//! The early end of queued tasks: the pool as the owner of its tasks, and the helper threads that end tasks
//! whose deadlines have passed.
//!
//! These helper threads also drop the closures of tasks whose end was found by a thread that only asks for
//! it: a look at a handle, or a wait with a time limit, must not take as long as a destructor of the program.
//!
//! A thread that cancels a task has the pool count that at once ([`TaskOwner`]). The empty entry stays in its
//! queue, and a worker skips it later. The queues of a bounded pool must stay bounded, so a pool with very
//! many empty entries counts further tasks only when a worker finds them.
//!
//! Any thread may call this. Guarded by `tests/cancelling`.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::base::unwind::Payload;
use crate::runtime::core::Core;
use crate::runtime::current_pool;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::process_end;
use crate::runtime::quiet;
use crate::runtime::recorder;
use crate::runtime::threads::{ThreadExit, Threads};
use crate::sys::signals;
use crate::task::cancel::Revocable;
use crate::task::deadlines::{DeadlineRegistration, Deadlines, HelperEnd};
use crate::task::owners::{self, TaskOwner};
use crate::task::work::{Remains, Unstarted};

/// How many empty entries a bounded pool may have, beyond as many as its capacity. An entry takes 32 bytes in
/// the queue, and 64 bytes or more if the task has a handle that still exists.
const MOST_EMPTY: u64 = 1 << 14;

/// The time between a failed start of the helper thread and the next attempt.
const RETRY: Duration = Duration::from_millis(100);

/// Makes a pool known as the owner of its tasks. Called once, when it starts.
pub fn register<M: PoolKind>(shared: &Arc<M>) {
    let pool: Arc<dyn TaskOwner> = shared.clone();
    let pool = Arc::downgrade(&pool);
    owners::register(shared.id, pool.clone());
    let _ = shared.owner.set(pool);
    process_end::watch();
}

impl<M: PoolKind> TaskOwner for M {
    fn counts_early(&self) -> bool {
        Core::counts_early(self)
    }

    fn count_early(&self, why: Unstarted) {
        self.add_early_end(why);
        // It may have been the last task of a paused pool, of which no worker finds the empty entry.
        self.quiet_waits.look_from_outside(|| quiet::is_at_rest(self));
    }

    fn take_remains(&self, remains: Remains) -> Option<Remains> {
        Core::take_remains(self, remains)
    }

    fn report(&self, payload: Payload) {
        self.report_panic(payload);
    }

    fn at_process_end(&self) {
        if self.is_forked() {
            return; // the pool of the parent
        }
        if self.config.warns_at_exit {
            process_end::warn(&self.stats());
        }
        // A pool that is never dropped has printed no table.
        process_end::print_if_asked(self);
        recorder::finish(self);
    }
}

impl Core {
    /// See [`TaskOwner::counts_early`].
    pub fn counts_early(&self) -> bool {
        if self.is_forked() {
            return false;
        }
        let Some(capacity) = self.config.capacity else { return true };
        let skipped = || self.sum(|m| m.counts.skipped.get()) + self.metrics.skipped.get();
        let ended = self.metrics.ended_early.get();
        // Without the sum in nearly all cases.
        ended <= MOST_EMPTY || ended.saturating_sub(skipped()) <= MOST_EMPTY + capacity as u64
    }

    /// The counts of [`TaskOwner::count_early`].
    fn add_early_end(&self, why: Unstarted) {
        self.metrics.ended_early.add_shared(1);
        if why == Unstarted::Expired {
            self.metrics.expired_early.add_shared(1);
        }
        if let Some(capacity) = &self.capacity {
            capacity.permits.release_from_outside(1);
        }
    }

    /// The pool as the owner of its tasks; `None` for the pool in which a thread does structured work alone
    /// (`push/lease.rs`).
    pub fn task_owner(&self) -> Option<Weak<dyn TaskOwner>> {
        self.owner.get().cloned()
    }

    /// Has a queued task revoked when its deadline has passed. If the operating system has no thread for
    /// that, the task is revoked when a worker finds it or its handle looks.
    pub fn add_deadline(&self, deadline: Instant, task: Weak<dyn Revocable>) -> Option<DeadlineRegistration> {
        self.deadlines.add(deadline, task, || self.start_helper())
    }

    /// See [`TaskOwner::take_remains`].
    pub fn take_remains(&self, remains: Remains) -> Option<Remains> {
        if self.is_forked() {
            return Some(remains); // the helper threads exist in the parent only
        }
        self.deadlines.take_remains(remains, || self.start_helper())
    }

    /// Starts the first helper thread. Returns when not to try again before if there is no thread.
    fn start_helper(&self) -> Result<(), Instant> {
        if self.in_caller.is_some() {
            return Err(Instant::now() + RETRY); // the pool starts no thread
        }
        let helper = Helper {
            deadlines: self.deadlines.clone(),
            threads: self.threads.clone(),
            name: self.config.deadline_thread_name(),
            pool: self.id,
        };
        helper.start().map_err(|_| Instant::now() + RETRY)
    }
}

/// What starts the helper threads that end tasks whose deadlines have passed.
#[derive(Clone)]
struct Helper {
    deadlines: Arc<Deadlines>,
    threads: Arc<Threads>,
    name: String,
    /// The id of the pool.
    pool: u32,
}

impl Helper {
    fn start(&self) -> io::Result<()> {
        let helper = self.clone();
        let life = move || {
            // The captures that this thread drops may be the last owner of the pool, whose end includes the
            // end of this thread.
            current_pool::help_pool(helper.pool);
            match helper.deadlines.serve(|| helper.start().is_ok()) {
                HelperEnd::PoolEnd => ThreadExit::WithPool,
                HelperEnd::Surplus => ThreadExit::Early,
            }
        };
        let thread = thread::Builder::new().name(self.name.clone());
        signals::with_all_blocked(|| self.threads.start(thread, life))
    }
}
