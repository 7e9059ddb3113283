//! Trees of small files that stand in for `/sys` and `/proc` in the tests of this layer.
//!
//! Owner: the test that made the tree; it is removed when the value is dropped.
//! Threads: one tree per test, nothing shared but the counter that keeps their names apart.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A directory of its own under the system's temporary directory.
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

    /// The directory that stands for the root of the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file, `path` relative to the root, with the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().expect("a file below the root")).expect("directories");
        fs::write(file, content).expect("a file");
    }

    /// Makes a directory, `path` relative to the root.
    pub fn make_directory(&self, path: &str) {
        fs::create_dir_all(self.root.join(path)).expect("a directory");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A leftover in the temporary directory is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.root);
    }
}
