//! Writes a file as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The temporary files that exist, of all threads. None is made, renamed or removed by those who do not hold it.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Puts `bytes` into the file `target`, whose directory is created.
///
/// They go to a temporary file beside it, which is renamed: a run that is killed leaves no half-written
/// file under the final name.
pub fn save(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let (mut file, temporary) = create_temporary(directory)?;
    file.write_all(bytes)?;
    // Some systems do not rename an open file.
    drop(file);
    temporary.rename(target)
}

/// Removes the temporary files there are, and lets nobody make or rename any from now on: the process is to end at once.
pub fn abandon() {
    let mut temporaries = temporaries();
    for path in temporaries.drain(..) {
        // There is nobody left to tell.
        let _ = fs::remove_file(path);
    }
    std::mem::forget(temporaries);
}

fn temporaries() -> MutexGuard<'static, Vec<PathBuf>> {
    // The list is whole whatever panicked beside it.
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file's path; dropping it removes the file.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn rename(self, target: &Path) -> io::Result<()> {
        // Let go at the end of this statement, before `self` is dropped and looks whether it is still listed.
        rename_listed(&mut temporaries(), &self.path, target)
    }
}

fn rename_listed(temporaries: &mut Vec<PathBuf>, path: &Path, target: &Path) -> io::Result<()> {
    fs::rename(path, target)?;
    temporaries.retain(|listed| listed != path);
    Ok(())
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let mut temporaries = temporaries();
        if let Some(at) = temporaries.iter().position(|path| *path == self.path) {
            temporaries.swap_remove(at);
            // The failure that led here is reported; that cleaning up fails too adds nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn create_temporary(directory: &Path) -> io::Result<(File, Temporary)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut temporaries = temporaries();
    loop {
        // Relaxed: only that no two tasks draw the same number matters.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".resize-{}-{number}.tmp", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => {
                temporaries.push(path.clone());
                return Ok((file, Temporary { path }));
            }
            // Left by a killed run whose process number came round again: take the next name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
