//! Directories by their paths, where the system has no descriptors of directories.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, ReadDir};
use std::io;
use std::path::PathBuf;

use super::{Entry, Facts, Identity, Kind};

/// The entries of a directory, in no order.
#[derive(Debug)]
pub struct Entries(ReadDir);

pub fn read(names: &[&OsStr]) -> io::Result<Entries> {
    fs::read_dir(names.iter().collect::<PathBuf>()).map(Entries)
}

pub fn open(names: &[&OsStr]) -> io::Result<File> {
    let path: PathBuf = names.iter().collect();
    crate::input::regular(&fs::symlink_metadata(&path)?)?;
    File::open(path)
}

impl Entries {
    /// Whether the system makes up what the files hold.
    pub fn is_pseudo(&self) -> bool {
        false
    }

    /// What this directory is: the system does not tell.
    ///
    /// # Errors
    /// None.
    pub fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(None)
    }
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let look = |entry: fs::DirEntry| {
            let kind = entry.file_type()?;
            let kind = if kind.is_dir() {
                Kind::Directory
            } else if kind.is_file() {
                Kind::File(facts(&entry.metadata()?))
            } else {
                Kind::Other
            };
            Ok(Entry { name: entry.file_name(), kind })
        };
        Some(self.0.next()?.and_then(look))
    }
}

pub fn facts(metadata: &Metadata) -> Facts {
    Facts { size: metadata.len(), allocated: metadata.len(), identity: None, names: 1 }
}
