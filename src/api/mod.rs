//! What users see, and nothing else: one file for each public type or group of functions.
//!
//! Every file here is a thin layer over `submit`, `push`, `pull` and `runtime`; `lib.rs` re-exports the public names
//! flat (`longshore::Pool`). Nothing below this folder imports from it.
//!
//! Read `pool.rs` first, then `builder.rs` (settings and their validation). Tasks: `task_builder.rs`, `group.rs`,
//! `lane.rs`. Borrowed work: `join.rs`, `scope.rs`, `loops.rs` over `source.rs`, `stream.rs`. The methods that both
//! kinds of pool have are in `any_pool.rs`.

pub mod any_pool;
pub mod blocking;
pub mod builder;
#[cfg(doctest)]
mod compile_fail;
pub mod group;
pub mod guide;
pub mod join;
pub mod lane;
pub mod loops;
#[cfg(feature = "orx-parallel")]
mod orx_parallel;
pub mod pool;
#[cfg(feature = "metrics")]
mod publish;
pub mod pull_pool;
#[cfg(feature = "rayon")]
pub mod rayon;
pub mod scope;
pub mod source;
pub mod stream;
pub mod task_builder;
pub mod worker_local;
pub mod workers;
