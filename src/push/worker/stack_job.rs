//! A job in the stack frame of the thread that waits for it: a header, a closure, and a place for the result.
//!
//! The owner creates it, offers or sends it, and does not leave the frame before the job is back or its latch
//! is set. Owner and thief share it as [`Job`] describes. Guarded by `tests/it/joins`, the models `forks` and
//! `latches`, and `tests/stress` under AddressSanitizer.

use std::ptr::NonNull;

use crate::base::facade::UninitCell;
use crate::base::unwind::{self, Payload};
use crate::push::job::{Job, JobEnd, Panicked, RanBy};
use crate::push::worker::PushWorker;
use crate::sync::latch::Latch;

/// A job on the stack. Its header is the first field of a `repr(C)` struct, so one pointer serves for both.
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

    /// A pointer to the header, for the list of forks.
    #[inline(always)]
    pub fn header(&self) -> NonNull<Job> {
        NonNull::from(self).cast()
    }

    /// The header.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Prepares the job for another thread. Called once, before another thread can see the job. Returns the
    /// latch that the owner then waits for.
    pub fn prepare(&self) -> &Latch {
        self.job.prepare();
        self.job.latch()
    }

    /// # Safety
    /// `job` is the header of a `StackJob<F, R>` that is alive until its latch is set. The caller has taken
    /// the job, so that no other thread runs it, and calls this once.
    unsafe fn perform(job: NonNull<Job>) -> JobEnd {
        // SAFETY: the header is the first field of a live `StackJob<F, R>` (promised by the caller), and the
        // pointer was made from a reference to the whole. Only shared references to it exist.
        let this = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: `new` has written the closure. It is read once, because only the caller runs the job.
        let closure = unsafe { this.closure.read() };
        let result = PushWorker::with_current(|worker| {
            let worker = worker.expect("tasks run on workers");
            unwind::catch(|| closure(worker, RanBy::Thief))
        });
        let end = if result.is_ok() { Ok(()) } else { Err(Panicked) };
        // SAFETY: no other thread accesses the place now: the owner reads it only after the latch is set.
        unsafe { this.result.write(result) };
        end
    }

    /// Calls the closure on the worker that has forked it.
    ///
    /// # Safety
    /// The job has not been run, and no other thread can take it: it was never shown, was taken back, or was
    /// returned.
    #[inline(always)]
    pub unsafe fn call(&self, worker: &PushWorker, by: RanBy) -> R {
        // SAFETY: `new` has written the closure. No thread has run the job or can take it (promised by the
        // caller), so the closure is read once.
        let closure = unsafe { self.closure.read() };
        closure(worker, by)
    }

    /// Takes the result that the thief has written.
    ///
    /// # Safety
    /// The latch was set to "done", and this is called once.
    pub unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the thief has written the result before it set the latch to "done", and touches nothing
        // after that. It is read once (promised by the caller).
        unsafe { self.result.read() }
    }
}
