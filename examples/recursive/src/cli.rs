//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;

use crate::finder::OnError;

/// Adds up the sizes in a directory tree and finds files of the same content, on a work-stealing pool.
#[derive(Debug, Parser)]
#[command(name = "recursive", after_long_help = RULES)]
pub struct Cli {
    /// The tree
    #[arg(default_value = ".")]
    pub root: PathBuf,

    /// Worker threads [default: all cores that are available]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Directories and files that may wait for a worker
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue: u32,

    /// Groups of duplicates to print, those that waste the most first
    #[arg(long, value_name = "N", default_value_t = 10)]
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
Files are duplicates if their sizes and their BLAKE3 hashes are equal. Only files that share their size with
another one are read. Empty files are counted and are nobody's duplicates. Each name of a hard link counts as a
file. Symbolic links, devices and the like are counted and not followed.

Memory: files are read in blocks, and the tree is not held. What is held is one path for each size that occurs,
the paths and hashes of files that share their size, and up to --queue directories and files that wait their turn.

Exit status:
  0  everything was read (with --compare: and all walkers found the same)
  1  something could not be read; it is named on standard error, and the rest is done unless
     --stop-at-first-error is given (with --compare: the walkers do not agree)
  2  usage: a bad option, or the root is no directory";

impl Cli {
    pub fn queue(&self) -> usize {
        self.queue as usize
    }

    pub fn on_error(&self) -> OnError {
        if self.stop_at_first_error { OnError::Stop } else { OnError::GoOn }
    }
}
