//! What a task does: a closure, or something that also says whether it may still begin.
//!
//! Tasks and slots are generic over this, so that conditions cost nothing where there are none: for a closure both
//! questions are answered when the program is compiled.

/// Why a task was never begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unstarted {
    /// It was cancelled, by whatever means.
    Cancelled,
    /// Its deadline came first.
    Expired,
    /// There was no room for it, and its pool drops tasks then.
    Dropped,
}

/// What a task does.
pub trait Work: Send {
    /// What comes out.
    type Output: Send;

    /// Asked once, by whoever is about to begin the task: why it must not. Does not panic.
    #[inline(always)]
    fn refusal(&self) -> Option<Unstarted> {
        None
    }

    /// Does it. May panic.
    fn call(self) -> Self::Output;

    /// Whether the task counts as failed, though it has returned.
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
