//! The way to the `tracing` facade, and the only place that knows whether there is one. Without the feature all of this is
//! empty, and what uses it vanishes when it is compiled.

#[cfg(feature = "tracing")]
mod imp {
    /// The span that a task's submitter was in.
    #[derive(Debug)]
    pub struct Span(tracing::Span);

    impl Span {
        /// The span that the calling thread is in, if somebody listens to it.
        #[inline]
        pub fn current() -> Option<Span> {
            let span = tracing::Span::current();
            (!span.is_disabled()).then_some(Span(span))
        }

        /// Runs `f` inside of it.
        pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
            self.0.in_scope(f)
        }
    }

    /// Worker `index` of the pool called `pool` begins to work on this thread.
    pub fn worker_started(pool: &str, index: usize) {
        tracing::debug!(target: "longshore", pool, worker = index, "worker started");
    }

    /// It has ended.
    pub fn worker_ended(pool: &str, index: usize) {
        tracing::debug!(target: "longshore", pool, worker = index, "worker ended");
    }
}

#[cfg(not(feature = "tracing"))]
mod imp {
    /// There is none.
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
