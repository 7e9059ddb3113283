//! Directory trees of any depth: places in a tree, and the directories and files at them.
//!
//! A path longer than the system takes (4,096 bytes on Linux) cannot be opened as a whole. A [`Place`] is opened in steps
//! then, each relative to the directory before, and no descriptor is held in between: any number of places costs none. Symbolic
//! links below the root are not followed, and only regular files are opened, without blocking.
//!
//! ```
//! use longshore_cli::tree::{Kind, Place};
//!
//! let root = Place::root(std::path::Path::new("src"));
//! for entry in root.read()? {
//!     let entry = entry?;
//!     if let Kind::File(facts) = entry.kind {
//!         println!("{} bytes: {}", facts.size, root.below(entry.name).path().display());
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(not(unix))]
#[path = "other.rs"]
mod system;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::input;

pub use system::Entries;

/// Where something is: its name, and the place of the directory that it is in.
#[derive(Debug)]
pub struct Place {
    parent: Option<Arc<Place>>,
    name: OsString,
}

/// Something in a directory.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the directory.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
}

/// What something in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Facts),
    /// A symbolic link, a named pipe, a socket, a device.
    Other,
}

/// What a directory tells of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its length in bytes.
    pub size: u64,
    /// The bytes that it takes on the disk: fewer than its size if it has holes or is compressed.
    pub allocated: u64,
    /// What the file is, whatever its names; `None` where the system does not tell.
    pub identity: Option<Identity>,
    /// How many names it has.
    pub names: u64,
}

/// Names a file: two names with the same identity are hard links to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

impl Facts {
    /// The facts about an open file, or about one that was looked at.
    pub fn of(metadata: &Metadata) -> Facts {
        system::facts(metadata)
    }
}

impl Place {
    /// The root of a tree. If it is a symbolic link, that is followed.
    pub fn root(path: &Path) -> Arc<Place> {
        Arc::new(Place { parent: None, name: path.as_os_str().to_owned() })
    }

    /// The place of an entry of this directory.
    pub fn below(self: &Arc<Self>, name: OsString) -> Arc<Place> {
        Arc::new(Place { parent: Some(Arc::clone(self)), name })
    }

    /// The whole path, which may be longer than the system takes.
    pub fn path(&self) -> PathBuf {
        self.names().into_iter().collect()
    }

    /// From the root on.
    fn names(&self) -> Vec<&OsStr> {
        let mut names = vec![&*self.name];
        let mut place = self;
        while let Some(parent) = &place.parent {
            names.push(&parent.name);
            place = parent;
        }
        names.reverse();
        names
    }

    /// Reads it as a directory.
    ///
    /// # Errors
    /// What the system says, also that it is no directory.
    pub fn read(&self) -> io::Result<Entries> {
        system::read(&self.names())
    }

    /// Opens it as a file for reading.
    ///
    /// # Errors
    /// As [`input::open`].
    pub fn open(&self) -> io::Result<(File, Metadata)> {
        let file = system::open(&self.names())?;
        let metadata = file.metadata()?;
        input::regular(&metadata)?;
        Ok((file, metadata))
    }
}

