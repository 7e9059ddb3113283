//! What users see: one file for each public type or group of functions.
//!
//! Pools, lanes, scopes and builders are thin layers over `submit`, `push`, `pull` and `runtime`; loops,
//! sources, streams, groups and worker-local values are implemented here. `lib.rs` re-exports the public
//! names flat (`longshore::Pool`). No other folder imports from this one.
//!
//! Read `pool.rs` first, then `builder.rs` (settings and their checks). Tasks: `task_builder.rs`, `group.rs`,
//! `lane.rs`. Borrowed data: `join.rs`, `scope.rs`, `loops` over `source`. Streams of results: `stream.rs`.
//! Methods of both kinds of pool: `any_pool.rs`.

pub mod any_pool;
pub mod blocking;
pub mod builder;
#[cfg(doctest)]
mod compile_fail;
pub mod free;
pub mod global;
pub mod group;
pub mod guide;
pub mod hints;
pub mod join;
pub mod lane;
pub mod loops;
pub mod memory;
#[cfg(feature = "orx-parallel")]
mod orx_parallel;
pub mod pool;
#[cfg(feature = "metrics")]
mod publish;
pub mod pull_pool;
#[cfg(feature = "rayon")]
pub mod rayon;
pub mod rayon_core_support;
pub mod recording;
pub mod scope;
pub mod source;
pub mod stream;
pub mod task_builder;
pub mod timed_token;
mod unwind_safety;
pub mod worker_local;
pub mod workers;
