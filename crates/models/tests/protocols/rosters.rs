//! M10: who is a worker (`workers/roster.rs`): an order to leave reaches workers that lie down, and one of them; a spare thread
//! is taken or sent home, and never sleeps on.

use std::sync::Arc;
use std::time::Duration;

use longshore_models::mutation::leaves_out;

use crate::code::facade::{AtomicU32, Ordering, thread};
use crate::code::idle::{Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::roster::{Next, RetireReason, Roster, SpawnPolicy, SpawnReason, WorkerLimits};

/// A pool of two, with a spare thread if it wants one.
const LIMITS: WorkerLimits =
    WorkerLimits { min: 1, max: 2, stand_ins: 0, spares: 1, keep_alive: Duration::ZERO };

struct Pool {
    roster: Roster,
    idle: Idle,
    /// Whether the pool is over.
    has_ended: AtomicU32,
}

impl Pool {
    fn new(workers: usize) -> Arc<Self> {
        let roster = Roster::new(LIMITS);
        for _ in 0..workers {
            let taken = {
                roster
                    .lock()
                    .assign(&LIMITS, if workers > 1 { SpawnReason::Load } else { SpawnReason::Floor })
            };
            assert!(taken.is_some_and(|vacancy| vacancy.spare.is_none()));
        }
        let pool = Pool { roster, idle: Idle::new(workers), has_ended: AtomicU32::new(0) };
        pool.roster.publish(&pool.roster.lock());
        Arc::new(pool)
    }

    /// `crew::resize` to one worker.
    fn shrink(&self) {
        {
            let mut roster = self.roster.lock();
            roster.set_range(1, 1);
            self.roster.publish(&roster);
        }
        if !leaves_out("waking everyone for a resize") {
            self.idle.wake_all();
        }
    }

    fn end(&self) {
        self.has_ended.store(1, Ordering::Release);
        self.idle.wake_all();
    }

    /// A worker without tasks, until it leaves or the pool ends; whether it has left.
    fn work(&self, number: usize) -> bool {
        let park_slot = Arc::new(ParkSlot::new(number));
        loop {
            if self.roster.must_retire(number) && self.resigns(number) {
                self.idle.deregister();
                self.end(); // what the model waits for
                return true;
            }
            if self.has_ended.load(Ordering::Acquire) != 0 {
                return false;
            }
            self.idle.prepare_park(&park_slot, Role::Active, ParkReason::Idle);
            let has_to_leave = !leaves_out("the look at the roster") && self.roster.must_retire(number);
            if !has_to_leave && self.has_ended.load(Ordering::Acquire) == 0 {
                while park_slot.park_state() != ParkState::Awake {
                    thread::park();
                }
            }
            if self.idle.cancel_park(&park_slot, Role::Active).expect("nobody borrows here")
                == Role::Searching
            {
                let _ = self.idle.end_search();
            }
        }
    }

    fn resigns(&self, number: usize) -> bool {
        let mut roster = self.roster.lock();
        let resigns = leaves_out("asking again under the lock")
            || roster.retire(&LIMITS, number, RetireReason::Requested);
        self.roster.publish(&roster);
        resigns
    }

    /// `crew::take_on`: another worker, for which a spare thread is woken if there is one. Whether there was.
    fn grow(&self) -> bool {
        let vacancy = self.roster.lock().assign(&LIMITS, SpawnReason::Load);
        let spare = vacancy.and_then(|vacancy| vacancy.spare);
        if let Some(thread) = &spare
            && !leaves_out("waking the spare thread that is taken")
        {
            thread.unpark();
        }
        spare.is_some()
    }

    /// What `Core::advance` does when the pool has ended.
    fn send_home(&self) {
        let spares = {
            let mut roster = self.roster.lock();
            roster.restrict(SpawnPolicy::Closed);
            roster.dismiss_spares()
        };
        if !leaves_out("waking those who are sent home") {
            spares.iter().for_each(thread::Thread::unpark);
        }
    }
}

/// Two workers lie down while one of them is told to go: one goes, and the other stays.
pub fn an_order_to_leave_is_obeyed_by_one() {
    let pool = Pool::new(2);
    let workers = [0, 1].map(|number| {
        let pool = pool.clone();
        loom::thread::spawn(move || pool.work(number))
    });
    pool.shrink();
    let left = workers.map(|worker| worker.join().expect("a panic ends the process"));
    assert_ne!(left[0], left[1], "one has left");
    assert_eq!((pool.roster.live(), pool.roster.lock().members().len()), (1, 1));
}

/// A thread begins as a spare one while the pool grows, and then ends.
pub fn a_spare_thread_is_taken_or_sent_home() {
    let pool = Pool::new(1);
    let warming = pool.roster.lock().assign(&LIMITS, SpawnReason::Spare).expect("one is wanted");
    let of_spare = pool.clone();
    let spare = loom::thread::spawn(move || {
        let is_kept = of_spare.roster.lock().keep_spare(warming.number, thread::current());
        is_kept && of_spare.roster.wait_as_spare(warming.number) == Next::Serve
    });
    let is_taken = pool.grow();
    pool.send_home();
    assert_eq!(spare.join().expect("a panic ends the process"), is_taken);
}

/// A worker that has been idle for long leaves, and its thread is kept, while the pool grows again, and then ends.
pub fn a_leaver_that_is_kept_may_be_wanted_at_once() {
    let pool = Pool::new(2);
    let of_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || {
        let resigns = of_leaver.roster.lock().retire(&LIMITS, 1, RetireReason::Idle);
        if !resigns {
            return None; // the pool ends
        }
        let is_kept = of_leaver.roster.lock().free_number(&LIMITS, 1, Some(thread::current()));
        Some(is_kept && of_leaver.roster.wait_as_spare(1) == Next::Serve)
    });
    let is_taken = pool.grow();
    pool.send_home();
    let serves = leaver.join().expect("a panic ends the process");
    assert_eq!(serves.unwrap_or(false), is_taken);
    assert_eq!(pool.roster.lock().live(), if serves == Some(false) { 1 } else { 2 });
}
