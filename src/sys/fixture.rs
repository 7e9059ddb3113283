//! Trees of small files that replace `/sys` and `/proc` in the tests of this folder.
//!
//! A [`Tree`] belongs to the test that made it, and dropping it removes the files. One thread uses it; only
//! the counter for the directory names is shared.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A new directory in the system's temporary directory.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = env::temp_dir().join(format!("longshore-fixture-{}-{number}", process::id()));
        fs::create_dir_all(&root).expect("a temporary directory");
        Self { root }
    }

    /// The directory that replaces the root of the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes the file at `path`, relative to the root, and makes its parent directories.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().expect("a file below the root")).expect("directories");
        fs::write(file, content).expect("a file");
    }

    /// Makes the directory at `path`, relative to the root.
    pub fn make_directory(&self, path: &str) {
        fs::create_dir_all(self.root.join(path)).expect("a directory");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A file left in the temporary directory is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.root);
    }
}
