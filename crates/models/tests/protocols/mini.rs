//! A pool in miniature around the library's real `Idle` and `Inbox`: the operations of `push/shared.rs`,
//! `push/dispatcher.rs`, `push/kind.rs` and `runtime/lifecycle.rs`, in the same order. Its workers are in
//! `mini_worker.rs`.
//!
//! Those files cannot run under loom as they are: they need crossbeam's deque and injector, whose atomics
//! loom does not see. Here an [`Inbox`] that is never closed replaces each of them. It is lock-free, as they
//! are, because a queue behind a mutex would hide a missing fence.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::mini_fork::Job;
use super::mini_worker::Worker;
use super::pull::Pulled;
use crate::code::facade::{AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering, fence, lock, thread};
use crate::code::fork_slot::ForkSlot;
use crate::code::idle::Idle;
use crate::code::inbox::{Inbox, Refusal};
use crate::code::result_slot::SlotHandle;

/// The phases of the pool, in order.
const OPEN: u32 = 0;
const DRAINING: u32 = 1;
const ENDED: u32 = 2;

/// What a task does.
pub enum Task {
    /// Nothing.
    Plain,
    /// Blocks its worker until the gate is open. The worker runs no other task meanwhile.
    Wait(Arc<Gate>),
    /// Opens the gate.
    Open(Arc<Gate>),
    /// Submits a task that opens the gate, and blocks until that has happened.
    SubmitAndWait(Arc<Gate>),
    /// Submits two other tasks, to a pull pool.
    SubmitTwo,
    /// Waits for the outcome, and runs other tasks meanwhile.
    Join(SlotHandle<u32>),
    /// The task side of a result slot.
    Slot(crate::code::erased::Task),
    /// Runs a fork that was taken out of a fork slot. It is part of a task and does not count as a task.
    Job(NonNull<Job>),
}

/// A gate at which one task waits for another, once.
pub struct Gate {
    opened: loom::sync::mpsc::Sender<()>,
    opening: loom::sync::mpsc::Receiver<()>,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        let (opened, opening) = loom::sync::mpsc::channel();
        Arc::new(Gate { opened, opening })
    }

    pub fn wait(&self) {
        self.opening.recv().expect("the gate owns the other end");
    }

    pub fn open(&self) {
        self.opened.send(()).expect("the gate owns the other end");
    }
}

/// The queues of a pool. Each costs executions, so a model has only those that it needs: usually one inbox,
/// that of worker 0, from which the other workers steal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Queues {
    Inbox,
    /// Also a deque for each worker.
    WithDeques,
    /// Also the injector.
    WithInjector,
    /// The shared queue of a pull pool, which replaces the inbox; see `pull.rs`.
    Shared,
    /// A fork slot for each worker, and no inbox.
    ForkSlots,
}

/// The shared half of a pool.
pub struct Pool {
    workers: usize,
    pub idle: Idle,
    pub inboxes: Vec<Inbox<Task>>,
    pub deques: Vec<Inbox<Task>>,
    /// The injector of a push pool, or the shared queue of a pull pool.
    pub injector: Option<Inbox<Task>>,
    /// The counts of a pull pool.
    pub pulled: Option<Pulled>,
    pub fork_slots: Vec<ForkSlot<Job>>,
    /// The owner halves, for threads that lease them.
    pub owners: Vec<AtomicPtr<Worker>>,
    /// The number of producers that hold tasks which no queue shows.
    in_flight: AtomicU64,
    phase: AtomicU32,
    /// The number of tasks that must end before the pool does, in models without a shutdown; see
    /// [`Pool::count_down`].
    awaited: AtomicU64,
    /// For assertions, so invisible to loom.
    pub running: std::sync::atomic::AtomicUsize,
    pub finished: std::sync::atomic::AtomicUsize,
    /// All jobs, which are freed with the pool.
    pub frames: std::sync::Mutex<Vec<Arc<Job>>>,
    /// The thread that `wake_spuriously` wakes.
    pub thread: Mutex<Option<thread::Thread>>,
}

