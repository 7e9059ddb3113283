//! M10: the roster (`workers/roster.rs`). A request to retire reaches workers that park, and one of them
//! obeys it. A spare thread is used or dismissed, and never sleeps on.

use std::sync::Arc;
use std::time::Duration;

use longshore_models::mutation::leaves_out;

use super::common::{end, park, spawn};
use crate::code::facade::{AtomicU32, Ordering, thread};
use crate::code::idle::{Idle, ParkSlot, Role};
use crate::code::roster::{Next, RetireReason, Roster, SpawnPolicy, SpawnReason, WorkerLimits};

/// A pool of at most two workers and one spare thread.
const LIMITS: WorkerLimits =
    WorkerLimits { min: 1, max: 2, stand_ins: 0, spares: 1, idle_timeout: Duration::ZERO };

struct Pool {
    roster: Roster,
    idle: Idle,
    /// Not 0 when the pool has ended.
    ended: AtomicU32,
}

impl Pool {
    fn new(workers: usize) -> Arc<Self> {
        let roster = Roster::new(LIMITS);
        let reason = if workers > 1 { SpawnReason::Load } else { SpawnReason::Floor };
        for _ in 0..workers {
            let assigned = roster.lock().assign(&LIMITS, reason);
            assert!(assigned.is_ok_and(|assigned| assigned.spare.is_none()));
        }
        let pool = Pool { roster, idle: Idle::new(workers), ended: AtomicU32::new(0) };
        pool.roster.publish(&pool.roster.lock());
        Arc::new(pool)
    }

    /// A resize to one worker.
    fn shrink(&self) {
        {
            let mut roster = self.roster.lock();
            roster.set_range(1, 1);
            self.roster.publish(&roster);
        }
        if !leaves_out("waking all workers for a resize") {
            self.idle.wake_all();
        }
    }

    fn end(&self) {
        self.ended.store(1, Ordering::Release);
        self.idle.wake_all();
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) != 0
    }

    /// A worker without tasks, until it retires or the pool ends. Returns whether it has retired.
    fn work(&self, number: usize) -> bool {
        let park_slot = Arc::new(ParkSlot::new(number));
        loop {
            if self.roster.must_retire(number) && self.retires(number) {
                self.idle.deregister();
                self.end(); // the model waits for this
                return true;
            }
            if self.has_ended() {
                return false;
            }
            let has_work = || {
                let must_retire = !leaves_out("the look at the roster") && self.roster.must_retire(number);
                must_retire || self.has_ended()
            };
            if park(&self.idle, &park_slot, Role::Active, has_work, Role::Active) == Role::Searching {
                let _ = self.idle.end_search();
            }
        }
    }

    fn retires(&self, number: usize) -> bool {
        let mut roster = self.roster.lock();
        let retires = leaves_out("checking again under the lock")
            || roster.retire(&LIMITS, number, RetireReason::Requested);
        self.roster.publish(&roster);
        retires
    }

    /// Adds a worker, for which a spare thread is woken if there is one. Returns whether there was one.
    fn grow(&self) -> bool {
        let assigned = self.roster.lock().assign(&LIMITS, SpawnReason::Load);
        let spare = assigned.ok().and_then(|assigned| assigned.spare);
        if let Some(thread) = &spare
            && !leaves_out("waking the spare thread that is used")
        {
            thread.unpark();
        }
        spare.is_some()
    }

    /// What the pool does with its spare threads when it has ended.
    fn dismiss_spares(&self) {
        let spares = {
            let mut roster = self.roster.lock();
            roster.restrict(SpawnPolicy::Closed);
            roster.dismiss_spares()
        };
        if !leaves_out("waking the spare threads that are dismissed") {
            spares.iter().for_each(thread::Thread::unpark);
        }
    }
}

/// Two workers park while one of them is asked to retire: one retires, and the other stays.
pub fn one_worker_obeys_a_request_to_retire() {
    let pool = Pool::new(2);
    let workers = [0, 1].map(|number| spawn(&pool, move |pool| pool.work(number)));
    pool.shrink();
    let retired = workers.map(end);
    assert_ne!(retired[0], retired[1], "one has retired");
    assert_eq!((pool.roster.live(), pool.roster.lock().members().len()), (1, 1));
}

/// A thread starts as a spare thread while the pool grows, and then ends.
pub fn a_spare_thread_is_used_or_dismissed() {
    let pool = Pool::new(1);
    let assigned = pool.roster.lock().assign(&LIMITS, SpawnReason::Spare).expect("a spare thread is wanted");
    let spare = spawn(&pool, move |pool| {
        let stays = pool.roster.lock().keep_spare(assigned.number, thread::current());
        stays && pool.roster.wait_as_spare(assigned.number) == Next::Serve
    });
    let is_used = pool.grow();
    pool.dismiss_spares();
    assert_eq!(end(spare), is_used);
}

/// A worker that has been idle for long leaves and its thread becomes a spare thread, while the pool grows
/// again, and then ends.
pub fn a_leaver_kept_as_spare_may_be_used_at_once() {
    let pool = Pool::new(2);
    let leaver = spawn(&pool, |pool| {
        let retires = pool.roster.lock().retire(&LIMITS, 1, RetireReason::Idle);
        if !retires {
            return None; // the pool ends
        }
        let stays = pool.roster.lock().free_number(&LIMITS, 1, Some(thread::current()));
        Some(stays && pool.roster.wait_as_spare(1) == Next::Serve)
    });
    let is_used = pool.grow();
    pool.dismiss_spares();
    let serves = end(leaver);
    assert_eq!(serves.unwrap_or(false), is_used);
    assert_eq!(pool.roster.lock().live(), if serves == Some(false) { 1 } else { 2 });
}
