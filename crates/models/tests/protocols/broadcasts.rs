//! M10: a broadcast against a worker that leaves (`runtime/broadcast.rs`, `runtime/worker_thread.rs`). Who is told runs its order, once; who
//! leaves is not told; nobody sleeps over one.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use crate::code::facade::{AtomicU32, Mutex, Ordering, lock, thread};
use crate::code::idle::{Idle, ParkReason, ParkSlot, ParkState, Role};
use crate::code::mailbox::Mailbox;

/// Worker 0 leaves, worker 1 stays.
struct Pool {
    orders: [Mailbox<usize>; 2],
    /// Orders given and not taken: `orders::Gate`.
    gate: Mutex<usize>,
    /// Whether workers are asked to look for orders: the request beside the phase.
    asks: AtomicU32,
    idle: Idle,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Pool {
            orders: [Mailbox::new(), Mailbox::new()],
            gate: Mutex::new(0),
            asks: AtomicU32::new(0),
            idle: Idle::new(2),
        })
    }

    /// `send_broadcast`; who was told.
    fn give(&self) -> Vec<usize> {
        let mut told = Vec::new();
        {
            let mut left = lock(&self.gate);
            self.asks.store(1, Ordering::Release);
            for worker in 0..2 {
                if let Some(opening) = self.orders[worker].open() {
                    opening.put(worker);
                    *left += 1;
                    told.push(worker);
                }
            }
            if *left == 0 {
                self.asks.store(0, Ordering::Release);
            }
        }
        if !leaves_out("waking those who are told") {
            (0..2).for_each(|worker| self.idle.wake_this(worker));
        }
        told
    }

    /// `take_broadcast`.
    fn take(&self, worker: usize) -> Option<usize> {
        let order = self.orders[worker].take()?;
        let mut left = lock(&self.gate);
        *left -= 1;
        if *left == 0 {
            self.asks.store(0, Ordering::Release);
        }
        Some(order)
    }

    /// Worker 0, when it has resigned; the orders that it has run.
    fn leave(&self) -> Vec<usize> {
        let closes_late = leaves_out("closing the orders before the last look");
        if !closes_late {
            self.orders[0].close();
        }
        let ran = std::iter::from_fn(|| self.take(0)).collect();
        if closes_late {
            self.orders[0].close();
        }
        self.idle.deregister();
        ran
    }

    /// Worker 1 until it has run as many orders, lying down in between.
    fn work(&self, wanted: usize) -> Vec<usize> {
        let park_slot = Arc::new(ParkSlot::new(1));
        let (mut ran, mut role) = (Vec::new(), Role::Active);
        while ran.len() < wanted {
            // A search looks at one's orders as at any queue; between two tasks only the request has a worker do that.
            if (role == Role::Searching || self.asks.load(Ordering::Acquire) != 0)
                && let Some(order) = self.take(1)
            {
                ran.push(order);
                if std::mem::replace(&mut role, Role::Active) == Role::Searching {
                    let _ = self.idle.end_search(); // there are no tasks to look for
                }
                continue;
            }
            self.idle.prepare_park(&park_slot, role, ParkReason::Idle);
            if leaves_out("the look at one's orders") || self.orders[1].is_empty() {
                while park_slot.park_state() != ParkState::Awake {
                    thread::park();
                }
            }
            role = self.idle.cancel_park(&park_slot, Role::Searching).expect("nobody borrows here");
        }
        ran
    }
}

fn check(broadcasts: usize) {
    let pool = Pool::new();
    let for_leaver = pool.clone();
    let leaver = loom::thread::spawn(move || for_leaver.leave());
    let for_worker = pool.clone();
    let worker = loom::thread::spawn(move || for_worker.work(broadcasts));
    let mut told: Vec<usize> = (0..broadcasts).flat_map(|_| pool.give()).collect();
    let mut ran = leaver.join().expect("a panic ends the process");
    ran.extend(worker.join().expect("a panic ends the process"));
    told.sort_unstable();
    ran.sort_unstable();
    assert_eq!(told, ran, "who was told, and who ran it");
    assert_eq!((*lock(&pool.gate), pool.asks.load(Ordering::Acquire)), (0, 0));
}

/// One broadcast.
pub fn an_order_to_a_leaver_is_run_or_never_given() {
    check(1);
}

/// Two, between which the worker that stays may sleep.
pub fn each_broadcast_finds_who_is_there() {
    check(2);
}
