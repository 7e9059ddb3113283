//! The only file that knows whether the feature `tracing` is on. Without it these items are empty and compile
//! to nothing.
//!
//! `submit/envelope.rs` carries a [`Span`] with a task; worker threads report their start and end. Guarded by
//! `crates/together/tests/features.rs`.

#[cfg(feature = "tracing")]
mod imp {
    /// The span in which a task was submitted.
    #[derive(Debug)]
    pub struct Span(tracing::Span);

    impl Span {
        /// The calling thread's current span, if a subscriber records it.
        #[inline]
        pub fn current() -> Option<Span> {
            let span = tracing::Span::current();
            (!span.is_disabled()).then_some(Span(span))
        }

        /// Runs `f` inside the span.
        pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
            self.0.in_scope(f)
        }
    }

    /// Reports that worker `index` of the pool named `pool` starts on this thread.
    pub fn worker_started(pool: &str, index: usize) {
        tracing::debug!(target: "longshore", pool, worker = index, "worker started");
    }

    /// Reports that worker `index` of the pool named `pool` ends.
    pub fn worker_ended(pool: &str, index: usize) {
        tracing::debug!(target: "longshore", pool, worker = index, "worker ended");
    }
}

#[cfg(not(feature = "tracing"))]
mod imp {
    /// No span exists without the feature.
    #[derive(Debug)]
    pub enum Span {}

    impl Span {
        #[inline(always)]
        pub fn current() -> Option<Span> {
            None
        }

        pub fn enter<R>(&self, _: impl FnOnce() -> R) -> R {
            match *self {}
        }
    }

    pub fn worker_started(_: &str, _: usize) {}

    pub fn worker_ended(_: &str, _: usize) {}
}

pub use imp::{Span, worker_ended, worker_started};
