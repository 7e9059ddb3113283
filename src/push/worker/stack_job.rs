//! A job on the stack of the thread that waits for it: a closure, and the place for its result.

use std::ptr::NonNull;

use crate::base::facade::UninitCell;
use crate::base::unwind::{self, Payload};
use crate::push::job::{Job, JobEnd, Panicked, RanBy};
use crate::push::worker::PushWorker;
use crate::sync::latch::Latch;

/// A job on the stack of whoever waits for it: first of all the header, so that a pointer to it is a pointer to that.
#[repr(C)]
pub struct StackJob<F, R> {
    job: Job,
    closure: UninitCell<F>,
    result: UninitCell<Result<R, Payload>>,
}

impl<F, R> StackJob<F, R>
where
    F: FnOnce(&PushWorker, RanBy) -> R,
{
    /// A job that calls `closure`.
    #[inline(always)]
    pub fn new(closure: F) -> Self {
        StackJob {
            job: Job::new(Self::perform),
            closure: UninitCell::holding(closure),
            result: UninitCell::empty(),
        }
    }

    /// The header, for the list of forks.
    #[inline(always)]
    pub fn header(&self) -> NonNull<Job> {
        NonNull::from(self).cast()
    }

    /// The header, to look at.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Makes it ready to be given away, once, while nobody else knows it. Returns what the owner then waits for.
    pub fn prepare(&self) -> &Latch {
        self.job.prepare();
        self.job.latch()
    }

    /// # Safety
    /// `job` heads a job of this type that is alive until its latch is set; the caller alone may run it, once.
    unsafe fn perform(job: NonNull<Job>) -> JobEnd {
        // SAFETY: the caller's promise.
        let this = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: nobody else runs it, so the closure is read once.
        let closure = unsafe { this.closure.read() };
        let result = PushWorker::with_current(|worker| {
            let worker = worker.expect("tasks run on workers");
            unwind::catch(|| closure(worker, RanBy::Thief))
        });
        let end = if result.is_ok() { Ok(()) } else { Err(Panicked) };
        // SAFETY: the owner reads it after the latch is set.
        unsafe { this.result.write(result) };
        end
    }

    /// Calls the closure on the worker that has forked it.
    ///
    /// # Safety
    /// Nobody else has it or will have it.
    #[inline(always)]
    pub unsafe fn call(&self, worker: &PushWorker, by: RanBy) -> R {
        // SAFETY: the caller's promise.
        let closure = unsafe { self.closure.read() };
        closure(worker, by)
    }

    /// What the thief has left.
    ///
    /// # Safety
    /// The latch says "done", and this is called once.
    pub unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the caller's promise; the latch orders the thief's write before this.
        unsafe { self.result.read() }
    }
}
