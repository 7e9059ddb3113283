//! What the records lack: rows of the program that were not measured, and competitors that a row is without.
//! A gap that is not named reads like a choice.

use std::fmt::{Result, Write};

use longshore_rivals::counted;
use longshore_rivals::pools::{CENTRAL, NAMES};
use longshore_rivals::rows;

use super::Entry;
use super::text::paragraph;
use crate::sample::Sample;

/// A row or workload of this program.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub id: &'static str,
    /// The competitors that take part unless a run says otherwise.
    pub competitors: &'static [&'static str],
}

/// All of them, in the order of the report.
pub fn known() -> Vec<Known> {
    let measured =
        rows::all().into_iter().map(|row| Known { id: row.id, competitors: row.only.unwrap_or(NAMES) });
    measured.chain(counted::ALL.iter().map(|row| Known { id: row.id, competitors: CENTRAL })).collect()
}

/// Names the rows that were not measured.
pub fn rows(text: &mut String, entries: &[Entry<'_>]) -> Result {
    let known = known();
    let is_measured = |id: &str| entries.iter().any(|entry| entry.row.id == id);
    let lacking: Vec<String> =
        known.iter().filter(|row| !is_measured(row.id)).map(|row| format!("`{}`", row.id)).collect();
    if !lacking.is_empty() {
        writeln!(text)?;
        paragraph(text, "", &format!("Not measured: {}.", lacking.join(", ")))?;
    }
    let gone: Vec<String> = entries
        .iter()
        .filter(|entry| !known.iter().any(|row| row.id == entry.row.id))
        .map(|entry| format!("`{}`", entry.row.id))
        .collect();
    if !gone.is_empty() {
        writeln!(text)?;
        paragraph(text, "", &format!("Measured, but no longer a row of the program: {}.", gone.join(", ")))?;
    }
    Ok(())
}

/// Names the competitors of a row that do not offer the thing, and those that its run did not include.
pub fn competitors(text: &mut String, entry: &Entry<'_>) -> Result {
    let list = |names: Vec<&str>| names.join(", ");
    let row = entry.row;
    let offers_not = |samples: &[Sample]| {
        !samples.is_empty() && samples.iter().all(|sample| matches!(sample, Sample::NotOffered))
    };
    let unable: Vec<&str> =
        row.competitors.iter().filter(|c| offers_not(&c.samples)).map(|c| c.name.as_str()).collect();
    if !unable.is_empty() {
        writeln!(text, "\nDo not offer it: {}.", list(unable))?;
    }
    let known = known();
    let all = known.iter().find(|known| known.id == row.id).map_or(&[][..], |known| known.competitors);
    let took_part = |name: &&str| row.competitors.iter().any(|c| c.name == *name && !c.samples.is_empty());
    let left_out: Vec<&str> = all.iter().copied().filter(|name| !took_part(name)).collect();
    if !left_out.is_empty() {
        writeln!(text, "\nNot measured in this run: {}.", list(left_out))?;
    }
    Ok(())
}
