//! The work of a task: a closure, or a closure with conditions under which it may start.
//!
//! Tasks and result slots are generic over [`Work`], so that conditions cost nothing for a task without any:
//! for a plain closure both questions are answered at compile time. No state; `task/conditions.rs` and
//! `submit/envelope.rs` have the other implementations. Guarded by `tests/it/behaviour/conditions.rs` and
//! `groups.rs`.

use std::mem;

/// Why a task never started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unstarted {
    /// It was cancelled: by its handle, a token, a purge or a shutdown.
    Cancelled,
    /// Its deadline passed first.
    Expired,
    /// The pool was full, and its overflow policy drops tasks.
    Dropped,
}

/// What a task that another thread has ended leaves: its closure. The drop runs user code, inside the panic
/// guard.
pub type Remains = Box<dyn Send>;

/// Why work must not start, found by the side that is about to start it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkRefusal {
    /// The reason.
    pub why: Unstarted,
    /// Whether the thread that ended the task has counted that, and has released the permit.
    pub is_counted: bool,
}

/// The work of a task.
pub trait Work: Send + Sized {
    /// The result.
    type Output: Send;

    /// Whether a drop of the work may run user code.
    const NEEDS_DROP: bool = mem::needs_drop::<Self>();

    /// Why the task must not start. Called once, by the thread that is about to start it. Does not panic.
    #[inline(always)]
    fn refusal(&self) -> Option<WorkRefusal> {
        None
    }

    /// Does the work. May panic.
    fn call(self) -> Self::Output;

    /// Whether a task that returned this counts as failed.
    #[inline(always)]
    fn has_failed(_: &Self::Output) -> bool {
        false
    }
}

impl<F, T> Work for F
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    type Output = T;

    #[inline(always)]
    fn call(self) -> T {
        self()
    }
}
