//! The walk with the parallel walker of the crate `ignore`, to compare with. Its threads hash what they find.

use std::io;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, Error, WalkBuilder, WalkState};
use longshore::CancelToken;
use longshore_cli::tree::{Facts, Place};

use crate::finder::{Finder, OnError, Origin, Sized};
use crate::found::Found;

/// Walks the tree with so many threads.
pub fn walk(root: &Path, threads: usize, stop: &CancelToken) -> Found {
    let finder = Finder::new(OnError::GoOn, stop.clone());
    let walker = WalkBuilder::new(root).standard_filters(false).threads(threads).build_parallel();
    walker.run(|| {
        Box::new(|entry| {
            match entry {
                Ok(entry) => visit(&finder, entry),
                Err(error) => note(&finder, root, error),
            }
            if finder.is_stopped() { WalkState::Quit } else { WalkState::Continue }
        })
    });
    finder.finish()
}

fn visit(finder: &Finder, entry: DirEntry) {
    match entry.file_type() {
        Some(kind) if kind.is_dir() => finder.foreign_directory(),
        Some(kind) if kind.is_file() => match entry.metadata() {
            Ok(metadata) => {
                let origin = origin(&entry);
                let file = Sized { place: Place::root(entry.path()), facts: Facts::of(&metadata) };
                let files = finder.file(file, origin);
                files.into_iter().flatten().for_each(|file| finder.hash(file));
            }
            Err(error) => note(finder, entry.path(), error),
        },
        _ => finder.other(),
    }
}

/// This walker does not say on what file system it is: only below the usual places of those that the kernel makes up it is
/// worth asking.
fn origin(entry: &DirEntry) -> Origin {
    let Some(directory) = entry.path().parent() else { return Origin::Disk };
    let is_usual = ["/proc", "/sys", "/dev"].iter().any(|place| directory.starts_with(place));
    match is_usual && Place::root(directory).read().is_ok_and(|entries| entries.is_pseudo()) {
        true => Origin::Pseudo,
        false => Origin::Disk,
    }
}

/// Finds out where the error happened, which this walker tells only in layers.
fn note(finder: &Finder, near: &Path, error: Error) {
    let path = place(&error).unwrap_or_else(|| near.to_owned());
    let error = error.into_io_error().unwrap_or_else(|| io::Error::other("not an error of the system"));
    finder.problem(path, &error);
}

fn place(error: &Error) -> Option<PathBuf> {
    match error {
        Error::WithPath { path, .. } => Some(path.clone()),
        Error::WithDepth { err, .. } | Error::WithLineNumber { err, .. } => place(err),
        _ => None,
    }
}
