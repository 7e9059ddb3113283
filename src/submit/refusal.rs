//! The reason of a refused submission as an error of its own, so that `?` need not keep the task.
//!
//! A [`SubmitError`] holds the closure, and is `Send` and `'static` only if the closure is. A
//! [`SubmitErrorKind`] always is. Guarded by the examples in `api/compile_fail.rs`.

use std::error::Error;

use crate::base::error::{BatchError, SubmitError, SubmitErrorKind};

impl Error for SubmitErrorKind {}

/// Drops the task and keeps the reason, also by `?` in a function that returns `Result<_, SubmitErrorKind>`.
impl<F> From<SubmitError<F>> for SubmitErrorKind {
    fn from(refused: SubmitError<F>) -> Self {
        refused.kind
    }
}

/// Drops the tasks and the handles and keeps the reason. The accepted tasks run.
impl<F, H> From<BatchError<F, H>> for SubmitErrorKind {
    fn from(refused: BatchError<F, H>) -> Self {
        refused.kind
    }
}
