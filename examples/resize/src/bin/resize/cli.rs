//! The command line: options and their help.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, ValueEnum};
use longshore_cli::amount;
use longshore_resize::format::Output;
use longshore_resize::recipe::{Animation, Colour, Damage, Fitting, Limits, Metadata, Recipe, Webp};
use longshore_resize::{Geometry, Input};

use crate::generate::Generate;
use crate::help;
use crate::names::Template;
use crate::shard::Shard;
use crate::values::{self, Pin};

/// Resizes JPEG, PNG, WebP, GIF and TIFF images on a work-stealing thread pool, one task for each image.
#[derive(Debug, Parser)]
#[command(name = "resize", version, after_long_help = help::RULES, max_term_width = 110)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Program {
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    pub command: Option<crate::cluster::Command>,

    #[command(flatten)]
    pub cli: Cli,
}

/// The options of a batch.
#[derive(Clone, Debug, Args)]
pub struct Cli {
    /// Files, directories (walked recursively) and quoted globs such as 'photos/**/*.jpg' [default: the
    /// sample photographs of the repository, always resized anew]
    pub inputs: Vec<PathBuf>,

    /// Read more names of files from this file, one a line; `-` is standard input
    #[arg(long, value_name = "FILE", help_heading = "Inputs and outputs")]
    pub files_from: Option<PathBuf>,

    /// Names in --files-from end with a zero byte, as `find -print0` writes them
    #[arg(short = '0', long, requires = "files_from", help_heading = "Inputs and outputs")]
    pub null: bool,

    /// Where the results go; the tree below each input directory is kept [default: ./resized, or
    /// target/resized of the checkout for the sample photographs]
    #[arg(short, long, value_name = "DIR", help_heading = "Inputs and outputs")]
    pub output: Option<PathBuf>,

    /// Keep the directories of the inputs as they are named, not only what is below them
    #[arg(long, help_heading = "Inputs and outputs")]
    pub parents: bool,

    /// Names of results below the output directory, of {dir} {stem} {ext} {w} {h}; an extension that is
    /// spelt out is that of the format [default: {dir}/{stem}.{ext}]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Inputs and outputs")]
    pub name: Option<Template>,

    /// Replace the sources by the results
    #[arg(long, conflicts_with_all = ["output", "name", "parents"], help_heading = "Inputs and outputs")]
    pub in_place: bool,

    /// Resize even when the output is up to date
    #[arg(long, help_heading = "Inputs and outputs")]
    pub force: bool,

    /// Leave every output alone that exists, up to date or not
    #[arg(long, conflicts_with_all = ["force", "in_place"], help_heading = "Inputs and outputs")]
    pub skip_existing: bool,

    /// Target size: 800x600, 800x, x600, 50%, 50x25%, with the suffixes > < ! ^
    #[arg(short, long, value_name = "GEOMETRY", default_value = "1600x1600", help_heading = "Picture")]
    pub size: Geometry,

    /// Let images grow to the target size (they only shrink otherwise)
    #[arg(long, help_heading = "Picture")]
    pub enlarge: bool,

    /// Output format; `keep` is that of the source, and PNG for GIF and TIFF
    #[arg(short, long, value_enum, default_value_t = Format::Keep, help_heading = "Picture")]
    pub format: Format,

    /// Quality of JPEG, lossy WebP and AVIF, 1 to 100
    #[arg(short, long, default_value_t = 82, help_heading = "Picture")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,

    /// Write progressive JPEG
    #[arg(long, help_heading = "Picture")]
    pub progressive: bool,

    /// Kind of WebP
    #[arg(long, value_enum, default_value_t = Webp::Auto, help_heading = "Picture")]
    pub webp: Webp,

    /// Leave pictures as the camera was held; the orientation is written with them
    #[arg(long, help_heading = "Picture")]
    pub no_rotate: bool,

    /// Colour profiles
    #[arg(long, visible_alias = "color", value_enum, default_value_t = Colour::Keep)]
    #[arg(help_heading = "Picture")]
    pub colour: Colour,

    /// EXIF and XMP
    #[arg(long, value_enum, default_value_t = Metadata::Basic, help_heading = "Picture")]
    pub metadata: Metadata,

    /// Average amounts of light rather than the numbers that stand for them
    #[arg(long, help_heading = "Picture")]
    pub linear: bool,

    /// Encode images anew that have their size and format already
    #[arg(long, help_heading = "Picture")]
    pub recode: bool,

    /// Images of which a part is missing
    #[arg(long, value_enum, default_value_t = Damage::Fail, help_heading = "Picture")]
    pub damage: Damage,

    /// Animations, and files with several pages
    #[arg(long, value_enum, default_value_t = Animation::Keep, help_heading = "Picture")]
    pub animation: Animation,

