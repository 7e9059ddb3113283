//! `status`, `retry`, `explain`.

use std::time::Duration;

use anyhow::Context;
use longshore_cli::end::{Failure, OrFail, Status as Exit};
use longshore_cli::{name, print};
use serde::Serialize;

use super::{ExplainOptions, StatusOptions, connect, failure, is_unreachable, page};
use crate::batch::{Batch, BatchError};
use crate::engine::Table;
use crate::explain::Explanation;
use crate::message::{Job, Record};
use crate::status::Status;

/// Time between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);
/// Dead letters that are shown.
const MOST_LETTERS: usize = 20;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    is_complete: bool,
    missing: u64,
    /// Some dead letters.
    letters: &'a [Record],
}

/// Shows how a batch is doing.
///
/// # Errors
/// Status 2 as [`connect`]; 1 if there is no such batch, or something cannot be written;
/// [`UNCONFIRMED`](super::UNCONFIRMED) if the broker stops answering (`--watch` waits for it). Otherwise the
/// status is 0, and 1 if the batch is complete with dead letters or missing jobs.
pub fn status<J: Job>(program: &str, options: &StatusOptions) -> Result<Exit, Failure> {
    let batch = connect::<J>(program, &options.broker)?;
    let mut complained = false;
    loop {
        let looked = batch.status().and_then(|status| Ok((status, letters(&batch)?)));
        let (status, letters) = match looked.map_err(anyhow::Error::from) {
            Ok(looked) => looked,
            Err(error) if options.watch && is_unreachable(&error) => {
                if !std::mem::replace(&mut complained, true) {
                    print::complain(program, &format!("{error}; trying again"));
                }
                std::thread::park_timeout(LOOK);
                continue;
            }
            Err(error) => return Err(failure(error)),
        };
        complained = false;
        show(&status, &letters, options).context("cannot write the report").or_failed()?;
        if status.is_complete() || !options.watch {
            if let Some(path) = &options.report {
                let shown = || format!("cannot write {}", name::shown(path));
                page::write(path, &batch).with_context(shown).map_err(failure)?;
            }
            let has_failed = status.is_complete() && (status.dead > 0 || status.missing() > 0);
            return Ok(if has_failed { Exit::FAILED } else { Exit::DONE });
        }
        std::thread::park_timeout(LOOK);
    }
}

fn show(status: &Status, letters: &[Record], options: &StatusOptions) -> std::io::Result<()> {
    if options.json {
        let shown = Shown { status, is_complete: status.is_complete(), missing: status.missing(), letters };
        return match options.watch {
            true => print::report(|out| {
                serde_json::to_writer(&mut *out, &shown)?;
                writeln!(out)
            }),
            false => print::json(&shown),
        };
    }
    print::report(|out| {
        write!(out, "{status}")?;
        if !letters.is_empty() {
            writeln!(out, "\ndead letters:")?;
        }
        for letter in letters {
            let error = letter.error.as_deref().unwrap_or_default();
            writeln!(out, "  {}: {}", letter.id, name::line(error))?;
        }
        Ok(())
    })
}

fn letters<J: Job>(batch: &Batch<J>) -> Result<Vec<Record>, BatchError> {
    let mut letters = Vec::new();
    batch.records(Table::Dead, &mut |record, _| {
        letters.push(record);
        letters.len() < MOST_LETTERS
    })?;
    Ok(letters)
}

/// Sends dead letters to the queue again.
///
/// # Errors
/// Status 2 as [`connect`]; 1 if there is no such batch, or the broker refuses;
/// [`UNCONFIRMED`](super::UNCONFIRMED) if it stops answering.
pub fn retry<J: Job>(program: &str, options: &super::BrokerOptions) -> Result<Exit, Failure> {
    let count = connect::<J>(program, options)?.retry().map_err(failure)?;
    print::say(&format!("{count} dead letters are queued again"));
    Ok(Exit::DONE)
}

/// Says why a job is not running.
///
/// # Errors
/// Status 2 as [`connect`]; 1 if there is no such batch; [`UNCONFIRMED`](super::UNCONFIRMED) if the broker
/// stops answering. Otherwise 0, and 1 if the broker does not know the job.
pub fn explain<J: Job>(program: &str, options: &ExplainOptions) -> Result<Exit, Failure> {
    let explanation = connect::<J>(program, &options.broker)?.explain(&options.id).map_err(failure)?;
    match options.json {
        true => print::json(&explanation).or_failed()?,
        false => print::say(&explanation.to_string()),
    }
    Ok(if explanation == Explanation::Unknown { Exit::FAILED } else { Exit::DONE })
}