impl Pool {
    /// A pool that ends when `awaited` tasks have ended, or, if that is 0, when it is closed.
    pub fn new(workers: usize, queues: Queues, awaited: u64) -> Arc<Self> {
        let has = |kind| (queues == kind).then(|| Inbox::new(2));
        let pulls = queues == Queues::Shared;
        let forks = queues == Queues::ForkSlots;
        Arc::new(Pool {
            workers,
            idle: Idle::new(workers),
            inboxes: if pulls || forks { Vec::new() } else { vec![Inbox::new(2)] },
            deques: (0..workers).filter_map(|_| has(Queues::WithDeques)).collect(),
            injector: has(Queues::WithInjector).or_else(|| has(Queues::Shared)),
            pulled: pulls.then(|| Pulled::new(workers)),
            fork_slots: (0..if forks { workers } else { 0 }).map(|_| ForkSlot::free()).collect(),
            owners: (0..workers).map(|_| AtomicPtr::new(ptr::null_mut())).collect(),
            in_flight: AtomicU64::new(0),
            phase: AtomicU32::new(OPEN),
            awaited: AtomicU64::new(awaited),
            running: 0.into(),
            finished: 0.into(),
            frames: Vec::new().into(),
            thread: Mutex::new(None),
        })
    }

    /// Starts worker `index`.
    pub fn start(self: &Arc<Self>, index: usize) -> loom::thread::JoinHandle<()> {
        let worker = Worker::new(self.clone(), index);
        loom::thread::spawn(move || worker.run())
    }

    /// Starts worker `index`, and makes its thread known to [`Pool::wake_spuriously`].
    pub fn start_known(self: &Arc<Self>, index: usize) -> loom::thread::JoinHandle<()> {
        let worker = Worker::new(self.clone(), index);
        loom::thread::spawn(move || {
            *lock(&worker.pool().thread) = Some(thread::current());
            worker.run();
        })
    }

    /// A push from outside to an inbox that is not full.
    pub fn push(&self, target: usize, task: Task) {
        let pushed = self.inboxes[target].push(task);
        assert!(pushed.is_ok(), "open, and not full");
        self.idle.notify();
    }

    /// A push of a batch that fits into the inbox. The notification for its first task is left out, so that
    /// everything depends on the notification at the end.
    pub fn push_batch(&self, target: usize, tasks: impl IntoIterator<Item = Task>) {
        let mut tasks = tasks.into_iter().collect::<Vec<_>>();
        let n = tasks.len();
        let pushed = self.inboxes[target].push_batch(n, || tasks.remove(0));
        assert_eq!(pushed, Ok(n));
        self.idle.notify_many(n);
    }

    /// A push that claims its cell before the pool closes and fills it afterwards.
    pub fn push_across_the_close(&self, target: usize, task: Task) {
        let reserved = self.inboxes[target].reserve().expect("open, and not full");
        self.close();
        reserved.fill(task);
        self.idle.notify();
    }

    /// A submission from outside against a shutdown: tasks that do not fit into the inbox go to the injector.
    /// Returns how many were accepted.
    pub fn submit(&self, target: usize, tasks: usize) -> usize {
        let accepted = match self.inboxes[target].push_batch(tasks, || Task::Plain) {
            Ok(n) => n,
            Err(Refusal::Full) => 0,
            Err(Refusal::Closed) => return 0,
        };
        let accepted = accepted + self.inject(tasks - accepted);
        self.idle.notify_many(accepted);
        accepted
    }

    /// The end of `push_portion`; returns how many tasks were accepted.
    pub fn inject(&self, tasks: usize) -> usize {
        if tasks == 0 {
            return 0;
        }
        let Some(in_flight) = self.start_push() else {
            return 0;
        };
        for _ in 0..tasks {
            let pushed = self.injector.as_ref().map(|injector| injector.push(Task::Plain));
            assert!(matches!(pushed, Some(Ok(()))), "it is not full");
        }
        drop(in_flight);
        tasks
    }

