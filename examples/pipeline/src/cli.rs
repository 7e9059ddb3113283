//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Stores files by their contents: hashes and compresses them in stages on pools with bounded queues, and writes an index.
#[derive(Debug, Parser)]
#[command(name = "stages", after_long_help = RULES)]
pub struct Cli {
    /// Files and directories (walked recursively)
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,

    /// Where objects and index go
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,

    /// Worker threads of the first stage, which reads and hashes
    #[arg(long, value_name = "N", default_value = "2")]
    pub readers: NonZeroUsize,

    /// Worker threads of the second stage, which compresses and writes [default: all cores that are available]
    #[arg(long, value_name = "N")]
    pub compressors: Option<NonZeroUsize>,

    /// Files that may wait before each stage
    #[arg(long, value_name = "N", default_value = "8")]
    pub queue: NonZeroUsize,

    /// Compression level, 1 to 19
    #[arg(short, long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,

    /// What to do about a file that cannot be stored
    #[arg(long, value_enum, default_value_t = OnError::Stop)]
    pub on_error: OnError,
}

/// The choices of `--on-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Stop at the first, and write no index
    Stop,
    /// Go on, and leave it out of the index
    Skip,
}

/// The rules behind the options, at the end of `--help`.
const RULES: &str = "\
Output:
  objects/HH/HASH.zst  each content once, whatever the number of files that have it; HH are the first digits of HASH
  index.tsv            a line for each file: hash, size, compressed size, path (with \\t \\n \\r \\\\ escaped),
                       in the order of the inputs and of the names in each directory
The index is there as a whole or not at all: after a stop, and after an error with --on-error stop, an index that was
there before stays as it was. Objects that were finished stay, and are not compressed again by the next run.
A file may have up to 1 GiB; it is held in memory as a whole. Symbolic links below an input, devices and the like are
left out.

Exit status:
  0    all files are stored and in the index
  1    some could not be stored
  2    usage: a bad option, an input that does not exist, an output that cannot be written
  130  Ctrl-C or SIGTERM (the second one ends the program on the spot)";
