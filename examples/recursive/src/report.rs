//! The result, as text or as JSON.

use std::io::{self, Write};

use longshore_cli::{name, print};

use crate::cli::Cli;
use crate::compare::Row;
use crate::found::{Found, Group};

/// Names printed of a group; `--json` has all.
const MOST_NAMES: usize = 4;

/// Writes the report to standard output, and the problems to standard error.
pub fn print(found: &Found, cli: &Cli) -> io::Result<()> {
    for problem in &found.problems {
        complain(&format!("{}: {}", name::shown(&problem.path), problem.error));
    }
    if found.more_problems > 0 {
        complain(&format!("and {} more", found.more_problems));
    }
    if cli.json { print::json(found) } else { print::report(|out| write_text(out, found, cli.top)) }
}

fn write_text(out: &mut dyn Write, found: &Found, top: usize) -> io::Result<()> {
    for group in found.groups.iter().take(top) {
        write_group(out, group)?;
    }
    if found.groups.len() > top {
        writeln!(out, "and {} more groups", found.groups.len() - top)?;
    }
    let Found { directories, files, links, empty, pseudo, others, bytes, linked_bytes, hashed, .. } = found;
    writeln!(out, "{files} files ({empty} empty) in {directories} directories, {others} others")?;
    if *links > 0 {
        writeln!(out, "{links} of them are further names of the same files, {:.1} MB", mb(*linked_bytes))?;
    }
    if *pseudo > 0 {
        writeln!(out, "{pseudo} of them are made up by the system, and were not compared")?;
    }
    writeln!(out, "{:.1} MB, {hashed} files had to be read", mb(*bytes))?;
    writeln!(out, "{} groups of duplicates waste {:.1} MB", found.groups.len(), mb(found.wasted()))?;
    if found.stopped {
        writeln!(out, "stopped: the figures are of a part of the tree")?;
    }
    Ok(())
}

fn write_group(out: &mut dyn Write, group: &Group) -> io::Result<()> {
    let (kilobytes, names) = (group.size.div_ceil(1000), group.files.len());
    match group.inodes == names {
        true => writeln!(out, "{kilobytes} kB, {names} times")?,
        false => writeln!(out, "{kilobytes} kB, {} times, under {names} names", group.inodes)?,
    }
    for file in group.files.iter().take(MOST_NAMES) {
        writeln!(out, "    {}", name::shown(file))?;
    }
    if names > MOST_NAMES {
        writeln!(out, "    and {} more", names - MOST_NAMES)?;
    }
    Ok(())
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Writes the table of `--compare`; after a stop there is none.
pub fn print_comparison(rows: Option<&[Row]>) -> io::Result<()> {
    print::report(|out| {
        let Some(rows) = rows else { return writeln!(out, "stopped: there is no comparison") };
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

fn complain(message: &str) {
    print::complain("recursive", message);
}
