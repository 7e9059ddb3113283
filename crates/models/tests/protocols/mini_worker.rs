//! A worker of the pool in miniature: the loop of `runtime/worker_loop.rs` and `push/worker`, with the same
//! operations in the same order.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::take;
use super::mini::{Pool, Task};
use super::mini_fork::{Forks, Job};
use crate::code::facade::{Ordering, Tomb, thread};
use crate::code::idle::{Duty, ParkReason, ParkSlot, ParkState, Role};
use crate::code::inbox::Taken;
use crate::code::result_slot::SlotHandle;
use crate::code::waiter::Waiter;

/// The owner half of a worker.
pub struct Worker {
    pool: Arc<Pool>,
    index: usize,
    park_slot: Arc<ParkSlot>,
    /// The park slot of a thread that leases the worker.
    leased_park_slot: Arc<ParkSlot>,
    is_leased: Cell<bool>,
    /// Whether its stack is used up.
    pub is_deep: Cell<bool>,
    pub forks: RefCell<Forks>,
    pub executing: RefCell<Vec<NonNull<Job>>>,
    /// Represents everything that belongs to the thread that acts as this worker: loom reports two threads at
    /// a time.
    own: loom::cell::UnsafeCell<()>,
    /// The frame of the thread's main function, which contains the worker.
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
            RunUntil::Await(handle) => handle.is_complete(),
        }
    }

    fn park_reason(&self) -> ParkReason {
        match self {
            RunUntil::PoolEnd => ParkReason::Idle,
            RunUntil::Await(_) => ParkReason::Waiting,
        }
    }

    fn arm(&mut self) {
        if let RunUntil::Await(handle) = self
            && !handle.wait_with(Waiter::Thread(thread::current()))
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
            leased_park_slot: Arc::new(ParkSlot::new(index)),
            is_leased: Cell::new(false),
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

    /// Called with each step of the thread that acts as this worker.
    pub fn act(&self) {
        self.frame.touch();
        self.own.with_mut(|_| ());
    }

    pub fn set_leased(&self, is_leased: bool) {
        self.act();
        self.is_leased.set(is_leased);
    }

    fn park_slot(&self) -> &Arc<ParkSlot> {
        self.act();
        if self.is_leased.get() { &self.leased_park_slot } else { &self.park_slot }
    }

    /// The main function of the worker's thread.
    pub fn run(&self) {
        let owner = &self.pool.owners[self.index];
        owner.store(std::ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
        self.work_until(&mut RunUntil::PoolEnd);
        self.act();
        self.frame.bury();
    }

    /// Pushes a task that was submitted on this worker to its deque.
    pub fn push_local(&self, task: Task) {
        self.act();
        assert!(self.pool.deques[self.index].push(task).is_ok(), "it is not full");
        self.pool.idle.notify();
    }

    /// Serves the pool until a task of another pool has ended, as a task that waits for it does.
    pub fn serve_until(&self, handle: &mut SlotHandle<u32>) {
        self.work_until(&mut RunUntil::Await(handle));
    }

    fn work_until(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.pool) {
            self.act();
            if let Some(task) = self.next_task().or_else(|| self.search_or_park(until)) {
                self.run_task(task);
            }
        }
    }

    pub fn run_task(&self, task: Task) {
        self.act();
        let task = match task {
            // SAFETY: the job was taken out of a fork slot, so only this worker has it.
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
                self.push_local(Task::Open(gate.clone()));
                gate.wait();
            }
            Task::SubmitTwo => (0..2).for_each(|_| self.pool.submit_inside(self.index)),
            Task::Join(mut handle) => self.serve_until(&mut handle),
            Task::Slot(task) => drop(task.run(&Default::default())),
            Task::Job(_) => unreachable!("a job is run by `run_job`"),
        }
        self.pool.running.fetch_sub(1, relaxed);
        self.pool.finish_task();
    }

    fn search_or_park(&self, until: &mut RunUntil<'_>) -> Option<Task> {
        let idle = &self.pool.idle;
        let mut role = idle.start_search(self.park_slot());
        loop {
            if role == Role::Searching
                && let Some(task) = self.find_task()
            {
                self.end_search();
                return Some(task);
            }
            if until.is_reached(&self.pool) {
                if role == Role::Searching {
                    self.end_search();
                }
                return None;
            }
            role = self.park(role, until);
            if role == Role::Active {
                role = idle.start_search(self.park_slot());
            }
        }
    }

    fn park(&self, role: Role, until: &mut RunUntil<'_>) -> Role {
        let (pool, park_slot) = (&*self.pool, self.park_slot());
        if !leaves_out("arming the latch") {
            until.arm();
        }
        pool.idle.prepare_park(park_slot, role, until.park_reason());
        let role = if !leaves_out("the last look at the queues") && pool.has_work() {
            Some(Role::Searching)
        } else if matches!(until, RunUntil::PoolEnd) && pool.ends_now() {
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
                ParkState::Parked => until.is_reached(pool),
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

    /// The owner takes a batch if it has a deque for the rest of it, and then notifies as for a push.
    fn take_from_inbox(&self) -> Option<Task> {
        let inbox = self.pool.inboxes.get(self.index)?;
        let Some(deque) = self.pool.deques.get(self.index) else { return take(inbox) };
        let mut batch = Vec::new();
        if inbox.take(2, &mut batch) != Taken::Some {
            return None;
        }
        if let Some(second) = batch.drain(1..).next() {
            assert!(deque.push(second).is_ok(), "it is not full");
            if !leaves_out("notifying for tasks moved to the deque") {
                self.pool.idle.notify();
            }
        }
        batch.pop()
    }

    /// Looks at the worker's own queues, the injector, and the queues of the other workers.
    fn find_task(&self) -> Option<Task> {
        self.act();
        let pool = &self.pool;
        if pool.pulled.is_some() {
            return self.pull();
        }
        let of_others = |(i, queue)| (i != self.index).then_some(queue);
        let fork_of = |i| self.take_fork(i).map(Task::Job);
        let own_fork = || if pool.fork_slots.is_empty() { None } else { fork_of(self.index) };
        let others = (pool.inboxes.iter().enumerate()).chain(pool.deques.iter().enumerate());
        self.next_task()
            .or_else(|| pool.injector.as_ref().and_then(take))
            .or_else(|| (0..pool.fork_slots.len()).filter(|&i| i != self.index).find_map(fork_of))
            .or_else(|| others.filter_map(of_others).find_map(take))
            .or_else(|| (!leaves_out("the worker's own fork")).then(own_fork).flatten())
    }
}
