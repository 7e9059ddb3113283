//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use longshore_cli::amount::{self, AmountError};
use longshore_cli::limits;

/// Stores files by their contents: hashes and compresses them in stages on pools with bounded queues, and
/// writes an index.
#[derive(Debug, Parser)]
#[command(name = "stages", after_long_help = RULES)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub struct Program {
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    pub command: Option<crate::cluster::Command>,

    #[command(flatten)]
    pub cli: Option<Cli>,
}

/// The options of a run on this machine.
#[derive(Debug, Args)]
pub struct Cli {
    /// Files and directories (walked recursively)
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,

    /// Where objects and index go
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,

    /// Worker threads of the first stage, which reads and hashes
    #[arg(long, value_name = "N", default_value = "2", value_parser = amount::jobs)]
    pub readers: NonZeroUsize,

    /// Worker threads of the second stage, which compresses and writes [default: all cores that are
    /// available]
    #[arg(long, value_name = "N", value_parser = amount::jobs)]
    pub compressors: Option<NonZeroUsize>,

    /// Files that may wait before each stage, 1 to 1,000,000
    #[arg(long, value_name = "N", default_value = "8", value_parser = amount::count::<1, 1_000_000>)]
    pub queue: usize,

    /// What the files that are under way may take together (256M, 2G), from 16M [default: a quarter of the
    /// memory, at most 1G]
    #[arg(long, value_name = "BYTES", value_parser = parse_memory)]
    pub memory: Option<u64>,

    /// Compression level, 1 to 19
    #[arg(short, long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,

    /// Decompress every object that is known and compare its hash, instead of looking whether it is complete
    #[arg(long)]
    pub check: bool,

    /// What to do about a file or directory that cannot be stored
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

/// The least memory: some blocks for each stage.
const LEAST_MEMORY: u64 = 16 << 20;
/// The most that is taken without being told to.
const USUAL_MEMORY: u64 = 1 << 30;

impl Cli {
    /// Bytes of all files that are under way.
    pub fn memory(&self) -> u64 {
        let usual = || limits::memory().map_or(USUAL_MEMORY, |memory| (memory / 4).min(USUAL_MEMORY));
        self.memory.unwrap_or_else(usual).max(LEAST_MEMORY)
    }
}

fn parse_memory(text: &str) -> Result<u64, AmountError> {
    match amount::size(text)? {
        size if size < LEAST_MEMORY => Err(AmountError::Beyond { text: text.into(), limit: "16M".into() }),
        size => Ok(size),
    }
}

/// The rules behind the options, at the end of `--help`.
const RULES: &str = "\
Output:
  objects/HH/HASH.zst  each content once, whatever the number of files that have it; HH are the first digits
                       of HASH
  index.tsv            a line for each file: hash, size, compressed size, path, in the order of the inputs
                       and of the names in each directory; in a path \\t \\n \\r \\\\ are escaped, and other
                       control characters and bytes that are not UTF-8 are \\xHH
The index is there as a whole or not at all: after a stop, and after an error with --on-error stop, an index
that was there before stays as it was. Objects that were finished stay, and are not compressed again by the
next run. All objects are on the disk before the index that names them. An object that is incomplete, or is
no file, is made anew; --check finds every other damage as well.

Symbolic links below an input, devices and the like, files that the kernel makes up (/proc, /sys), and the
output itself are left out.

A file of more than an eighth of --memory is read twice, block by block, instead of being held. Beside
--memory each compressor takes what its level needs: about 4 MB at level 6, 80 MB at level 19.

Exit status:
  0  all files are stored and in the index
  1  some could not be stored, or the report not be written
  2  a bad option, an input that does not exist or is no regular file (with --on-error skip: 1), an output
     that cannot be written, a pool that does not start
  69 push, work, status: the broker has stopped answering, or has not confirmed the ends of jobs
  75 work: jobs were left that still ran (beyond --job-limit, or after the time of --grace)
  129, 130, 143  SIGHUP, Ctrl-C, SIGTERM: there is no new index. The second one ends the program at once";
