//! The behaviour that both kinds of pools share, one module for each part. Compiled once for each kind:
//! `Pool` and `Rig` are those of the module that includes this one.

use super::*;

mod affinity;
mod bad_input;
mod batches;
mod big_closures;
mod bounded;
mod broadcast;
mod builder;
mod cancel;
mod conditions;
mod dispatch;
mod dropping;
mod fairness;
mod futures;
mod groups;
mod handles;
mod histograms;
mod hooks;
mod lanes;
mod nesting;
mod panicking_drops;
mod panics;
mod pausing;
#[cfg(all(target_os = "linux", not(longshore_portable)))]
mod pinning;
mod placement;
mod priorities;
mod shutdown;
mod shutdown_now;
mod statistics;
mod thread_locals;
mod waiting_for_permits;
mod weights;
mod worker_locals;
