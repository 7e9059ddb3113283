//! Outputs beneath a root, whatever their paths say: no `..`, no absolute path elsewhere, no symbolic link on
//! the way leads out of the root.
//!
//! A path that comes from another machine is not trusted. Each directory on the way is opened relative to the
//! one before it and never through a link, and made if it is not there; the file is then written relative to
//! the last of them. A link that takes the place of a directory meanwhile changes nothing.
//!
//! ```
//! use std::io::Write;
//! use std::path::Path;
//!
//! use longshore_cli::beneath::Root;
//! use longshore_cli::output::{Durability, Staged};
//!
//! # if cfg!(target_os = "linux") {
//! let directory = tempfile::tempdir()?;
//! let root = Root::open(directory.path())?;
//! let place = root.place(Path::new("sub/file"))?;
//! let mut file = Staged::begin(&place.path())?;
//! file.write_all(b"text")?;
//! file.commit(Durability::Later)?;
//! assert_eq!(std::fs::read(directory.path().join("sub/file"))?, b"text");
//! assert!(root.place(Path::new("../file")).is_err());
//! assert!(root.place(Path::new("/etc/file")).is_err());
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::name::shown;

/// A directory beneath which files may be written.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    directory: system::Directory,
}

/// A place for a file beneath a root. It holds its directory open.
#[derive(Debug)]
pub struct Place {
    directory: system::Directory,
    name: OsString,
}

impl Root {
    /// Opens the root, which exists. Its own path may lead over links.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Unsupported`] where directories cannot be held open (everywhere
    /// but on Linux).
    pub fn open(path: &Path) -> io::Result<Root> {
        let path = path.canonicalize()?;
        Ok(Root { directory: system::open(&path)?, path })
    }

    /// The root's path, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place of a file, whose directories are made. The path is absolute and beneath the root, or
    /// relative to it.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] with a message that names the path if it leads, or may lead, out
    /// of the root; otherwise what the system says.
    pub fn place(&self, target: &Path) -> io::Result<Place> {
        let outside = |what: &str| {
            let text = format!("{} is not written: {what} {}", shown(target), shown(&self.path));
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        };
        let relative = match target.is_absolute() {
            true => target.strip_prefix(&self.path).map_err(|_| outside("it is outside of"))?,
            false => target,
        };
        let mut names = Vec::new();
        for component in relative.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::CurDir => {}
                _ => return Err(outside("it leads out of")),
            }
        }
        let name = names.pop().ok_or_else(|| outside("it names no file beneath"))?;
        let mut directory = self.directory.duplicate()?;
        for step in names {
            directory = directory.enter(step).map_err(|error| match system::is_link(&error) {
                true => outside("a symbolic link, or no directory, is on its way beneath"),
                false => error,
            })?;
        }
        Ok(Place { directory, name: name.to_owned() })
    }
}

impl Place {
    /// A path of the file for this process, for as long as the place is held.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::OsStr;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::path::{Path, PathBuf};

    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use rustix::io::Errno;

    const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    #[derive(Debug)]
    pub struct Directory(OwnedFd);

    pub fn open(path: &Path) -> io::Result<Directory> {
        Ok(Directory(openat(CWD, path, DIRECTORY, Mode::empty())?))
    }

    /// How the system refuses what is no directory but a link, or a file.
    pub fn is_link(error: &io::Error) -> bool {
        let refusals = [Errno::LOOP, Errno::NOTDIR].map(Errno::raw_os_error);
        error.raw_os_error().is_some_and(|number| refusals.contains(&number))
    }

    impl Directory {
        pub fn duplicate(&self) -> io::Result<Directory> {
            self.0.try_clone().map(Directory)
        }

        /// Opens a directory in this one, and makes it if it is not there.
        pub fn enter(&self, name: &OsStr) -> io::Result<Directory> {
            let enter = || openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
            match enter() {
                Err(Errno::NOENT) => {}
                entered => return Ok(Directory(entered?)),
            }
            match mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
                // Another worker was faster.
                Ok(()) | Err(Errno::EXIST) => Ok(Directory(enter()?)),
                Err(error) => Err(error.into()),
            }
        }

        /// The descriptor as a path, which leads to the directory itself, wherever that is now.
        pub fn path(&self) -> PathBuf {
            format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::ffi::OsStr;
    use std::io;
    use std::path::{Path, PathBuf};

    #[derive(Debug)]
    pub struct Directory;

    pub fn open(_: &Path) -> io::Result<Directory> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot hold a directory open"))
    }

    pub fn is_link(_: &io::Error) -> bool {
        false
    }

    impl Directory {
        pub fn duplicate(&self) -> io::Result<Directory> {
            Ok(Directory)
        }

        pub fn enter(&self, _: &OsStr) -> io::Result<Directory> {
            Ok(Directory)
        }

        pub fn path(&self) -> PathBuf {
            PathBuf::new()
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::output::{Durability, Staged};

    fn write(root: &Root, target: &str) -> io::Result<()> {
        let place = root.place(Path::new(target))?;
        let mut file = Staged::begin(&place.path())?;
        file.write_all(b"text")?;
        file.commit(Durability::Later)
    }

    #[test]
    fn nothing_is_written_outside_of_the_root() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("root/sub")).expect("a directory");
        fs::create_dir(at("other")).expect("a directory");
        fs::write(at("victim"), "victim").expect("a file");
        symlink(at("other"), at("root/out")).expect("a link");
        symlink("../other", at("root/sub/up")).expect("a link");
        symlink(at("victim"), at("root/file")).expect("a link");
        symlink(at("root"), at("alias")).expect("a link");
        let root = Root::open(&at("alias")).expect("a root");
        let outside = at("other/a").to_string_lossy().into_owned();
        let sneaky = format!("{}/../other/a", root.path().display());
        let refused = [
            "../other/a",
            "sub/../../other/a",
            "out/a",
            "sub/up/a",
            "sub/up/new/a",
            "/etc/passwd",
            &outside,
            &sneaky,
            "",
            ".",
            "..",
            "/",
            "file/a",
        ];
        for target in refused {
            let error = write(&root, target).expect_err(target);
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{target}: {error}");
        }
        assert_eq!(fs::read_dir(at("other")).expect("readable").count(), 0);
        // A link in the place of the file is replaced, not followed.
        write(&root, "file").expect("written");
        assert_eq!(fs::read_to_string(at("victim")).expect("readable"), "victim");
        assert!(fs::symlink_metadata(at("root/file")).expect("there").is_file());
        let inside = format!("{}/new/deep/a", root.path().display());
        for target in ["a", "./sub/a", "sub/new/a", &inside] {
            write(&root, target).expect(target);
        }
        assert_eq!(fs::read_to_string(at("root/new/deep/a")).expect("readable"), "text");
    }

    #[test]
    fn a_directory_that_becomes_a_link_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["root/sub", "other"] {
            fs::create_dir_all(at(name)).expect("a directory");
        }
        let root = Root::open(&at("root")).expect("a root");
        let place = root.place(Path::new("sub/a")).expect("a place");
        fs::rename(at("root/sub"), at("root/moved")).expect("renamed");
        symlink(at("other"), at("root/sub")).expect("a link");
        let mut file = Staged::begin(&place.path()).expect("begun");
        file.write_all(b"text").expect("written");
        file.commit(Durability::Later).expect("renamed");
        assert!(at("root/moved/a").is_file());
        assert_eq!(fs::read_dir(at("other")).expect("readable").count(), 0);
    }
}
