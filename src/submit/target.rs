//! What tasks can be submitted to: a pool of either kind, or a lane. Two traits without state. Guarded by
//! `tests/it/behaviour`, which runs for both kinds, and by `lanes.rs` there.

use std::sync::Arc;

use crate::base::error::BuildError;
use crate::runtime::config::Config;
use crate::runtime::intake::Intake;

/// Something that accepts tasks: a pool or a lane.
pub trait SubmitTarget {
    /// The type of its intake.
    type Intake: Intake + Send + Sync + 'static;
    /// The intake, which queues the tasks.
    fn intake(&self) -> &Arc<Self::Intake>;
}

/// A pool that a builder can start.
pub trait Start: SubmitTarget + Sized {
    /// Starts the workers and returns the pool.
    fn start(config: Config) -> Result<Self, BuildError>;
}
