//! A worker of the pool in miniature: the loop of `push/worker`, the same operations in the same order.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::mini::{Pool, Task};
use super::mini_fork::{Forks, Job};
use crate::code::facade::{Ordering, Tomb, thread};
use crate::code::idle::{Duty, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::{Inbox, Taken};
use crate::code::result_slot::SlotHandle;
use crate::code::waiter::Waiter;

/// `Worker`, with the loop as it is there.
pub struct Worker {
    pool: Arc<Pool>,
    index: usize,
    park_slot: Arc<ParkSlot>,
    guest_seat: Arc<ParkSlot>,
    is_lent: Cell<bool>,
    /// Whether its stack is used up.
    pub is_deep: Cell<bool>,
    pub forks: RefCell<Forks>,
    pub executing: RefCell<Vec<NonNull<Job>>>,
    /// Stands for all that belongs to the thread that acts as this worker: loom reports two at a time.
    own: loom::cell::UnsafeCell<()>,
    /// The frame of `thread_main`, which the worker lies in.
    frame: Tomb,
}

enum RunUntil<'a> {
    PoolEnd,
    Await(&'a mut SlotHandle<u32>),
}

impl RunUntil<'_> {
    fn is_reached(&self, pool: &Pool) -> bool {
        match self {
            RunUntil::PoolEnd => pool.has_ended(),
            RunUntil::Await(slot) => slot.is_complete(),
        }
    }

    fn rest(&self) -> ParkReason {
        match self {
            RunUntil::PoolEnd => ParkReason::Idle,
            RunUntil::Await(_) => ParkReason::Waiting,
        }
    }

    fn arm(&mut self) {
        if let RunUntil::Await(slot) = self
            && !slot.wait_with(Waiter::Thread(thread::current()))
        {
            thread::current().unpark();
        }
    }
}

