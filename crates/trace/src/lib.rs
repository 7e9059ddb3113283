//! Records what a work-stealing pool does, and tells where the time went.
pub mod analysis;
pub mod export;
pub mod format;
pub mod record;
pub mod recorder;
pub mod run;
