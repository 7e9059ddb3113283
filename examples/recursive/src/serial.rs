//! The walk on one thread, to compare with.

use std::path::Path;

use crate::finder::{Finder, Found, OnError};

/// Walks the tree.
pub fn walk(root: &Path) -> Found {
    let finder = Finder::new(OnError::GoOn);
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        open.extend(finder.directory(&path, |file| finder.hash(file)));
    }
    finder.finish()
}