impl Worker {
    pub fn new(pool: Arc<Pool>, index: usize) -> Self {
        Worker {
            pool,
            index,
            park_slot: Arc::new(ParkSlot::new(index)),
            guest_seat: Arc::new(ParkSlot::new(index)),
            is_lent: Cell::new(false),
            is_deep: Cell::new(false),
            forks: RefCell::default(),
            executing: RefCell::default(),
            own: loom::cell::UnsafeCell::new(()),
            frame: Tomb::new(),
        }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Stands beside whatever only the thread does that acts as this worker.
    pub fn act(&self) {
        self.frame.touch();
        self.own.with_mut(|_| ());
    }

    pub fn lend(&self) {
        self.act();
        self.is_lent.set(true);
    }

    pub fn take_home(&self) {
        self.act();
        self.is_lent.set(false);
    }

    fn park_slot(&self) -> &Arc<ParkSlot> {
        self.act();
        if self.is_lent.get() { &self.guest_seat } else { &self.park_slot }
    }

    /// The thread's life.
    pub fn run(&self) {
        let owner = &self.pool.owners[self.index];
        owner.store(std::ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
        self.work_until(&mut RunUntil::PoolEnd);
        self.act();
        self.frame.bury();
    }

    /// Keeps a task submitted by what runs on this worker.
    pub fn keep(&self, task: Task) {
        self.act();
        assert!(self.pool.deques[self.index].push(task).is_ok(), "room for it");
        self.pool.idle.notify();
    }

    /// As a task that waits for one of another pool.
    pub fn serve_until(&self, slot: &mut SlotHandle<u32>) {
        self.work_until(&mut RunUntil::Await(slot));
    }

    fn work_until(&self, goal: &mut RunUntil<'_>) {
        while !goal.is_reached(&self.pool) {
            self.act();
            if let Some(task) = self.next_task().or_else(|| self.search_or_rest(goal)) {
                self.run_task(task);
            }
        }
    }

    pub fn run_task(&self, task: Task) {
        self.act();
        let task = match task {
            // SAFETY: taken out of an offer.
            Task::Job(job) => return unsafe { self.run_job(job) },
            task => task,
        };
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        self.pool.running.fetch_add(1, relaxed);
        match task {
            Task::Plain => {}
            Task::Wait(gate) => gate.wait(),
            Task::Open(gate) => gate.open(),
            Task::SubmitAndWait(gate) => {
                self.keep(Task::Open(gate.clone()));
                gate.wait();
            }
            Task::SubmitTwo => (0..2).for_each(|_| self.pool.submit_inside(self.index)),
            Task::Join(mut slot) => self.serve_until(&mut slot),
            Task::Slot(task) => drop(task.run(&Default::default())),
            Task::Job(_) => unreachable!("see above"),
        }
        self.pool.running.fetch_sub(1, relaxed);
        self.pool.finish_task();
    }

    fn search_or_rest(&self, goal: &mut RunUntil<'_>) -> Option<Task> {
        let idle = &self.pool.idle;
        let mut role = idle.start_search(self.park_slot());
        loop {
            if role == Role::Searching
                && let Some(task) = self.sweep()
            {
                self.end_search();
                return Some(task);
            }
            if goal.is_reached(&self.pool) {
                if role == Role::Searching {
                    self.end_search();
                }
                return None;
            }
            role = self.rest(role, goal);
            if role == Role::Active {
                role = idle.start_search(self.park_slot());
            }
        }
    }

    fn rest(&self, role: Role, goal: &mut RunUntil<'_>) -> Role {
        let (pool, park_slot) = (&*self.pool, self.park_slot());
        if !leaves_out("arming the latch") {
            goal.arm();
        }
        pool.idle.prepare_park(park_slot, role, goal.rest());
        let role = if !leaves_out("the last look around") && pool.has_work() {
            Some(Role::Searching)
        } else if matches!(goal, RunUntil::PoolEnd) && pool.ends_now() {
            Some(Role::Active)
        } else {
            None
        };
        if let Some(role) = role {
            if let Some(role) = pool.idle.cancel_park(park_slot, role) {
                return role;
            }
            pool.idle.notify();
        }
        loop {
            let is_up = match park_slot.park_state() {
                ParkState::Awake => true,
                ParkState::Parked => goal.is_reached(pool),
                ParkState::Leased => false,
            };
            match is_up.then(|| pool.idle.cancel_park(park_slot, Role::Active)).flatten() {
                Some(role) => return role,
                None => thread::park(),
            }
        }
    }

    fn end_search(&self) {
        if self.pool.idle.end_search() == Duty::CheckForMore
            && !leaves_out("the last searcher's check")
            && self.pool.has_work()
        {
            self.pool.idle.wake_one();
        }
    }

    fn next_task(&self) -> Option<Task> {
        let own = self.pool.deques.get(self.index);
        own.and_then(take).or_else(|| self.take_from_inbox()).or_else(|| self.pull())
    }

    /// The oldest task of the shared queue, counted.
    fn pull(&self) -> Option<Task> {
        self.pool.pulled.as_ref()?.take(self.pool.injector.as_ref()?, self.index)
    }

    /// The owner takes a batch if it has a deque for the rest of it, and then counts as having pushed that anew.
    fn take_from_inbox(&self) -> Option<Task> {
        let inbox = self.pool.inboxes.get(self.index)?;
        let Some(deque) = self.pool.deques.get(self.index) else { return take(inbox) };
        let mut batch = Vec::new();
        if inbox.take(2, &mut batch) != Taken::Some {
            return None;
        }
        if let Some(second) = batch.drain(1..).next() {
            assert!(deque.push(second).is_ok(), "room for it");
            if !leaves_out("notifying for tasks that were on their way") {
                self.pool.idle.notify();
            }
        }
        batch.pop()
    }

    /// Own queues, injector, the others.
    fn sweep(&self) -> Option<Task> {
        self.act();
        let pool = &self.pool;
        if pool.pulled.is_some() {
            return self.pull();
        }
        let of_others = |(i, queue)| (i != self.index).then_some(queue);
        let offered = |i| self.take_offered(i).map(Task::Job);
        let own_offer = || if pool.offers.is_empty() { None } else { offered(self.index) };
        let others = (pool.inboxes.iter().enumerate()).chain(pool.deques.iter().enumerate());
        self.next_task()
            .or_else(|| pool.injector.as_ref().and_then(take))
            .or_else(|| (0..pool.offers.len()).filter(|&i| i != self.index).find_map(offered))
            .or_else(|| others.filter_map(of_others).find_map(take))
            .or_else(|| (!leaves_out("one's own offer")).then(own_offer).flatten())
    }
}

/// One task: what a real worker takes besides stays as visible in its deque as it is here.
pub fn take(queue: &Inbox<Task>) -> Option<Task> {
    let mut batch = Vec::new();
    match queue.take(1, &mut batch) {
        Taken::Some => batch.pop(),
        Taken::Nothing | Taken::Contended => None,
    }
}
