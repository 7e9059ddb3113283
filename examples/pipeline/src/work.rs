//! What the stages do to one file.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use longshore::CancelToken;

/// The largest file, in bytes: a few of them have to fit into memory at a time.
const LARGEST: u64 = 1 << 30;
/// Bytes read, hashed or compressed between two looks at the token.
const BLOCK: usize = 1 << 20;

/// A file that has been read.
#[derive(Debug)]
pub struct Hashed {
    pub path: PathBuf,
    content: Vec<u8>,
    hash: String,
}

/// A line of the index.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub hash: String,
    pub size: u64,
    pub compressed: u64,
    pub object: Object,
}

/// Whether the content was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Written,
    Known,
}

/// The first stage: reads a file and hashes it.
pub fn read(path: &Path, stop: &CancelToken) -> Result<Hashed> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    ensure!(size <= LARGEST, "it is larger than 1 GiB");
    let mut content = Vec::with_capacity(usize::try_from(size)?);
    let mut hasher = blake3::Hasher::new();
    loop {
        stopped(stop)?;
        let start = content.len();
        // One byte more than it should have would show that it grows.
        let block = (BLOCK as u64).min(size + 1 - start as u64);
        if file.by_ref().take(block).read_to_end(&mut content)? == 0 {
            break;
        }
        ensure!(content.len() as u64 <= size, "it grew while it was read");
        hasher.update(&content[start..]);
    }
    ensure!(content.len() as u64 == size, "it shrank while it was read");
    Ok(Hashed { path: path.to_owned(), content, hash: hasher.finalize().to_hex().to_string() })
}

/// The second stage: compresses a content and writes it as an object, unless there is one.
pub fn compress(file: Hashed, objects: &Path, level: i32, stop: &CancelToken) -> Result<Entry> {
    let directory = objects.join(&file.hash[..2]);
    let object = directory.join(format!("{}.zst", file.hash));
    let size = file.content.len() as u64;
    let entry = |compressed, object| Entry { path: file.path, hash: file.hash, size, compressed, object };
    if let Ok(known) = fs::metadata(&object) {
        return Ok(entry(known.len(), Object::Known));
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let temporary = tempfile::NamedTempFile::new_in(&directory)?;
    let mut encoder = zstd::Encoder::new(temporary, level)?;
    for block in file.content.chunks(BLOCK) {
        stopped(stop)?;
        std::io::Write::write_all(&mut encoder, block)?;
    }
    let temporary = encoder.finish()?;
    let compressed = temporary.as_file().metadata()?.len();
    // Another task may have stored the same content meanwhile; one replaces the other by its equal.
    temporary.persist(&object).with_context(|| format!("cannot write {}", object.display()))?;
    Ok(entry(compressed, Object::Written))
}

fn stopped(stop: &CancelToken) -> Result<()> {
    if stop.is_cancelled() {
        bail!("stopped");
    }
    Ok(())
}