    /// Worker threads, 1 to 4096 [default: the cores listed in --pin, or else all that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs, help_heading = "Work")]
    pub jobs: Option<NonZeroUsize>,

    /// Pin workers to cores: none, compact, spread, or a list such as 0,2,4
    #[arg(long, value_name = "POLICY", default_value = "none", value_parser = values::pin)]
    #[arg(help_heading = "Work")]
    pub pin: Pin,

    /// How tasks reach the workers
    #[arg(long, value_enum, default_value_t = Model::Push, help_heading = "Work")]
    pub model: Model,

    /// Memory for all images that are worked on at a time, such as 512M or 2G [default: three quarters of
    /// what the process can have]
    #[arg(long, value_name = "SIZE", value_parser = amount::size, help_heading = "Work")]
    pub max_memory: Option<u64>,

    /// Pixels of an image, such as 200M or 1G
    #[arg(long, value_name = "PIXELS", default_value = "500M", value_parser = values::pixels)]
    #[arg(help_heading = "Work")]
    pub max_pixels: u64,

    /// Begin no image after this time, such as 500ms, 30s, 2m or 1h; those that have begun are finished
    #[arg(long, value_name = "DURATION", value_parser = amount::duration, help_heading = "Work")]
    pub timeout: Option<Duration>,

    /// Resize one part of N only: K/N, or `auto` and `auto/N` from the variables of Slurm and Kubernetes
    #[arg(long, value_name = "K/N", value_parser = Shard::parse, help_heading = "Work")]
    pub shard: Option<Shard>,

    /// Begin no image after the first failure
    #[arg(long, help_heading = "Work")]
    pub fail_fast: bool,

    /// Print what would be done and write nothing
    #[arg(short = 'n', long, help_heading = "Reports")]
    pub dry_run: bool,

    /// Print one JSON object on standard output, and nothing else there
    #[arg(long, help_heading = "Reports")]
    pub json: bool,

    /// Print a JSON object for each file, on a line of its own, as soon as it is done
    #[arg(long, conflicts_with = "json", help_heading = "Reports")]
    pub json_lines: bool,

    /// Print nothing but failures
    #[arg(long, conflicts_with_all = ["json", "json_lines"], help_heading = "Reports")]
    pub quiet: bool,

    /// Write a page with every picture before and after
    #[arg(long, value_name = "FILE.html", value_parser = PathBufValueParser::new().try_map(values::page))]
    #[arg(conflicts_with = "dry_run", help_heading = "Reports")]
    pub report: Option<PathBuf>,

    /// Record what each worker does, and when: one page (.html), or .json, .pftrace, .lsr for other viewers
    #[arg(long, value_name = "FILE.html", conflicts_with = "dry_run", help_heading = "Reports")]
    pub trace: Option<PathBuf>,

    /// Print the manual page, or completions for a shell, and end
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Reports")]
    pub generate: Option<Generate>,
}

/// The choices of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Avif,
    Keep,
}

impl Format {
    /// The format to write, or `None` to keep the source's.
    pub fn chosen(self) -> Option<Output> {
        match self {
            Format::Jpeg => Some(Output::Jpeg),
            Format::Png => Some(Output::Png),
            Format::Webp => Some(Output::Webp),
            Format::Avif => Some(Output::Avif),
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

impl Cli {
    /// The number of workers asked for, if any.
    pub fn workers(&self) -> Option<usize> {
        match (self.jobs, &self.pin) {
            (Some(jobs), _) => Some(jobs.get()),
            (None, Pin::Cores(cores)) => Some(cores.len()),
            (None, _) => None,
        }
    }

    /// The format of all outputs; `None` if each has its source's.
    ///
    /// # Errors
    /// If the option and the template of names contradict each other.
    pub fn output_format(&self) -> Result<Option<Output>> {
        let named = self.name.as_ref().and_then(Template::format);
        match (self.format.chosen(), named) {
            (Some(chosen), Some(named)) if chosen != named => {
                bail!("--format says {} and --name says {}", chosen.extension(), named.extension())
            }
            (chosen, named) => Ok(chosen.or(named)),
        }
    }

    /// What is to be made of a source whose name or content says that it has this format. All outputs have
    /// `format`, if it is given.
    pub fn recipe(&self, source: Input, format: Option<Output>, memory: u64) -> Recipe {
        Recipe {
            size: self.size,
            enlarge: self.enlarge,
            format: format.unwrap_or(source.kept()),
            quality: self.quality,
            progressive: self.progressive,
            webp: self.webp,
            rotate: !self.no_rotate,
            colour: self.colour,
            metadata: self.metadata,
            linear: self.linear,
            fitting: if self.recode { Fitting::Recode } else { Fitting::Keep },
            damage: self.damage,
            animation: self.animation,
            limits: Limits { pixels: self.max_pixels, memory, ..Limits::default() },
        }
    }
}
