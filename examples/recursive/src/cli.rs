//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use longshore_cli::amount;

use crate::finder::OnError;

/// Adds up the sizes in a directory tree and finds files of the same content, on a work-stealing pool.
#[derive(Debug, Parser)]
#[command(name = "recursive", after_long_help = RULES)]
pub struct Cli {
    /// The tree
    #[arg(default_value = ".")]
    pub root: PathBuf,

    /// Worker threads [default: all cores that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs)]
    pub jobs: Option<NonZeroUsize>,

    /// Directories and files that may wait for a worker, 1 to 1,000,000
    #[arg(long, value_name = "N", default_value = "4096", value_parser = amount::count::<1, 1_000_000>)]
    pub queue: usize,

    /// Groups of duplicates to print, those that waste the most first
    #[arg(long, value_name = "N", default_value = "10", value_parser = amount::count::<0, { usize::MAX }>)]
    pub top: usize,

    /// Stop at the first file or directory that cannot be read
    #[arg(long)]
    pub stop_at_first_error: bool,

    /// Walk the tree serially, on the pool, and with the walker of the crate `ignore`; compare results and times
    #[arg(long, conflicts_with_all = ["json", "stop_at_first_error"])]
    pub compare: bool,

    /// Print one JSON object with all groups on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

/// The rules behind the options, at the end of `--help`.
const RULES: &str = "\
Files are duplicates if their sizes and their contents (by BLAKE3) are equal. Only files that share their size with
another one are read, and of those that have holes only the rest. Empty files are counted and are nobody's duplicates.
Symbolic links, devices and the like are counted and not followed.

Each name of a file counts as a file, but a file with several names (hard links) is one: it is read once and wastes
nothing. A group of duplicates lists all names. What it wastes is the data of all its files but one; holes are no data.

Files that the kernel makes up (/proc, /sys) are counted and not compared: their sizes do not say what they hold.

Memory: files are read in blocks, and the tree is not held. What is held is one place for each size that occurs,
the places and hashes of files that share their size, further names of hard links, and up to --queue directories and
files that wait their turn.

Exit status:
  0  everything was read (with --compare: and all walkers found the same)
  1  something could not be read; it is named on standard error, and the rest is done unless
     --stop-at-first-error is given (with --compare: the walkers do not agree); or the report cannot be written
  2  a bad option, a root that is no directory, a pool that does not start
  129, 130, 143  SIGHUP, Ctrl-C, SIGTERM: what is known by then is reported. The second one ends the program at once";

impl Cli {
    pub fn on_error(&self) -> OnError {
        if self.stop_at_first_error { OnError::Stop } else { OnError::GoOn }
    }
}
