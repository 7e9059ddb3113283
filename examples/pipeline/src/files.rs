//! Which files to store, and in which order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// All regular files of the inputs: these in their order, and directories in the order of the names in them.
pub fn find(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        let metadata = fs::metadata(input).with_context(|| format!("{}", input.display()))?;
        if metadata.is_dir() {
            walk(input, &mut files)?;
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

fn walk(root: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    // The next one to look at last.
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        // Of the root it is known, and a link to a directory is followed there.
        if path != root && !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            files.push(path);
            continue;
        }
        let context = || format!("{}", path.display());
        let mut below = Vec::new();
        for entry in fs::read_dir(&path).with_context(context)? {
            let entry = entry.with_context(context)?;
            let kind = entry.file_type().with_context(context)?;
            if kind.is_dir() || kind.is_file() {
                below.push(entry.path());
            }
        }
        below.sort_by(|a, b| b.cmp(a));
        open.append(&mut below);
    }
    Ok(())
}
