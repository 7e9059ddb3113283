//! Unwind safety: why a program may use a pool, and everything made from one, after it has caught a panic.
//!
//! User code runs inside the panic guard (`base/unwind.rs`) or outside of every lock, so a panic never leaves
//! a value of the library half changed. The compiler cannot see that: most types contain cells, or refer to
//! other types by pointers. So the traits are implemented here, for all public types at once. A type that
//! calls user code on the caller's own thread, and then goes on with what that code has left behind, is as
//! safe as that code: only the two streams, because of their iterators.
//!
//! No state. Guarded by the unit test here.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::api::builder::PoolBuilder;
use crate::api::group::{Group, GroupError, TaskError};
use crate::api::join::Context;
use crate::api::lane::{Lane, LaneBuilder};
use crate::api::pool::Pool;
use crate::api::pull_pool::PullPool;
use crate::api::scope::{Scope, ScopedJoinHandle};
use crate::api::stream::{MapOrdered, MapUnordered};
use crate::api::task_builder::TaskBuilder;
use crate::api::worker_local::WorkerLocal;
use crate::base::error::{BatchError, BuildError, JoinError, PanicPayload, ResizeError, SubmitError};
use crate::submit::future::SubmitFuture;
use crate::submit::handle::JoinHandle;
use crate::submit::target::SubmitTarget;
use crate::task::cancel::CancelToken;

/// Implements both traits.
macro_rules! impl_unwind_safe {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> UnwindSafe for $type {}
        impl<$($generics)*> RefUnwindSafe for $type {}
    )*};
}

impl_unwind_safe! {
    [] Pool;
    [] PullPool;
    [P] PoolBuilder<P>;
    // Tasks run inside the panic guard, and their results are moved out whole.
    [T] JoinHandle<T>;
    [T] ScopedJoinHandle<'_, T>;
    [I, F, T] SubmitFuture<I, F, T>;
    [P: SubmitTarget] TaskBuilder<'_, P>;
    // No user code runs under the locks of these.
    [P: SubmitTarget] Lane<P>;
    [P: SubmitTarget] LaneBuilder<'_, P>;
    [T, E, P: SubmitTarget] Group<T, E, P>;
    [] CancelToken;
    // A value whose use has panicked is dropped.
    [T] WorkerLocal<T>;
    // Guards restore the state of the worker when a panic passes through a frame.
    [] Context<'_>;
    [] Scope<'_, '_>;
    // A closure or a payload can only be moved out.
    [F] SubmitError<F>;
    [F, H] BatchError<F, H>;
    [] PanicPayload;
    [] JoinError;
    [] BuildError;
    [] ResizeError;
    [E: UnwindSafe + RefUnwindSafe] TaskError<E>;
    [E: UnwindSafe + RefUnwindSafe] GroupError<E>;
}

// `map` runs on the workers, inside the panic guard.
impl<I: Iterator + UnwindSafe, T, F> UnwindSafe for MapUnordered<'_, I, T, F> {}
impl<I: Iterator + RefUnwindSafe, T, F> RefUnwindSafe for MapUnordered<'_, I, T, F> {}
impl<I: Iterator + UnwindSafe, T, F> UnwindSafe for MapOrdered<'_, I, T, F> {}
impl<I: Iterator + RefUnwindSafe, T, F> RefUnwindSafe for MapOrdered<'_, I, T, F> {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::base::error::{ShutdownError, SubmitErrorKind};
    use crate::base::histogram::Histogram;
    use crate::runtime::metrics::{PoolStats, WorkerStats};
    use crate::submit::lane::LaneStats;

    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}

    /// Neither unwind-safe nor `Sync`.
    type Shaky = &'static mut Cell<u8>;
    type Items = std::ops::Range<u8>;

    #[test]
    fn public_types_are_unwind_safe_whatever_they_carry() {
        is_unwind_safe::<Pool>();
        is_unwind_safe::<PullPool>();
        is_unwind_safe::<PoolBuilder>();
        is_unwind_safe::<PoolBuilder<PullPool>>();
        is_unwind_safe::<JoinHandle<Shaky>>();
        is_unwind_safe::<ScopedJoinHandle<'static, Shaky>>();
        is_unwind_safe::<TaskBuilder<'static, Pool>>();
        is_unwind_safe::<Lane>();
        is_unwind_safe::<LaneBuilder<'static, PullPool>>();
        is_unwind_safe::<Group<Shaky, Shaky>>();
        is_unwind_safe::<Group<u8, u8, Lane<PullPool>>>();
        is_unwind_safe::<CancelToken>();
        is_unwind_safe::<WorkerLocal<Shaky>>();
        is_unwind_safe::<Context<'static>>();
        is_unwind_safe::<Scope<'static, 'static>>();
        is_unwind_safe::<MapUnordered<'static, Items, Shaky, fn(u8) -> Shaky>>();
        is_unwind_safe::<MapOrdered<'static, Items, Shaky, fn(u8) -> Shaky>>();
        is_unwind_safe::<(SubmitError<Shaky>, BatchError<Shaky, JoinHandle<Shaky>>, SubmitErrorKind)>();
        is_unwind_safe::<(JoinError, BuildError, ResizeError, ShutdownError, PanicPayload, GroupError<u8>)>();
        is_unwind_safe::<(PoolStats, WorkerStats, LaneStats, Histogram)>();
    }

    fn is_sync<T: Sync>() {}

    #[test]
    fn errors_are_sync_whatever_the_closure_captures() {
        is_sync::<SubmitError<Cell<u8>>>();
        is_sync::<BatchError<Cell<u8>, JoinHandle<Cell<u8>>>>();
    }
}
