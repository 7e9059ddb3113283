//! A look at a source before the work: what its header says, where its output goes, whether there is anything
//! to do.

use std::fs::{self, File, Metadata};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use longshore_cli::{input, name};
use longshore_resize::codec::Header;
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::format;
use longshore_resize::orientation::Orientation;
use longshore_resize::transform::Sizes;
use longshore_resize::{Job, Output, Recipe, codec, job, weight, whole};

use crate::find::{Identity, Source};
use crate::plan::Destination;

/// Bytes that are read of a file for its header, at least.
const HEAD: usize = 16 << 10;

/// What decides about sources, the same for all of them.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What is made of a source of each kind, with its own format where that is kept.
    pub recipes: Vec<(longshore_resize::Input, Recipe)>,
    pub destination: Destination,
    /// Which outputs are left alone.
    pub existing: Existing,
    /// The memory that one image may take.
    pub memory: u64,
}

impl Rules {
    /// Refuses an image that needs more memory than all images may take.
    ///
    /// # Errors
    /// With what it needs and the limit.
    pub fn check_memory(&self, memory: u64, header: &Header) -> Result<(), Failure> {
        if memory <= self.memory {
            return Ok(());
        }
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let text = format!(
            "its {}x{} pixels take {}M of memory, more than the {}M of --max-memory",
            header.size.0,
            header.size.1,
            megabytes(memory),
            megabytes(self.memory)
        );
        Err(Failure::new(Kind::TooLarge, text))
    }
}

/// Which outputs are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// None.
    Replace,
    /// Those that are up to date.
    Update,
    /// All.
    Skip,
}

/// What a look at a source has found.
#[derive(Debug)]
pub struct Probed {
    /// Its output, if that can be told.
    pub output: Option<PathBuf>,
    /// The file in the output's place, if there is one.
    pub existing: Option<Identity>,
    pub verdict: Verdict,
}

/// What is to be done.
#[derive(Debug)]
pub enum Verdict {
    Todo { job: Job, sizes: Sizes, memory: u64, cost: u64 },
    UpToDate,
    Refused(Failure),
}

/// Looks at a source.
pub fn probe(source: &Source, rules: &Rules) -> Probed {
    let mut probed = Probed { output: None, existing: None, verdict: Verdict::UpToDate };
    probed.verdict = look(source, rules, &mut probed).unwrap_or_else(Verdict::Refused);
    probed
}

fn look(source: &Source, rules: &Rules, probed: &mut Probed) -> Result<Verdict, Failure> {
    let (file, metadata) = input::open(&source.path).map_err(|error| Failure::unreadable(&error))?;
    // The content decides how a file is read, its name what it becomes.
    let named = format::announced(&source.path).and_then(Result::ok);
    let limits = &rules.recipes[0].1.limits;
    job::check_size(metadata.len(), limits)?;
    let header = codec::header(&mut BufReader::with_capacity(HEAD, file), limits)?;
    let format = named.unwrap_or(header.format);
    let recipe = rules.recipes.iter().find(|(input, _)| *input == format).map(|(_, recipe)| recipe);
    let recipe = recipe.ok_or_else(|| Failure::internal("a format without a recipe"))?;
    let sizes = Sizes::of(&header, recipe)?;
    let output = rules.destination.output(source, recipe.format, sizes.to)?;
    let output = probed.output.insert(output);
    match there(output)? {
        Some(existing) => {
            probed.existing = Some(Identity::of(output, &existing));
            if is_done(rules, output, &existing, &metadata, recipe.format, &sizes) {
                return Ok(Verdict::UpToDate);
            }
        }
        None => probed.existing = None,
    }
    let memory = weight::need(metadata.len(), &header, &sizes, recipe);
    rules.check_memory(memory, &header)?;
    let cost = weight::cost(metadata.len(), &header, &sizes);
    let job = Job { source: source.path.clone(), output: output.clone(), recipe: recipe.clone() };
    Ok(Verdict::Todo { job, sizes, memory, cost })
}

/// The metadata of the file in an output's place.
fn there(output: &Path) -> Result<Option<Metadata>, Failure> {
    let unwritable = |text: String| Err(Failure::new(Kind::Unwritable, text));
    match fs::metadata(output) {
        Ok(metadata) if metadata.is_dir() => unwritable(format!("{} is a directory", name::shown(output))),
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => unwritable(format!("cannot write {}: {error}", name::shown(output))),
    }
}

/// Whether the output needs no work. An output counts by what it is: a whole file, of the size that it would
/// have now, and not older than its source. Anything that cannot be told is made anew.
fn is_done(
    rules: &Rules,
    output: &Path,
    existing: &Metadata,
    source: &Metadata,
    format: Output,
    sizes: &Sizes,
) -> bool {
    match (rules.existing, &rules.destination) {
        (Existing::Replace, _) => false,
        (Existing::Skip, _) => true,
        // Done in an earlier run, or small enough from the first.
        (Existing::Update, Destination::InPlace) => {
            sizes.from == sizes.to && sizes.orientation == Orientation::UPRIGHT
        }
        (Existing::Update, Destination::Below { .. }) => {
            let is_newer = match (source.modified(), existing.modified()) {
                (Ok(source), Ok(output)) => output >= source,
                _ => false,
            };
            let size = || {
                let file = File::open(output).ok()?;
                whole::size_of(&file, format).ok().flatten()
            };
            is_newer && existing.is_file() && size() == Some(sizes.to)
        }
    }
}
