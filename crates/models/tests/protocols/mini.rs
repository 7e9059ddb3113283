//! A pool in miniature around the library's real `Idle` and `Inbox`: what `push/shared.rs`, `dispatcher.rs` and
//! `lifecycle.rs` do with them, the same operations in the same order. Its workers are in `mini_worker.rs`.
//!
//! Those files cannot run under loom as they are: they need crossbeam's deque and injector, whose atomics loom does
//! not see. Here an [`Inbox`] that is never closed stands for each of them. It is lock-free as they are, which
//! matters: a queue behind a mutex would hide a missing fence.

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

/// The phases that matter here, in order.
const OPEN: u32 = 0;
const DRAINING: u32 = 1;
const ENDED: u32 = 2;

/// What a task does.
pub enum Task {
    /// Nothing.
    Plain,
    /// Blocks its worker until the gate is open, without helping: an endless task, as far as others can tell.
    Wait(Arc<Gate>),
    /// Opens the gate.
    Open(Arc<Gate>),
    /// Submits a task that opens the gate and blocks until that has happened.
    SubmitAndWait(Arc<Gate>),
    /// Submits two others, to a pool that pulls.
    SubmitTwo,
    /// Waits for the slot's outcome and runs other tasks meanwhile.
    Join(SlotHandle<u32>),
    /// A slot's task side.
    Slot(crate::code::erased::Task),
    /// Performs what was taken out of an offer. It is part of a task, and does not count as one.
    Job(NonNull<Job>),
}

/// One task waits at it for another, once.
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
        self.opening.recv().expect("the other end is in the gate");
    }

    pub fn open(&self) {
        self.opened.send(()).expect("the other end is in the gate");
    }
}

/// Which queues there are. Each costs executions, so a model has those it is about: always one inbox, that of
/// worker 0, which the others steal from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Queues {
    Inbox,
    /// Also a deque for each worker.
    WithDeques,
    /// Also the injector.
    WithInjector,
    /// No inbox either: all share one queue, for which the injector stands. See `pull.rs`.
    Shared,
    /// An offer for each worker, and no inbox.
    Offers,
}

/// `Shared`.
pub struct Pool {
    workers: usize,
    pub idle: Idle,
    pub inboxes: Vec<Inbox<Task>>,
    pub deques: Vec<Inbox<Task>>,
    pub injector: Option<Inbox<Task>>,
    /// What a pool that pulls has instead of passages.
    pub pulled: Option<Pulled>,
    pub offers: Vec<ForkSlot<Job>>,
    /// The owner halves, for whoever has borrowed one.
    pub owners: Vec<AtomicPtr<Worker>>,
    passages: AtomicU64,
    phase: AtomicU32,
    /// Tasks that are to end before the pool does. For models without a shutdown; see [`Pool::count_down`].
    awaited: AtomicU64,
    /// For assertions, so invisible to loom.
    pub running: std::sync::atomic::AtomicUsize,
    pub finished: std::sync::atomic::AtomicUsize,
    /// What has been forked: it is freed with the pool.
    pub frames: std::sync::Mutex<Vec<Arc<Job>>>,
    /// Whose wake-ups need no cause.
    pub thread: Mutex<Option<thread::Thread>>,
}

