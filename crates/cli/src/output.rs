//! Files that are there as a whole or not at all.
//!
//! A file is written under a temporary name beside its place ([`Staged`]) and renamed when it is complete.
//! Its permissions are those of every new file, which the umask narrows.
//!
//! A process that is killed leaves its temporary files behind. While it lives it holds a lock on each, so
//! that the next run can tell: [`sweep`] removes those that no process holds. Where the file system has no
//! locks they stay.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// How the name of every temporary file begins, of whatever program.
const PREFIX: &str = ".longshore-";
/// And how it ends.
const SUFFIX: &str = ".tmp";

/// The temporary files of this process.
static TEMPORARIES: Temporaries = Temporaries::new();

/// A file that is not there yet. Dropping it removes what was written.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    target: PathBuf,
    listed: Listed<'static>,
}

/// How sure it is, after a file was put into its place, that a crash of the machine leaves it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A crash may lose it, or its contents: the caller makes the whole file system durable later
    /// ([`flush`]).
    Later,
    /// It is on the disk when the call returns.
    Now,
}

impl Staged {
    /// Begins a file that is to be `target`, whose directory exists.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Interrupted`] when the process is about to end.
    pub fn begin(target: &Path) -> io::Result<Staged> {
        let directory = directory_of(target);
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX).suffix(SUFFIX);
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                builder.permissions(fs::Permissions::from_mode(0o666));
            }
            // Dropped last: until then the end of the process waits for this file to be listed or removed.
            let making = TEMPORARIES.start()?;
            let file = builder.tempfile_in(directory)?;
            let listed = making.list(file.path())?;
            match file.as_file().try_lock() {
                // A sweep may have locked and removed it in between.
                Ok(()) if !is_at(file.as_file(), file.path())? => {}
                Err(TryLockError::WouldBlock) => {}
                // Without locks: no sweep removes it, because that has none either.
                Ok(()) | Err(TryLockError::Error(_)) => {
                    return Ok(Staged { file, target: target.to_owned(), listed });
                }
            }
        }
    }

    /// What was written so far. Reading and seeking are allowed.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Puts it into its place, where it replaces a file.
    ///
    /// # Errors
    /// What the system says; then the place is as it was.
    pub fn commit(self, durability: Durability) -> io::Result<()> {
        if durability == Durability::Now {
            self.file.as_file().sync_all()?;
        }
        self.file.persist(&self.target).map_err(|refused| refused.error)?;
        drop(self.listed);
        if durability == Durability::Now {
            sync_directory(directory_of(&self.target))?;
        }
        Ok(())
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    // Other systems cannot open a directory, and need not.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Makes everything durable that was written to the file system of `directory`, by whatever program. Returns
/// whether it could: where the system has no such call, files are to be written with [`Durability::Now`].
///
/// # Errors
/// What the system says: something may be lost.
pub fn flush(directory: &Path) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        rustix::fs::syncfs(File::open(directory)?)?;
        Ok(true)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = directory;
        Ok(false)
    }
}

/// Removes the temporary files in a directory that a killed process has left there. Returns how many.
///
/// # Errors
/// The directory cannot be read. A file that cannot be looked at or removed stays.
pub fn sweep(directory: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            removed += usize::from(remove_stale(&entry.path()).unwrap_or(false));
        }
    }
    Ok(removed)
}

fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

fn remove_stale(path: &Path) -> io::Result<bool> {
    // For writing, because some file systems lock no other.
    let file = File::options().write(true).open(path)?;
    let is_stale = file.try_lock().is_ok() && is_at(&file, path)?;
    if is_stale {
        fs::remove_file(path)?;
    }
    Ok(is_stale)
}

/// Whether this file is still the one at that path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let open = file.metadata()?;
        Ok(fs::symlink_metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
    }
    // Other systems do not remove an open file.
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

/// Removes the temporary files of this process, and lets none be made from now on: the process is about to
/// end. Waits for the files that are being made.
pub fn abandon() {
    TEMPORARIES.abandon();
}

/// A list of temporary files. Its lock is held for as long as the list is read or changed, and never over a
/// call to the file system, because one that hangs would stop all threads.
#[derive(Debug)]
struct Temporaries {
    state: Mutex<State>,
    /// Notified when the last file that was being made is listed or removed.
    settled: Condvar,
}

#[derive(Debug)]
struct State {
    listed: BTreeSet<PathBuf>,
    /// How many files are being made: they may be there, and are not listed.
    making: usize,
    is_abandoned: bool,
}

