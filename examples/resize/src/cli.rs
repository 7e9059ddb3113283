//! The command line: options, their help, and the parsing of those that are more than a word.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::geometry::Geometry;
use crate::units;
use longshore_resize::pipeline;

/// Resizes JPEG, PNG and WebP images on a work-stealing thread pool, one task for each image.
#[derive(Debug, Parser)]
#[command(name = "resize", after_long_help = RULES)]
pub struct Cli {
    /// Files, directories (walked recursively) and quoted globs such as 'photos/**/*.jpg' [default: the
    /// sample photographs of the repository, always resized anew]
    pub inputs: Vec<PathBuf>,

    /// Where the results go; the tree below each input directory is kept [default: ./resized, or
    /// target/resized of the checkout for the sample photographs]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Target size: 800x600, 800x, x600, 50%, 50x25%, with the suffixes > < ! ^
    #[arg(short, long, value_name = "GEOMETRY", default_value = "1600x1600")]
    pub size: Geometry,

    /// Let images grow to the target size (they only shrink otherwise)
    #[arg(long)]
    pub enlarge: bool,

    /// JPEG quality, 1 to 100
    #[arg(short, long, default_value_t = 82, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,

    /// Output format; `keep` goes by the name of the source
    #[arg(short, long, value_enum, default_value_t = Format::Keep)]
    pub format: Format,

    /// Worker threads [default: the cores listed in --pin, or else all that are available]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Pin workers to cores: none, compact, spread, or a list such as 0,2,4
    #[arg(long, value_name = "POLICY", default_value = "none", value_parser = parse_pin)]
    pub pin: Pin,

    /// How tasks reach the workers
    #[arg(long, value_enum, default_value_t = Model::Push)]
    pub model: Model,

    /// Work on so many images at a time only as fit into this much memory: bytes, or with a suffix K, M, G, T
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub max_memory: Option<u64>,

    /// Begin no image after this time, such as 500ms, 30s, 2m or 1h; those that have begun are finished
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub timeout: Option<Duration>,

    /// Begin no image after the first failure
    #[arg(long)]
    pub fail_fast: bool,

    /// Resize even when the output is newer than its source
    #[arg(long)]
    pub force: bool,

    /// Print what would be done and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

/// The rules behind the options, at the end of `--help`.
const RULES: &str = "\
Geometry, as in ImageMagick (quote it, the suffixes mean something to a shell):
  WxH       fit inside W x H, keeping the aspect ratio
  Wx, xH    the other side follows the aspect ratio
  N%, NxM%  a share of the source's sides
  WxH!      exactly these sides, whatever the aspect ratio (Wx! keeps the source's height)
  WxH^      cover W x H: one side fits, the other sticks out
  WxH>      only shrink, even with --enlarge
  WxH<      only enlarge
Unlike ImageMagick, no side ever grows unless --enlarge or the suffix '<' says so; with '!' each side is
limited by itself. An image that keeps its size is still written anew.

Images:
  The EXIF orientation is applied. ICC profiles are carried over where they fit the output's channels,
  all other metadata is dropped. 16-bit samples become 8-bit. JPEG has no transparency: images are laid
  on white. WebP output is always lossless, so --quality matters to JPEG alone. Of an animation the
  default image is resized. An image may take up to 65535 pixels a side and 512 MiB decoded. A file that
  is cut short fails; other damage to the pixels of a JPEG goes unnoticed where the decoder bridges it.

Files:
  Files in directories and globs count by their names: .jpg .jpeg .jpe .jfif .png .webp. Symbolic links
  to files are followed, links to directories below an input are not. An output that is at least as new
  as its source is left alone, even if made with other options: use --force. Results are written to a
  temporary file and renamed. A second source of one output, and an output that would replace a source,
  are errors.

Memory:
  What an image takes is judged from the header of its file: the file, its pixels, what the codecs and the
  resizer keep beside them, and the output. With --max-memory, images are begun in the order of the inputs,
  each as soon as it fits beside those that are being worked on. One that needs more than all of it, or whose
  header cannot be read, is worked on alone: the batch is done whatever the setting, and takes more memory
  than that only for the time of such an image. The program itself comes on top, a few MB. --dry-run tells
  what each image takes.

Ends before the end:
  With --fail-fast nothing begins once a file has failed; what has begun is finished. If a file is known to
  fail before the first begins, none does. Time for --timeout runs from the moment at which the inputs have
  been listed. After Ctrl-C nothing begins, what has begun is finished, and what is left is reported; a second
  Ctrl-C ends the program at once. In no case is there half an output.

Exit status, the first that applies:
  130  Ctrl-C was pressed
  2    usage: a bad option, or the inputs hold no image
  5    some files failed (a named input that does not exist counts as a failed file)
  6    some files were not started in time
  0    everything was done";

/// The choices of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Keep,
}

impl Format {
    /// The format to write, or `None` to keep the source's.
    pub fn chosen(self) -> Option<pipeline::Format> {
        match self {
            Format::Jpeg => Some(pipeline::Format::Jpeg),
            Format::Png => Some(pipeline::Format::Png),
            Format::Webp => Some(pipeline::Format::Webp),
            Format::Keep => None,
        }
    }
}

/// The choices of `--model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Each task is handed to one worker, from whom others may steal it.
    Push,
    /// All workers take their tasks from one shared queue.
    Pull,
}

/// The choices of `--pin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    None,
    Compact,
    Spread,
    Cores(Vec<usize>),
}

fn parse_pin(text: &str) -> Result<Pin, String> {
    match text {
        "none" => Ok(Pin::None),
        "compact" => Ok(Pin::Compact),
        "spread" => Ok(Pin::Spread),
        list => list
            .split(',')
            .map(|core| core.trim().parse())
            .collect::<Result<Vec<usize>, _>>()
            .map(Pin::Cores)
            .map_err(|_| "expected none, compact, spread, or core numbers such as 0,2,4".into()),
    }
}

impl Cli {
    /// The number of workers asked for, if any.
    pub fn workers(&self) -> Option<usize> {
        match (self.jobs, &self.pin) {
            (Some(jobs), _) => Some(jobs.get()),
            (None, Pin::Cores(cores)) => Some(cores.len()),
            (None, _) => None,
        }
    }
}
