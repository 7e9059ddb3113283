//! What a pool without threads has that pools with threads do not have. `in_caller.rs` says how it works.
//!
//! Part of the pool's `Core`; any thread may touch it. Guarded by `tests/platforms`.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use crate::base::debug::impl_debug;
use crate::base::facade::lock;

/// A pool of either kind whose callers run its tasks.
pub trait Serve: Send + Sync {
    /// See [`InCaller::serve`].
    fn serve_callers(self: Arc<Self>);
    /// The pool, whose type the caller knows.
    fn into_any_pool(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// The part of a pool without threads that pools with threads do not have.
#[derive(Default)]
pub struct InCaller {
    /// Whether a thread acts as the worker.
    is_taken: Mutex<bool>,
    /// The pool.
    pool: OnceLock<Weak<dyn Serve>>,
}

impl_debug! { InCaller {} }

impl InCaller {
    /// Tells it the pool, once.
    pub fn begin(&self, pool: Weak<dyn Serve>) {
        let _ = self.pool.set(pool);
    }

    /// Whether a thread acts as the worker, under its lock.
    pub fn lock(&self) -> MutexGuard<'_, bool> {
        lock(&self.is_taken)
    }

    /// The pool, if it has this type.
    pub fn pool<M: Send + Sync + 'static>(&self) -> Option<Arc<M>> {
        self.pool.get()?.upgrade()?.into_any_pool().downcast().ok()
    }

    /// Acts as the worker until no task is queued. Returns at once if another thread acts, which then runs
    /// the tasks, if the calling thread acts as the worker already, or if the pool is paused.
    #[cold]
    pub fn serve(&self) {
        self.pool.get().and_then(Weak::upgrade).into_iter().for_each(|pool| pool.serve_callers());
    }
}
