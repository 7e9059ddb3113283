//! What is made of records: tables for the terminal; BENCHMARKS.md with its plots, docs/benchmarks.md with
//! all tables, and the figures in README.md.

mod missing;
mod options;
mod page;
pub mod plain;
mod plots;
mod readme;
mod sources;
mod standing;
mod summary;
mod tables;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use longshore_rivals::rows::Better;

use crate::git::CHECKOUT;
use crate::record::{Record, RowRecord};
use crate::stats::Line;

/// Where the plots are, seen from BENCHMARKS.md.
const PLOTS: &str = "docs/plots";

/// The page of all tables, seen from BENCHMARKS.md.
const TABLES: &str = "docs/benchmarks.md";

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files that `run --json` and `count --json` wrote: together every row once, of the same commit.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the pages go [default: the checkout].
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Makes pages of any records, marked as a draft; into another folder than the checkout only.
    #[arg(long, requires = "into")]
    draft: bool,
}

/// A row, with the record that it is from.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    record: &'a Record,
    row: &'a RowRecord,
}

/// Writes the pages that the options ask for.
pub fn report(arguments: &Arguments) -> Result<()> {
    let records = arguments.files.iter().map(|path| Record::read(path)).collect::<Result<Vec<_>>>()?;
    let checkout = Path::new(CHECKOUT);
    let folder = arguments.into.as_deref().unwrap_or(checkout);
    let objection = sources::check(&records);
    if arguments.draft {
        let is_checkout = folder.canonicalize().ok() == checkout.canonicalize().ok();
        ensure!(!is_checkout, "a draft cannot go into the checkout, where the published pages are");
    } else if let Err(error) = objection {
        return Err(
            error.context("no page can be made of these records; --draft --into FOLDER makes a draft")
        );
    }
    write(&records, folder, arguments.draft)
}

/// Writes the pages and the plots into a folder.
fn write(records: &[Record], folder: &Path, is_draft: bool) -> Result<()> {
    let entries = merged(records);
    let plots = folder.join(PLOTS);
    if plots.exists() {
        // Plots that no page shows any more must not stay.
        fs::remove_dir_all(&plots).with_context(|| format!("cannot empty {}", plots.display()))?;
    }
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let drawn = plots::draw(&entries, &plots)?;
    for (name, text) in [
        ("BENCHMARKS.md", page::page(records, &entries, &drawn, is_draft)?),
        (TABLES, tables::page(records, &entries, is_draft)?),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    readme::update(&entries, folder)
}

/// The rows of all records in the order of the program; those that it does not know come last.
fn merged(records: &[Record]) -> Vec<Entry<'_>> {
    let known = missing::known();
    let place = |id: &str| known.iter().position(|known| known.id == id).unwrap_or(known.len());
    let rows = records.iter().flat_map(|record| record.rows.iter().map(move |row| Entry { record, row }));
    // A row in which nothing was measured says nothing.
    let mut entries: Vec<Entry<'_>> = rows.filter(|entry| entry.row.rounds() > 0).collect();
    entries.sort_by_key(|entry| place(&entry.row.id));
    entries
}

fn direction(better: Better) -> &'static str {
    match better {
        Better::Lower => "less is better",
        Better::Higher => "more is better",
    }
}

/// What went wrong, in words; nothing where the competitor does not offer the thing.
fn trouble(line: &Line) -> &str {
    if line.is_offered() { &line.trouble } else { "" }
}

#[cfg(test)]
mod tests {
    use super::sources::tests::whole;
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("longshore-report.{}.{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn arguments(files: Vec<PathBuf>, into: &Path, draft: bool) -> Arguments {
        Arguments { files, into: Some(into.to_owned()), draft }
    }

    #[test]
    fn a_record_becomes_two_pages_with_six_plots() {
        let folder = folder("whole");
        let file = folder.join("run.json");
        whole().save(&file).expect("written");
        fs::create_dir_all(folder.join(PLOTS)).expect("a folder");
        fs::write(folder.join(PLOTS).join("old.svg"), "").expect("written");
        report(&arguments(vec![file], &folder, false)).expect("pages");

        let page = fs::read_to_string(folder.join("BENCHMARKS.md")).expect("a page");
        let tables = fs::read_to_string(folder.join(TABLES)).expect("a page");
        assert!(page.lines().count() <= 250, "{} lines", page.lines().count());
        for known in missing::known() {
            assert!(tables.contains(&format!("`{}`", known.id)), "{}", known.id);
        }
        let mut plots: Vec<String> = fs::read_dir(folder.join(PLOTS))
            .expect("plots")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        plots.sort();
        assert_eq!(plots.len(), 6, "{plots:?}");
        for plot in plots {
            assert!(page.contains(&format!("({PLOTS}/{plot})")), "{plot} is not shown");
        }
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_is_no_record_becomes_a_draft_elsewhere_and_nothing_else() {
        let folder = folder("draft");
        let file = folder.join("run.json");
        let mut record = whole();
        record.objections.push("it was made with --no-record".to_owned());
        record.rows.truncate(20);
        record.save(&file).expect("written");
        let error = report(&arguments(vec![file.clone()], &folder, false)).expect_err("no record");
        assert!(format!("{error:#}").contains("--no-record"), "{error:#}");
        assert!(!folder.join("BENCHMARKS.md").exists());

        let error =
            report(&arguments(vec![file.clone()], Path::new(CHECKOUT), true)).expect_err("the checkout");
        assert!(error.to_string().contains("draft"), "{error:#}");

        report(&arguments(vec![file], &folder, true)).expect("a draft");
        let page = fs::read_to_string(folder.join("BENCHMARKS.md")).expect("a page");
        assert!(page.contains("**A draft"), "{page}");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