    fn start_push(&self) -> Option<InFlight<'_>> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(self);
        if !leaves_out("the fence of a producer in flight") {
            fence(Ordering::SeqCst);
        }
        (self.phase() == OPEN).then_some(in_flight)
    }

    pub fn is_open(&self) -> bool {
        self.phase() == OPEN
    }

    fn phase(&self) -> u32 {
        self.phase.load(Ordering::Acquire)
    }

    fn advance(&self, phase: u32) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// `lifecycle::close` with `Phase::Draining`.
    pub fn close(&self) {
        if !leaves_out("closing the inboxes") {
            self.inboxes.iter().for_each(Inbox::close);
        }
        if let Some(pulled) = &self.pulled
            && !leaves_out("closing the entry counter")
        {
            pulled.entries.close();
        }
        self.advance(DRAINING);
        if !leaves_out("waking all workers at the close") {
            self.idle.wake_all();
        }
    }

    /// Counts something that counts as a task.
    pub fn finish_task(&self) {
        self.finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.count_down();
    }

    /// The number of tasks and leases that run now.
    pub fn running(&self) -> usize {
        self.running.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Unparks the worker of `start_known`, if it has started.
    pub fn wake_spuriously(&self) {
        let thread = lock(&self.thread).clone();
        if let Some(thread) = thread {
            thread.unpark();
        }
    }

    pub fn shown_forks(&self) -> usize {
        self.fork_slots.iter().filter(|slot| slot.has_any()).count()
    }

    /// Ends the pool when the last of the `awaited` tasks has ended.
    fn count_down(&self) {
        if self.awaited.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.advance(ENDED);
            self.idle.wake_all();
        }
    }

    fn queues(&self) -> impl Iterator<Item = &Inbox<Task>> {
        self.injector.iter().chain(&self.inboxes).chain(&self.deques)
    }

    pub fn has_work(&self) -> bool {
        let shows_fork =
            || !leaves_out("the look at the fork slots") && self.fork_slots.iter().any(ForkSlot::has_any);
        self.queues().any(Inbox::has_ready) || shows_fork()
    }

    pub fn has_ended(&self) -> bool {
        self.phase() >= ENDED
    }

    /// `PoolKind::ends_now`.
    pub fn ends_now(&self) -> bool {
        if self.phase() == OPEN {
            return self.has_ended();
        }
        if let Some(pulled) = &self.pulled {
            return self.ends_if(if leaves_out("the lock of the list") {
                self.all_parked() && pulled.is_drained()
            } else {
                self.idle.while_all_parked(|| pulled.is_drained())
            });
        }
        self.ends_if(if leaves_out("the fence of the last worker") {
            // Without the lock as well, because loom takes it for a fence.
            self.is_drained() && self.all_parked()
        } else {
            fence(Ordering::SeqCst);
            self.is_over()
        })
    }

    fn ends_if(&self, nothing_is_left: bool) -> bool {
        if !nothing_is_left {
            return self.has_ended();
        }
        assert_eq!(self.running(), 0, "the pool ends while a task runs");
        self.advance(ENDED);
        self.idle.wake_all();
        true
    }

    fn is_over(&self) -> bool {
        if leaves_out("looking at the queues while all workers are parked") {
            return self.is_drained() && self.all_parked();
        }
        if leaves_out("looking at the queues while all workers are parked, and not after") {
            return self.all_parked() && self.is_drained();
        }
        self.idle.while_all_parked(|| self.is_drained())
    }

    /// For mutants: without the lock of the list.
    fn all_parked(&self) -> bool {
        let counts = self.idle.counts();
        counts.parked() - counts.waiting() == self.workers as u64
    }

    fn is_drained(&self) -> bool {
        let empty = |queue: &Inbox<Task>| queue.len() == 0;
        let inboxes_empty = self.inboxes.iter().all(empty);
        let none_in_flight = self.in_flight.load(Ordering::Acquire) == 0;
        inboxes_empty && none_in_flight && self.injector.iter().chain(&self.deques).all(empty)
    }

    /// After the end of the workers: `finished` tasks have run, and none is left.
    pub fn assert_finished(&self, finished: usize) {
        assert!(!self.idle.counts().any_idle(), "{:?}", self.idle);
        let left: usize = self.queues().map(Inbox::len).sum();
        assert_eq!(left + self.shown_forks(), 0, "tasks left in the queues");
        let ran = self.finished.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(ran, finished, "accepted tasks that have run");
    }
}

/// Held by a producer while no queue shows its tasks.
struct InFlight<'a>(&'a Pool);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.0.phase() != OPEN && !leaves_out("waking all workers after a producer in flight") {
            self.0.idle.wake_all();
        }
    }
}
