//! The result, as text or as JSON.

use std::io::{self, Write};

use crate::cli::Cli;
use crate::compare::Row;
use crate::finder::Found;

/// Names printed of a group; `--json` has all.
const MOST_NAMES: usize = 4;

/// Writes the report to standard output, and the problems to standard error.
pub fn print(found: &Found, cli: &Cli) -> io::Result<()> {
    for problem in &found.problems {
        complain(&format!("{}: {}", problem.path, problem.error));
    }
    if found.more_problems > 0 {
        complain(&format!("and {} more", found.more_problems));
    }
    to_stdout(|out| match cli.json {
        true => serde_json::to_writer_pretty(&mut *out, found).map_err(io::Error::from).and(writeln!(out)),
        false => write_text(out, found, cli.top),
    })
}

fn write_text(out: &mut dyn Write, found: &Found, top: usize) -> io::Result<()> {
    for group in found.groups.iter().take(top) {
        writeln!(out, "{} kB, {} times", group.size.div_ceil(1000), group.files.len())?;
        for file in group.files.iter().take(MOST_NAMES) {
            writeln!(out, "    {file}")?;
        }
        if group.files.len() > MOST_NAMES {
            writeln!(out, "    and {} more", group.files.len() - MOST_NAMES)?;
        }
    }
    if found.groups.len() > top {
        writeln!(out, "and {} more groups", found.groups.len() - top)?;
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let Found { directories, files, empty, others, bytes, hashed, .. } = found;
    writeln!(out, "{files} files ({empty} empty) in {directories} directories, {others} others")?;
    writeln!(out, "{:.1} MB, {hashed} files had to be read", mb(*bytes))?;
    let wasted = found.groups.iter().map(|group| group.wasted()).sum();
    writeln!(out, "{} groups of duplicates waste {:.1} MB", found.groups.len(), mb(wasted))?;
    if found.stopped {
        writeln!(out, "stopped at an error: the figures are of a part of the tree")?;
    }
    Ok(())
}

/// Writes the table of `--compare`.
pub fn print_comparison(rows: &[Row]) -> io::Result<()> {
    to_stdout(|out| {
        writeln!(out, "{:<24} {:>9} {:>9} {:>8} {:>9}  same", "walker", "ms", "files", "groups", "problems")?;
        for Row { name, time, agrees, found } in rows {
            let ms = time.as_secs_f64() * 1e3;
            let (files, groups) = (found.files, found.groups.len());
            let problems = found.problems.len() as u64 + found.more_problems;
            let same = if *agrees { "yes" } else { "NO" };
            writeln!(out, "{name:<24} {ms:>9.1} {files:>9} {groups:>8} {problems:>9}  {same}")?;
        }
        Ok(())
    })
}

fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        // Who closed the pipe wants no more of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    // `eprintln!` would panic if nobody listens; there is no one left to tell.
    let _ = writeln!(io::stderr(), "recursive: {message}");
}
