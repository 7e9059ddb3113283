//! The commands of a program that distributes its work: options, `status`, `retry`, `explain`, the frame of
//! `work`, the wait of `push` (feature `program`).
//!
//! A program adds its own options and says what a job is: `examples/pipeline` is the short example,
//! `examples/resize` the long one.

mod look;
mod options;
mod page;
mod wait;
mod work;

pub use look::{explain, retry, status};
pub use options::{BrokerOptions, ExplainOptions, PushOptions, StatusOptions, WorkOptions};
pub use wait::{Waited, wait};
pub use work::work;

use longshore_cli::end::{Failure, OrFail, Status};

use crate::batch::{Batch, BatchError};
use crate::engine::{EngineError, EngineErrorKind};
use crate::message::Job;
use crate::nats::Nats;

/// The broker has stopped answering or admitting the user, or has not confirmed the ends of jobs
/// (EX_UNAVAILABLE of sysexits.h). The same command again finds out what the broker knows.
pub const UNCONFIRMED: Status = Status::special(69);
/// A worker has left jobs that still ran: start it again (EX_TEMPFAIL of sysexits.h).
pub const UNFINISHED: Status = Status::special(75);

/// An error after the broker was reached: status [`UNCONFIRMED`] if the broker does not answer or not admit
/// the user any more, else 1.
pub fn failure(error: impl Into<anyhow::Error>) -> Failure {
    let error = error.into();
    match kind(&error) {
        Some(EngineErrorKind::Unreachable | EngineErrorKind::Denied) => Failure::with(UNCONFIRMED, error),
        _ => Failure::failed(error),
    }
}

/// Whether the reason of an error is that the broker does not answer.
fn is_unreachable(error: &anyhow::Error) -> bool {
    kind(error) == Some(EngineErrorKind::Unreachable)
}

/// What the broker says about an error that is its own.
fn kind(error: &anyhow::Error) -> Option<EngineErrorKind> {
    match (error.downcast_ref::<BatchError>(), error.downcast_ref::<EngineError>()) {
        (Some(BatchError::Engine(error)), _) | (_, Some(error)) => Some(error.kind()),
        _ => None,
    }
}

/// Connects to the broker that the options name. A batch without a name has the name of the program.
///
/// # Errors
/// Status 2: an option is missing or wrong, no broker answers, or it refuses the user.
pub fn connect<J: Job>(program: &str, options: &BrokerOptions) -> Result<Batch<J>, Failure> {
    let (access, batch) = options.access(program).or_usage()?;
    let engine = Nats::connect(&access, &batch).or_usage()?;
    Ok(Batch::new(engine))
}

/// Connects like [`connect`], and waits for a broker that is not there yet.
fn connect_patiently<J: Job>(
    program: &str,
    options: &BrokerOptions,
    stop: &longshore::CancelToken,
) -> Result<Option<Batch<J>>, Failure> {
    let (access, batch) = options.access(program).or_usage()?;
    let mut complained = false;
    while !stop.is_cancelled() {
        match Nats::connect(&access, &batch) {
            Ok(engine) => return Ok(Some(Batch::new(engine))),
            Err(error) if error.kind() == EngineErrorKind::Unreachable => {
                tell_once(program, &error, &mut complained)
            }
            Err(error) => return Err(Failure::usage(error)),
        }
        std::thread::park_timeout(std::time::Duration::from_millis(200));
    }
    Ok(None)
}

fn tell_once(program: &str, error: &EngineError, complained: &mut bool) {
    if !std::mem::replace(complained, true) {
        longshore_cli::print::complain(program, &format!("{error}; trying again"));
    }
}
