//! Where results go: the output directory or the places of the sources, and what must not be written there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};
use longshore_cli::name::shown;
use longshore_cli::output::Staged;
use longshore_resize::Output;
use longshore_resize::failure::{Failure, Kind};

use crate::cli::Cli;
use crate::find::{Identity, Source};
use crate::names::{self, Template};

/// Where results go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Below a directory.
    Below { root: PathBuf, template: Option<Template> },
    /// Into the places of the sources.
    InPlace,
}

impl Destination {
    /// Below a directory, by the rules of the command line.
    pub fn below(root: PathBuf, cli: &Cli) -> Destination {
        Destination::Below { root, template: cli.name.clone() }
    }

    /// The output directory, if there is one.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Destination::Below { root, .. } => Some(root),
            Destination::InPlace => None,
        }
    }

    /// What the report says.
    pub fn shown(&self) -> &Path {
        self.root().unwrap_or(Path::new("the places of the sources"))
    }

    /// Makes sure that the output directory can be, before any work is done for it. Nothing is left behind.
    ///
    /// # Errors
    /// What stands in its way.
    pub fn check(&self) -> Result<()> {
        let Some(root) = self.root() else { return Ok(()) };
        check_directory(root).with_context(|| format!("cannot write to the output directory {}", shown(root)))
    }

    /// The output of a source.
    ///
    /// # Errors
    /// If it cannot be what the destination says.
    pub fn output(&self, source: &Source, format: Output, size: (u32, u32)) -> Result<PathBuf, Failure> {
        match self {
            Destination::Below { root, template: Some(template) } => {
                Ok(root.join(template.fill(&source.relative, format, size)))
            }
            Destination::Below { root, template: None } => {
                Ok(root.join(names::plain(&source.relative, format)))
            }
            // What a link leads to is replaced, not the link.
            Destination::InPlace if format.fits(&source.path) => {
                fs::canonicalize(&source.path).map_err(|error| Failure::unreadable(&error))
            }
            Destination::InPlace => {
                let text = format!("--in-place cannot write {} under this name", format.extension());
                Err(Failure::new(Kind::Conflict, text))
            }
        }
    }
}

/// Makes sure that a directory is there and can be written to, or can be made. Nothing is left behind.
///
/// # Errors
/// What stands in its way.
pub fn check_directory(directory: &Path) -> io::Result<()> {
    let mut nearest = directory;
    // The directory that the first missing one will be made in.
    while let Err(error) = fs::metadata(nearest) {
        match (error.kind(), nearest.parent()) {
            (io::ErrorKind::NotFound, Some(parent)) if parent.as_os_str().is_empty() => {
                nearest = Path::new(".")
            }
            (io::ErrorKind::NotFound, Some(parent)) => nearest = parent,
            _ => break,
        }
    }
    Staged::begin(&nearest.join("probe")).map(drop)
}

/// The outputs that are given out, so that no file is written twice and no source is lost.
#[derive(Debug, Default)]
pub struct Claims {
    /// Every file of the batch: none of them is replaced on behalf of another.
    sources: HashSet<Identity>,
    /// The outputs given out so far, and to which source.
    taken: HashMap<PathBuf, (Identity, PathBuf)>,
}

/// What becomes of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// The output is the source's.
    Granted,
    /// The source has it already: it is in the batch twice.
    Repeated,
}

impl Claims {
    /// With the sources of a batch.
    pub fn of<'a>(sources: impl Iterator<Item = &'a Source>) -> Claims {
        Claims { sources: sources.map(|source| source.identity.clone()).collect(), taken: HashMap::new() }
    }

    /// Gives `output`, of which `existing` is the identity if there is one, to `source`.
    ///
    /// # Errors
    /// If it belongs to another source, or is one.
    pub fn claim(
        &mut self,
        source: &Source,
        output: &Path,
        existing: Option<&Identity>,
        in_place: bool,
    ) -> Result<Claim, Failure> {
        let conflict = |text: String| Err(Failure::new(Kind::Conflict, text));
        let is_own = in_place && existing == Some(&source.identity);
        if !is_own && existing.is_some_and(|existing| self.sources.contains(existing)) {
            return conflict(format!("{} is itself a source and is not replaced", shown(output)));
        }
        let key = collision_key(output);
        match self.taken.get(&key) {
            Some((holder, _)) if *holder == source.identity => Ok(Claim::Repeated),
            Some((_, holder)) => conflict(format!(
                "{} is already the output of {}; --parents or --name keep them apart",
                shown(output),
                shown(holder)
            )),
            None => {
                self.taken.insert(key, (source.identity.clone(), source.path.clone()));
                Ok(Claim::Granted)
            }
        }
    }
}

/// Outputs with equal keys are one file.
fn collision_key(output: &Path) -> PathBuf {
    // The usual file systems of these two do not tell upper from lower case.
    if cfg!(any(windows, target_os = "macos")) {
        PathBuf::from(output.to_string_lossy().to_lowercase())
    } else {
        output.to_path_buf()
    }
}
