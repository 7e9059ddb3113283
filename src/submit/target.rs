//! What tasks can be submitted to: a pool of any kind, or a lane.

use std::sync::Arc;

use crate::base::error::BuildError;
use crate::runtime::config::Config;
use crate::runtime::intake::Intake;

/// Something that takes tasks.
pub trait Outlet {
    /// Where it takes them.
    type Shared: Intake;
    /// Where it takes them.
    fn shared(&self) -> &Arc<Self::Shared>;
}

/// A pool that a builder can start.
pub trait Start: Outlet + Sized {
    /// Starts it.
    fn start(config: Config) -> Result<Self, BuildError>;
}
