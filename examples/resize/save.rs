//! Writes a file as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// A temporary file's path; dropping it removes the file.
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // The failure that led here is reported; that cleaning up fails too adds nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn create_temporary(directory: &Path) -> io::Result<(File, Temporary)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        // Relaxed: only that no two tasks draw the same number matters.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!(".resize-{}-{number}.tmp", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => return Ok((file, Temporary { path, renamed: false })),
            // Left by a killed run whose process number came round again: take the next name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
