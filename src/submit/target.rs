//! What tasks can be submitted to: a pool of any kind, or a lane.

use std::sync::Arc;

use crate::base::error::BuildError;
use crate::runtime::config::Config;
use crate::runtime::intake::Intake;

/// Something that takes tasks.
pub trait SubmitTarget {
    /// Where it takes them.
    type Intake: Intake + Send + Sync + 'static;
    /// Where it takes them.
    fn intake(&self) -> &Arc<Self::Intake>;
}

/// A pool that a builder can start.
pub trait Start: SubmitTarget + Sized {
    /// Starts it.
    fn start(config: Config) -> Result<Self, BuildError>;
}
