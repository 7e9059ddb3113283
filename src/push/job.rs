//! Forked work: the header of a job, which is in the frame of the thread that waits for it, and a worker's
//! list of forks.
//!
//! A job belongs to the worker that forked it until a thief takes it from the fork slot; from then on until
//! the latch is set it belongs to the thief. Only `steal_state` may be read by both. [`Forks`] belongs to one
//! worker's thread. Guarded by the models `forks` and `fork_slots`, and by `tests/it/joins`.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use crate::sync::latch::{Latch, LatchResult};
use crate::task::erased::{Task, TaskTable, words_with};

/// Which worker runs a job: the worker that forked it, or a thief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanBy {
    /// The worker that forked it.
    Owner,
    /// Another worker.
    Thief,
}

/// How a job ended. The payload of a panic is stored in the job, for its owner.
pub type JobEnd = Result<(), Panicked>;

/// The job panicked.
#[derive(Debug)]
pub struct Panicked;

/// The part of a job that does not depend on the type of its closure.
#[derive(Debug)]
pub struct Job {
    /// Calls the closure and stores its result, or the payload of its panic, for the owner.
    perform: unsafe fn(NonNull<Job>) -> JobEnd,
    /// The next younger fork of the same worker, if there is one. Used by the owner only.
    younger: Cell<MaybeUninit<*const Job>>,
    /// What owner and thief share. Written when the job is offered, because most jobs never are.
    steal_state: UnsafeCell<MaybeUninit<StealState>>,
}

/// What the owner of a job and its thief share.
#[derive(Debug)]
pub struct StealState {
    /// The number of the worker that runs the job, plus one. 0 as long as no thief has begun it, or if the
    /// forks that the thief offers are not part of the job.
    pub thief: AtomicU32,
    /// The epoch in which the thief began the job.
    pub epoch: AtomicU32,
    /// Set when the thief is done. The thief does not touch the job after that.
    pub latch: Latch,
}

