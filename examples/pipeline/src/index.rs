//! The index: written under a temporary name, and put into its place when everything that it names is on the disk.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use longshore_cli::name;
use longshore_cli::output::{self, Durability, Staged};

use crate::work::Entry;

/// An index that is not there yet. Dropping it removes what was written.
#[derive(Debug)]
pub struct Index {
    file: BufWriter<Staged>,
    path: PathBuf,
}

impl Index {
    pub fn begin(output: &Path) -> Result<Index> {
        let path = output.join("index.tsv");
        ensure!(!path.is_dir(), "{}: it is a directory", name::shown(&path));
        let file =
            Staged::begin(&path).with_context(|| format!("cannot write into {}", name::shown(output)))?;
        Ok(Index { file: BufWriter::new(file), path })
    }

    /// Adds a line.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let Entry { hash, size, compressed, place, .. } = entry;
        write!(self.file, "{hash}\t{size}\t{compressed}\t")?;
        write_path(&mut self.file, &place.path())?;
        writeln!(self.file)
    }

    /// Puts it into its place, after all objects: an index that survives a crash names nothing that does not.
    pub fn finish(self) -> Result<()> {
        let context = || format!("cannot write {}", name::shown(&self.path));
        let file = self.file.into_inner().map_err(|error| error.into_error()).with_context(context)?;
        output::flush(self.path.parent().unwrap_or(Path::new(".")))
            .context("the objects are not on the disk")?;
        file.commit(Durability::Now).with_context(context)
    }
}

fn write_path(out: &mut impl Write, path: &Path) -> io::Result<()> {
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => out.write_all(b"\\t")?,
                '\n' => out.write_all(b"\\n")?,
                '\r' => out.write_all(b"\\r")?,
                '\\' => out.write_all(b"\\\\")?,
                control if control.is_control() => {
                    write_bytes(out, control.encode_utf8(&mut [0; 4]).as_bytes())?;
                }
                plain => write!(out, "{plain}")?,
            }
        }
        write_bytes(out, chunk.invalid())?;
    }
    Ok(())
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}