impl Pool {
    /// `awaited`: how many tasks end the pool by themselves; 0 if it is to be closed.
    pub fn new(workers: usize, queues: Queues, awaited: u64) -> Arc<Self> {
        let has = |kind| (queues == kind).then(|| Inbox::new(2));
        let pulls = queues == Queues::Shared;
        Arc::new(Pool {
            workers,
            idle: Idle::new(workers),
            inboxes: if pulls || queues == Queues::Offers { Vec::new() } else { vec![Inbox::new(2)] },
            deques: (0..workers).filter_map(|_| has(Queues::WithDeques)).collect(),
            injector: has(Queues::WithInjector).or_else(|| has(Queues::Shared)),
            pulled: pulls.then(|| Pulled::new(workers)),
            offers: if queues == Queues::Offers {
                (0..workers).map(|_| ForkSlot::free()).collect()
            } else {
                Vec::new()
            },
            owners: (0..workers).map(|_| AtomicPtr::new(ptr::null_mut())).collect(),
            passages: AtomicU64::new(0),
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

    /// As before; for [`Pool::wake_without_a_cause`].
    pub fn start_known(self: &Arc<Self>, index: usize) -> loom::thread::JoinHandle<()> {
        let worker = Worker::new(self.clone(), index);
        loom::thread::spawn(move || {
            *lock(&worker.pool().thread) = Some(thread::current());
            worker.run();
        })
    }

    /// `push_from_outside` when the inbox has room.
    pub fn push(&self, target: usize, task: Task) {
        let pushed = self.inboxes[target].push(task);
        assert!(pushed.is_ok(), "room for all, and open");
        self.idle.notify();
    }

    /// `push_batch_from_outside` with one portion that fits. The notification for its first task is left out, so that
    /// all depends on the one at the end.
    pub fn push_batch(&self, target: usize, tasks: impl IntoIterator<Item = Task>) {
        let mut tasks = tasks.into_iter().collect::<Vec<_>>();
        let n = tasks.len();
        let pushed = self.inboxes[target].push_batch(n, || tasks.remove(0));
        assert_eq!(pushed, Ok(n));
        self.idle.notify_many(n);
    }

    /// A push that claims its place before the pool closes and fills it afterwards.
    pub fn push_across_the_close(&self, target: usize, task: Task) {
        let reserved = self.inboxes[target].reserve().expect("room, and open");
        self.close();
        reserved.fill(task);
        self.idle.notify();
    }

    /// `submit` or `submit_batch` from outside against a shutdown: what the inbox has no room for goes to the
    /// injector. Returns how many were accepted.
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

    /// The end of `push_portion`.
    pub fn inject(&self, tasks: usize) -> usize {
        if tasks == 0 {
            return 0;
        }
        let Some(passage) = self.passage() else {
            return 0;
        };
        for _ in 0..tasks {
            let pushed = self.injector.as_ref().map(|injector| injector.push(Task::Plain));
            assert!(matches!(pushed, Some(Ok(()))), "room for all");
        }
        drop(passage);
        tasks
    }

    fn passage(&self) -> Option<InFlight<'_>> {
        self.passages.fetch_add(1, Ordering::Relaxed);
        let passage = InFlight(self);
        if !leaves_out("fence of a passage") {
            fence(Ordering::SeqCst);
        }
        (self.phase() == OPEN).then_some(passage)
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
            && !leaves_out("closing the entries")
        {
            pulled.entries.close();
        }
        self.advance(DRAINING);
        if !leaves_out("waking everyone at the close") {
            self.idle.wake_all();
        }
    }

    /// Something has been done that counts as a task.
    pub fn finish_task(&self) {
        self.finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.count_down();
    }

    /// How many tasks and guests are at work.
    pub fn running(&self) -> usize {
        self.running.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Unparks the worker of `start_known`, if it has begun.
    pub fn wake_without_a_cause(&self) {
        let thread = lock(&self.thread).clone();
        if let Some(thread) = thread {
            thread.unpark();
        }
    }

    pub fn offers_left(&self) -> usize {
        self.offers.iter().filter(|offer| offer.has_any()).count()
    }

    /// The pool ends by itself when the last of the `awaited` tasks has been run.
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
        let offered =
            || !leaves_out("the offers in the look around") && self.offers.iter().any(ForkSlot::has_any);
        self.queues().any(Inbox::has_ready) || offered()
    }

    pub fn has_ended(&self) -> bool {
        self.phase() >= ENDED
    }

    pub fn ends_now(&self) -> bool {
        if self.phase() == OPEN {
            return self.has_ended();
        }
        if let Some(pulled) = &self.pulled {
            return self.ends_if(if leaves_out("the lock of the list") {
                self.all_rest() && pulled.all_is_taken()
            } else {
                self.idle.while_all_parked(|| pulled.all_is_taken())
            });
        }
        self.ends_if(if leaves_out("fence of the last worker") {
            // Nor the lock, which loom takes for a fence.
            self.is_drained() && self.all_rest()
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
        if leaves_out("looking at the queues while all rest") {
            return self.is_drained() && self.all_rest();
        }
        if leaves_out("looking at the queues while all rest, and not after") {
            return self.all_rest() && self.is_drained();
        }
        self.idle.while_all_parked(|| self.is_drained())
    }

    /// For mutants.
    fn all_rest(&self) -> bool {
        let counts = self.idle.counts();
        counts.parked() - counts.waiting() == self.workers as u64
    }

    fn is_drained(&self) -> bool {
        let empty = |queue: &Inbox<Task>| queue.len() == 0;
        let inboxes_empty = self.inboxes.iter().all(empty);
        let nobody_between = self.passages.load(Ordering::Acquire) == 0;
        inboxes_empty && nobody_between && self.injector.iter().chain(&self.deques).all(empty)
    }

    /// After the workers have gone: nothing is left behind.
    pub fn assert_at_rest(&self, finished: usize) {
        assert!(!self.idle.counts().any_idle(), "{:?}", self.idle);
        let left: usize = self.queues().map(Inbox::len).sum();
        assert_eq!(left + self.offers_left(), 0, "tasks left in the queues");
        let ran = self.finished.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(ran, finished, "accepted tasks that have run");
    }
}

struct InFlight<'a>(&'a Pool);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.passages.fetch_sub(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.0.phase() != OPEN && !leaves_out("waking everyone after a passage") {
            self.0.idle.wake_all();
        }
    }
}