impl Temporaries {
    const fn new() -> Temporaries {
        let state = State { listed: BTreeSet::new(), making: 0, is_abandoned: false };
        Temporaries { state: Mutex::new(state), settled: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The list is whole whatever panicked beside it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called before a file is made.
    fn start(&self) -> io::Result<Making<'_>> {
        let mut state = self.lock();
        state.refuse_if_abandoned()?;
        state.making += 1;
        Ok(Making(self))
    }

    fn abandon(&self) {
        let mut state = self.lock();
        state.is_abandoned = true;
        let listed = mem::take(&mut state.listed);
        drop(state);
        for path in listed {
            // What stays is swept by the next run.
            let _ = fs::remove_file(path);
        }
        // A thread that has made a file meanwhile cannot list it, and removes it.
        let settled = self.settled.wait_while(self.lock(), |state| state.making > 0);
        drop(settled.unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn refuse_if_abandoned(&self) -> io::Result<()> {
        match self.is_abandoned {
            false => Ok(()),
            true => Err(io::Error::new(io::ErrorKind::Interrupted, "the program is about to end")),
        }
    }
}

/// A temporary file is being made.
#[derive(Debug)]
struct Making<'a>(&'a Temporaries);

impl<'a> Making<'a> {
    /// Lists the file that was made.
    fn list(&self, path: &Path) -> io::Result<Listed<'a>> {
        let mut state = self.0.lock();
        state.refuse_if_abandoned()?;
        state.listed.insert(path.to_owned());
        Ok(Listed { temporaries: self.0, path: path.to_owned() })
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.making -= 1;
        if state.making == 0 {
            self.0.settled.notify_all();
        }
    }
}

/// A temporary file's place in the list.
#[derive(Debug)]
struct Listed<'a> {
    temporaries: &'a Temporaries,
    path: PathBuf,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.temporaries.lock().listed.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("readable");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The file is there and not listed when the list is abandoned.
    #[test]
    fn the_end_waits_for_a_file_that_is_being_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let temporaries = Temporaries::new();
        let path = |name| directory.path().join(name);
        let listed = temporaries.start().expect("open").list(&path("listed")).expect("open");
        fs::write(path("listed"), "").expect("written");
        let making = temporaries.start().expect("open");
        fs::write(path("made"), "").expect("written");
        std::thread::scope(|scope| {
            let end = scope.spawn(|| temporaries.abandon());
            while path("listed").exists() {
                std::thread::yield_now();
            }
            assert!(!end.is_finished(), "a file may be left behind");
            assert_eq!(making.list(&path("made")).expect_err("closed").kind(), io::ErrorKind::Interrupted);
            fs::remove_file(path("made")).expect("removed");
            drop(making);
        });
        drop(listed);
        assert_eq!(temporaries.start().expect_err("closed").kind(), io::ErrorKind::Interrupted);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_file_is_there_as_a_whole_or_not_at_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = directory.path().join("file");
        for (durability, content) in [(Durability::Now, "first"), (Durability::Later, "second")] {
            let mut staged = Staged::begin(&target).expect("a temporary file");
            staged.write_all(content.as_bytes()).expect("written");
            assert_ne!(fs::read_to_string(&target).ok().as_deref(), Some(content));
            staged.commit(durability).expect("renamed");
            assert_eq!(fs::read_to_string(&target).expect("it is there"), content);
        }
        drop(Staged::begin(&target).expect("a temporary file"));
        assert_eq!(names(directory.path()), ["file"]);
        fs::create_dir(directory.path().join("in the way")).expect("a directory");
        let refused = Staged::begin(&directory.path().join("in the way")).expect("a temporary file");
        assert!(refused.commit(Durability::Now).is_err());
        assert_eq!(names(directory.path()), ["file", "in the way"]);
        assert_eq!(flush(directory.path()).expect("flushed"), cfg!(target_os = "linux"));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().expect("a directory");
        let mode = |name: &str| {
            fs::metadata(directory.path().join(name)).expect("a file").permissions().mode() & 0o777
        };
        fs::write(directory.path().join("usual"), "").expect("a file");
        let staged = Staged::begin(&directory.path().join("staged")).expect("a temporary file");
        staged.commit(Durability::Later).expect("renamed");
        assert_eq!(mode("staged"), mode("usual"));
    }

    #[test]
    fn a_sweep_removes_what_no_process_holds() {
        let directory = tempfile::tempdir().expect("a directory");
        let stale = format!("{PREFIX}of-last-week{SUFFIX}");
        for name in [stale.as_str(), "kept.tmp", ".longshore-kept"] {
            fs::write(directory.path().join(name), "").expect("a file");
        }
        fs::create_dir(directory.path().join(format!("{PREFIX}directory{SUFFIX}"))).expect("a directory");
        let held = Staged::begin(&directory.path().join("file")).expect("a temporary file");
        assert_eq!(sweep(directory.path()).expect("readable"), 1);
        assert!(!names(directory.path()).contains(&stale));
        assert_eq!(names(directory.path()).len(), 4);
        held.commit(Durability::Later).expect("it is still there");
        assert!(sweep(&directory.path().join("none")).is_err());
    }

    #[test]
    fn sweeps_and_writers_at_the_same_time_lose_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = |number: usize| directory.path().join(number.to_string());
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    scope.spawn(move || {
                        for number in (writer..200).step_by(2) {
                            let mut staged = Staged::begin(&target(number)).expect("a temporary file");
                            staged.write_all(b"whole").expect("written");
                            staged.commit(Durability::Later).expect("renamed");
                        }
                    })
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                sweep(directory.path()).expect("readable");
            }
        });
        for number in 0..200 {
            assert_eq!(fs::read(target(number)).expect("it is there"), b"whole");
        }
    }
}