/// Frees a chain of places one after the other: the default would go as deep into the stack as the tree is.
impl Drop for Place {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(place) = parent {
            parent = Arc::into_inner(place).and_then(|mut place| place.parent.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sorted(place: &Arc<Place>) -> Vec<Entry> {
        let mut entries: Vec<_> =
            place.read().expect("a directory").collect::<Result<_, _>>().expect("readable");
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    #[test]
    fn a_directory_says_what_is_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("file"), "text").expect("a file");
        std::fs::create_dir(directory.path().join("sub")).expect("a directory");
        let root = Place::root(directory.path());
        let entries = sorted(&root);
        assert_eq!(entries.len(), 2);
        assert!(matches!(entries[0].kind, Kind::File(Facts { size: 4, names: 1, .. })), "{entries:?}");
        assert_eq!(entries[1].kind, Kind::Directory);
        let mut text = String::new();
        let file = root.below("file".into());
        assert_eq!(file.path(), directory.path().join("file"));
        file.open().expect("a file").0.read_to_string(&mut text).expect("readable");
        assert_eq!(text, "text");
        assert!(file.read().is_err());
        assert!(root.below("sub".into()).open().is_err());
        assert!(root.below("none".into()).open().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_at_the_root_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        std::fs::create_dir(place("real")).expect("a directory");
        std::fs::write(place("real/file"), "").expect("a file");
        std::os::unix::fs::symlink("real", place("link")).expect("a link");
        std::os::unix::fs::symlink("file", place("real/alias")).expect("a link");
        std::fs::hard_link(place("real/file"), place("real/name")).expect("a hard link");
        let root = Place::root(&place("link"));
        let entries = sorted(&root);
        assert_eq!(entries.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), ["alias", "file", "name"]);
        let (Kind::Other, Kind::File(file), Kind::File(name)) =
            (entries[0].kind, entries[1].kind, entries[2].kind)
        else {
            panic!("{entries:?}")
        };
        assert_eq!((file, file.names), (name, 2));
        assert_eq!(Facts::of(&root.below("file".into()).open().expect("a file").1), file);
        assert!(root.below("alias".into()).open().is_err());
        assert!(Place::root(directory.path()).below("link".into()).read().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_file_does_not_block() {
        use rustix::fs::{CWD, FileType, mknodat};

        let directory = tempfile::tempdir().expect("a directory");
        mknodat(CWD, directory.path().join("pipe"), FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let root = Place::root(directory.path());
        assert_eq!(sorted(&root)[0].kind, Kind::Other);
        let refused = root.below("pipe".into()).open().expect_err("it is none");
        assert!(refused.to_string().contains("a named pipe"), "{refused}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_tree_may_be_deeper_than_a_path_is_long() {
        use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

        const DEPTH: usize = 3000;
        let directory = tempfile::tempdir().expect("a directory");
        let mut place = Place::root(directory.path());
        let mut parent = openat(CWD, directory.path(), OFlags::PATH, Mode::empty()).expect("a directory");
        for _ in 0..DEPTH {
            mkdirat(&parent, "level", Mode::RWXU).expect("a directory");
            parent = openat(&parent, "level", OFlags::PATH, Mode::empty()).expect("a directory");
            place = place.below("level".into());
        }
        let flags = OFlags::CREATE | OFlags::WRONLY;
        std::io::Write::write_all(
            &mut File::from(openat(&parent, "bottom", flags, Mode::RUSR).expect("a file")),
            b"text",
        )
        .expect("written");
        assert!(place.path().as_os_str().len() > 6 * DEPTH);
        let entries = sorted(&place);
        assert!(matches!(entries[0].kind, Kind::File(Facts { size: 4, .. })), "{entries:?}");
        assert_eq!(place.below("bottom".into()).open().expect("a file").1.len(), 4);
        // Its own removal goes by paths.
        remove(directory);
    }

    /// Removes a tree that is too deep for paths.
    #[cfg(target_os = "linux")]
    fn remove(directory: tempfile::TempDir) {
        let gone = std::process::Command::new("rm").arg("-rf").arg(directory.keep()).status().expect("rm");
        assert!(gone.success());
    }

    #[test]
    fn a_chain_of_places_is_freed_without_a_deep_stack() {
        let mut place = Place::root(Path::new("root"));
        for _ in 0..1_000_000 {
            place = place.below("a".into());
        }
        drop(place);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_that_the_kernel_makes_up_are_known() {
        assert!(Place::root(Path::new("/proc/self")).read().expect("a directory").is_pseudo());
        let here = Place::root(Path::new(".")).read().expect("a directory");
        assert!(!here.is_pseudo());
        let same = Place::root(Path::new("../cli")).read().expect("a directory");
        assert_eq!(here.identity().expect("it tells"), same.identity().expect("it tells"));
    }
}
