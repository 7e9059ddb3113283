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
pub use wait::wait;
pub use work::work;

use longshore_cli::end::{Failure, OrFail};

use crate::batch::Batch;
use crate::engine::EngineError;
use crate::message::Job;
use crate::nats::Nats;

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
    use crate::engine::EngineErrorKind::Unreachable;

    let (access, batch) = options.access(program).or_usage()?;
    let mut complained = false;
    while !stop.is_cancelled() {
        match Nats::connect(&access, &batch) {
            Ok(engine) => return Ok(Some(Batch::new(engine))),
            Err(error) if error.kind() == Unreachable => tell_once(program, &error, &mut complained),
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
