//! Which files to store, and in which order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use longshore::CancelToken;
use longshore_cli::tree::{Entry, Facts, Identity, Kind, Place};
use longshore_cli::{input, name};

/// A regular file.
#[derive(Clone, Debug)]
pub struct Source {
    pub place: Arc<Place>,
    /// As its directory says.
    pub size: u64,
}

/// Something that was to be stored and cannot even be looked at.
#[derive(Debug)]
pub struct Problem {
    pub path: PathBuf,
    pub error: io::Error,
}

/// What the inputs hold.
#[derive(Debug, Default)]
pub struct Found {
    pub files: Vec<Source>,
    pub problems: Vec<Problem>,
}

/// The directory that is left out wherever it is met, because the files in it are the results.
#[derive(Debug)]
pub struct Output {
    identity: Option<Identity>,
    path: PathBuf,
}

impl Output {
    /// The output, which exists.
    pub fn new(path: &Path) -> io::Result<Output> {
        let identity = Place::root(path).read()?.identity()?;
        Ok(Output { identity, path: path.canonicalize()? })
    }

    /// Fails if an input is the output, or inside of it.
    pub fn forbid(&self, input: &Path) -> Result<()> {
        // An input that is not there has an error of its own.
        let is_inside = input.canonicalize().is_ok_and(|path| path.starts_with(&self.path));
        ensure!(!is_inside, "{}: it is inside of the output", name::shown(input));
        Ok(())
    }

    fn is_at(&self, place: &Place, identity: Option<Identity>) -> bool {
        match identity {
            Some(identity) => Some(identity) == self.identity,
            // By its path, where that is all that the system tells.
            None => place.path().canonicalize().is_ok_and(|path| path == self.path),
        }
    }
}

/// Fails unless the input is a regular file or a directory.
pub fn check(input: &Path) -> Result<()> {
    let context = || format!("{}", name::shown(input));
    let metadata = input.metadata().with_context(context)?;
    if metadata.is_dir() { Ok(()) } else { input::regular(&metadata).with_context(context) }
}

/// All regular files of the inputs: these in their order, and directories in the order of the names in them. Ends early at a stop.
pub fn find(inputs: &[PathBuf], output: &Output, stop: &CancelToken) -> Found {
    let mut found = Found::default();
    for input in inputs {
        let place = Place::root(input);
        match input.metadata() {
            Ok(metadata) if metadata.is_dir() => walk(place, output, stop, &mut found),
            Ok(metadata) => match input::regular(&metadata) {
                Ok(()) => found.files.push(Source { place, size: metadata.len() }),
                Err(error) => found.problems.push(Problem { path: input.clone(), error }),
            },
            Err(error) => found.problems.push(Problem { path: input.clone(), error }),
        }
    }
    found
}

/// What is left to look at.
enum Open {
    File(Source),
    Directory(Arc<Place>),
}

fn walk(root: Arc<Place>, output: &Output, stop: &CancelToken, found: &mut Found) {
    // The next one to look at last.
    let mut open = vec![Open::Directory(root)];
    while let Some(next) = open.pop() {
        if stop.is_cancelled() {
            return;
        }
        match next {
            Open::File(source) => found.files.push(source),
            Open::Directory(place) => match read(&place, output) {
                Ok(mut entries) => {
                    entries.sort_by(|a, b| b.name.cmp(&a.name));
                    open.extend(entries.into_iter().filter_map(|entry| below(&place, entry)));
                }
                Err(error) => found.problems.push(Problem { path: place.path(), error }),
            },
        }
    }
}

fn read(place: &Arc<Place>, output: &Output) -> io::Result<Vec<Entry>> {
    let entries = place.read()?;
    if output.is_at(place, entries.identity()?) {
        return Ok(Vec::new());
    }
    let is_pseudo = entries.is_pseudo();
    // What the kernel makes up has no size to store it by.
    let is_left_out = |entry: &Entry| is_pseudo && matches!(entry.kind, Kind::File(_));
    entries.filter(|entry| !entry.as_ref().is_ok_and(is_left_out)).collect()
}

fn below(place: &Arc<Place>, Entry { name, kind }: Entry) -> Option<Open> {
    match kind {
        Kind::Directory => Some(Open::Directory(place.below(name))),
        Kind::File(Facts { size, .. }) => Some(Open::File(Source { place: place.below(name), size })),
        Kind::Other => None,
    }
}
