//! Forked work: the job in the frame of the thread that waits for it, and the list of a worker's forks.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use crate::sync::latch::{Latch, LatchResult};
use crate::task::erased::Word;

/// Who runs a piece of forked work: the worker that has forked it, or a thief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RanBy {
    /// The worker that forked it.
    Owner,
    /// Another one.
    Thief,
}

/// How a job ended: the payload itself is the owner's.
pub type JobEnd = Result<(), Panicked>;

/// It panicked.
#[derive(Debug)]
pub struct Panicked;

/// The part of forked work that does not depend on its type.
#[derive(Debug)]
pub struct Job {
    /// Calls the closure and keeps what it returns, or panics with, for the owner.
    perform: unsafe fn(NonNull<Job>) -> JobEnd,
    /// The next younger fork of the same worker, while there is one. For the owner.
    younger: Cell<MaybeUninit<*const Job>>,
    /// What owner and thief know each other by. Made when the job is offered: most never are.
    steal_state: UnsafeCell<MaybeUninit<StealState>>,
}

/// Where the owner of a job and its thief meet.
#[derive(Debug)]
pub struct StealState {
    /// The number of the worker that runs the job, plus one; 0 as long as nobody does who has not forked it, or if what
    /// that one offers does not descend from the job.
    pub thief: AtomicU32,
    /// The number of the service in which it was begun.
    pub epoch: AtomicU32,
    /// Set when the thief is done; it touches the job no more.
    pub latch: Latch,
}

impl Job {
    /// A job that `perform` performs.
    #[inline(always)]
    pub fn new(perform: unsafe fn(NonNull<Job>) -> JobEnd) -> Self {
        Job {
            perform,
            younger: Cell::new(MaybeUninit::uninit()),
            steal_state: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Makes it ready to be given away. For the owner, who has it alone, once.
    pub fn prepare(&self) {
        let steal_state =
            StealState { thief: AtomicU32::new(0), epoch: AtomicU32::new(0), latch: Latch::new() };
        // SAFETY: nobody else knows the job yet.
        unsafe { &mut *self.steal_state.get() }.write(steal_state);
    }

    /// Only of a job that has been offered (and for a thief, as long as it has not set the latch).
    pub fn steal_state(&self) -> &StealState {
        // SAFETY: no reference that could write it is made after `prepare`.
        let steal_state = unsafe { &*self.steal_state.get() };
        // SAFETY: `prepare` was called: private to this module, nobody else asks for it.
        unsafe { steal_state.assume_init_ref() }
    }

    /// # Safety
    /// `address` was made by `into_task`.
    pub unsafe fn from_word(address: Word) -> NonNull<Job> {
        // SAFETY: the caller's promise.
        let address = unsafe { address.assume_init() };
        // SAFETY: it was made from a pointer that is not null.
        unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) }
    }

    /// Calls the closure; the latch is still to be set.
    ///
    /// # Safety
    /// The caller has the job for itself.
    pub unsafe fn perform(job: NonNull<Job>) -> JobEnd {
        // SAFETY: alive until its latch is set.
        let perform = unsafe { job.as_ref() }.perform;
        // SAFETY: the caller's promise.
        unsafe { perform(job) }
    }

    /// Who waits for the job waits for this.
    pub fn latch(&self) -> &Latch {
        &self.steal_state().latch
    }

    /// Lets the owner go on.
    ///
    /// # Safety
    /// As for [`Latch::set`]; the job was this caller's.
    pub unsafe fn set(job: NonNull<Job>, verdict: LatchResult) {
        // SAFETY: alive until the latch is set.
        let latch = &raw const *unsafe { job.as_ref() }.latch();
        // SAFETY: the caller's promise.
        unsafe { Latch::set(latch, verdict) };
    }
}

/// The forks of a worker: a list through the frames in which they lie, from the oldest to the youngest. It has no limit
/// and needs no memory of its own.
#[derive(Debug)]
pub struct Forks {
    /// Older than all: the list is never empty.
    root: Box<Job>,
    youngest: Cell<NonNull<Job>>,
    /// The youngest that has been offered, or the root: those that are younger are private.
    last_offered: Cell<NonNull<Job>>,
}

impl Forks {
    /// No forks.
    pub fn new() -> Self {
        unsafe fn never(_: NonNull<Job>) -> JobEnd {
            unreachable!("the root is never offered")
        }
        let root = Box::new(Job::new(never));
        let head = NonNull::from(&*root);
        Forks { root, youngest: Cell::new(head), last_offered: Cell::new(head) }
    }

    /// Adds a fork that is younger than all others. Returns what was the youngest until then, for `pop`.
    #[inline(always)]
    pub fn push(&self, job: NonNull<Job>) -> NonNull<Job> {
        let older = self.youngest.replace(job);
        // SAFETY: the root, or a fork that has not been joined yet: its frame is alive.
        unsafe { older.as_ref() }.younger.set(MaybeUninit::new(job.as_ptr()));
        older
    }

    /// Takes the youngest out of the list again. Whether it is still private; then nobody else has ever seen it.
    #[inline(always)]
    pub fn pop(&self, job: NonNull<Job>, older: NonNull<Job>) -> bool {
        debug_assert!(self.youngest.get() == job && job != NonNull::from(&*self.root));
        self.youngest.set(older);
        self.last_offered.get() != job
    }

    /// Whether one of them has not been offered yet.
    pub fn has_private(&self) -> bool {
        self.last_offered.get() != self.youngest.get()
    }

    /// The youngest, which has been offered, is out of the list.
    pub fn popped_offered(&self, older: NonNull<Job>) {
        self.last_offered.set(older);
    }

    /// The oldest private one, which is no longer.
    pub fn next_to_offer(&self) -> Option<NonNull<Job>> {
        if !self.has_private() {
            return None;
        }
        let last = self.last_offered.get();
        // SAFETY: as in `push`.
        let younger = unsafe { last.as_ref() }.younger.get();
        // SAFETY: it is not the youngest, so `push` has written it.
        let next = NonNull::new(unsafe { younger.assume_init() }.cast_mut())?;
        self.last_offered.set(next);
        // SAFETY: as in `push`.
        unsafe { next.as_ref() }.prepare();
        Some(next)
    }
}

/// A job of another worker that runs on this one, and the one that it interrupted. They form a chain on the stack.
pub struct RunningJob {
    /// The job.
    pub job: NonNull<Job>,
    /// What it interrupted, or null.
    pub beneath: *const RunningJob,
}