impl Job {
    /// A job that `perform` runs.
    #[inline(always)]
    pub fn new(perform: unsafe fn(NonNull<Job>) -> JobEnd) -> Self {
        Job {
            perform,
            younger: Cell::new(MaybeUninit::uninit()),
            steal_state: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Prepares the job for a thief. Called once by the owner, before another thread can see the job.
    pub fn prepare(&self) {
        let steal_state =
            StealState { thief: AtomicU32::new(0), epoch: AtomicU32::new(0), latch: Latch::new() };
        // SAFETY: no other reference to the content exists: no other thread knows the job yet, and
        // `steal_state` hands out references only after this call.
        unsafe { &mut *self.steal_state.get() }.write(steal_state);
    }

    /// What owner and thief share. Only for a prepared job, and for a thief only before it sets the latch.
    pub fn steal_state(&self) -> &StealState {
        // SAFETY: after `prepare` no mutable reference to the content is made.
        let steal_state = unsafe { &*self.steal_state.get() };
        // SAFETY: `prepare` has written it. Jobs that were not offered or sent are known to their owner
        // alone, and the owner asks for the steal state of a prepared job only.
        unsafe { steal_state.assume_init_ref() }
    }

    /// A task that holds the job's address in its first word.
    ///
    /// # Safety
    /// The functions of `table` expect that, and may be called on any thread, once. The job is alive until
    /// its latch is set.
    pub unsafe fn into_task(job: NonNull<Job>, table: &'static TaskTable) -> Task {
        // SAFETY: the functions of `table` may be called with these words, once, on any thread; the caller
        // promises that.
        unsafe { Task::from_parts(table, words_with(job.as_ptr())) }
    }

    /// Calls the closure. The latch is still to be set by the caller.
    ///
    /// # Safety
    /// `job` is alive until its latch is set. The caller has taken it, so that no other thread runs it, and
    /// calls this once.
    pub unsafe fn perform(job: NonNull<Job>) -> JobEnd {
        // SAFETY: alive, as the caller promises; only shared references to a job are made.
        let perform = unsafe { job.as_ref() }.perform;
        // SAFETY: `perform` was stored with this job by its constructor, so it fits the type of the job. The
        // job is alive and is run by the caller alone, once, as the caller promises.
        unsafe { perform(job) }
    }

    /// The latch for which the owner waits.
    pub fn latch(&self) -> &Latch {
        &self.steal_state().latch
    }

    /// Sets the latch, so that the owner goes on.
    ///
    /// # Safety
    /// The caller has taken the job, sets its latch only here, and touches nothing of the job after this.
    pub unsafe fn set(job: NonNull<Job>, result: LatchResult) {
        // SAFETY: the owner waits for the latch, so the job is alive until the latch is set; only shared
        // references are made.
        let latch = &raw const *unsafe { job.as_ref() }.latch();
        // SAFETY: the latch is a part of the job, which is alive until the latch is set. Only this call sets
        // it.
        unsafe { Latch::set(latch, result) };
    }
}

/// The forks of a worker, from the oldest to the youngest: a list through the stack frames that hold the
/// jobs. It has no limit and needs no memory of its own.
#[derive(Debug)]
pub struct Forks {
    /// Older than all forks, so that the list is never empty.
    root: Box<Job>,
    youngest: Cell<NonNull<Job>>,
    /// The youngest fork that has been offered, or the root. Younger forks are private.
    last_offered: Cell<NonNull<Job>>,
}

impl Forks {
    /// An empty list.
    pub fn new() -> Self {
        unsafe fn never(_: NonNull<Job>) -> JobEnd {
            unreachable!("the root is never offered")
        }
        let root = Box::new(Job::new(never));
        let head = NonNull::from(&*root);
        Forks { root, youngest: Cell::new(head), last_offered: Cell::new(head) }
    }

    /// Adds a fork that is younger than all others. Returns the fork that was the youngest before, for
    /// [`Forks::pop`].
    #[inline(always)]
    pub fn push(&self, job: NonNull<Job>) -> NonNull<Job> {
        let older = self.youngest.replace(job);
        // SAFETY: `older` is the root or a fork that is not joined yet. A frame is not left before its fork
        // is joined, so the job is alive; only shared references are made.
        unsafe { older.as_ref() }.younger.set(MaybeUninit::new(job.as_ptr()));
        older
    }

    /// Removes the youngest fork. Returns whether it is still private: then no other thread has ever seen it.
    #[inline(always)]
    pub fn pop(&self, job: NonNull<Job>, older: NonNull<Job>) -> bool {
        debug_assert!(self.youngest.get() == job && job != NonNull::from(&*self.root));
        self.youngest.set(older);
        self.last_offered.get() != job
    }

    /// Whether the list has a fork that was not offered.
    pub fn has_private(&self) -> bool {
        self.last_offered.get() != self.youngest.get()
    }

    /// Called after [`Forks::pop`] of a fork that was offered.
    pub fn popped_offered(&self, older: NonNull<Job>) {
        self.last_offered.set(older);
    }

    /// The oldest private fork, prepared for a thief. It counts as offered from now on.
    pub fn next_to_offer(&self) -> Option<NonNull<Job>> {
        if !self.has_private() {
            return None;
        }
        let last = self.last_offered.get();
        // SAFETY: `last` is the root or a fork that is not joined yet, so the job is alive; only shared
        // references are made.
        let younger = unsafe { last.as_ref() }.younger.get();
        // SAFETY: `last` is not the youngest, so `push` has written its `younger`.
        let next = NonNull::new(unsafe { younger.assume_init() }.cast_mut())?;
        self.last_offered.set(next);
        // SAFETY: `next` is not joined yet, so the job is alive; only shared references are made.
        unsafe { next.as_ref() }.prepare();
        Some(next)
    }
}

/// A job of another worker that runs on this worker. The running jobs of a worker form a list through its
/// stack.
pub struct RunningJob {
    /// The job.
    pub job: NonNull<Job>,
    /// The running job that this one interrupted, or null.
    pub beneath: *const RunningJob,
}
