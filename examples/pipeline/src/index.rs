//! The index: written under a temporary name, and renamed when it is complete.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::work::Entry;

/// An index that nobody sees yet. Dropping it removes it.
#[derive(Debug)]
pub struct Index {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Index {
    pub fn begin(output: &Path) -> Result<Index> {
        let file = NamedTempFile::new_in(output)
            .with_context(|| format!("cannot write into {}", output.display()))?;
        Ok(Index { file: BufWriter::new(file), path: output.join("index.tsv") })
    }

    /// Adds a line.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        let Entry { hash, size, compressed, path, .. } = entry;
        self.file.write_all(format!("{hash}\t{size}\t{compressed}\t").as_bytes())?;
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'\t' => self.file.write_all(b"\\t")?,
                b'\n' => self.file.write_all(b"\\n")?,
                b'\r' => self.file.write_all(b"\\r")?,
                b'\\' => self.file.write_all(b"\\\\")?,
                plain => self.file.write_all(&[*plain])?,
            }
        }
        Ok(self.file.write_all(b"\n")?)
    }

    /// Puts it into its place.
    pub fn finish(self) -> Result<()> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        // Else a crash could leave the name without the lines.
        file.as_file().sync_all()?;
        file.persist(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }
}
