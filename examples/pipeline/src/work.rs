//! What the stages do to one file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use longshore::CancelToken;
use longshore_cli::name;
use longshore_cli::output::{Durability, Staged};
use longshore_cli::tree::Place;

use crate::files::Source;
use crate::frame;

/// Bytes read, hashed or compressed between two looks at the token.
pub const BLOCK: usize = 1 << 20;

/// When objects have to be on the disk: before the index. Where the whole file system can be made durable at once, that is
/// much faster than each of them.
const OBJECTS: Durability = if cfg!(target_os = "linux") { Durability::Later } else { Durability::Now };

/// How to read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Once, and held until it is compressed.
    Whole,
    /// Twice, block by block: it is too large to be held.
    Twice,
}

/// Where objects are, and how they are made.
#[derive(Debug)]
pub struct Store {
    pub objects: PathBuf,
    pub level: i32,
    /// Whether known objects are decompressed.
    pub is_checked: bool,
}

/// A file that has been read.
#[derive(Debug)]
pub struct Hashed {
    place: Arc<Place>,
    content: Content,
    size: u64,
    hash: blake3::Hash,
}

#[derive(Debug)]
enum Content {
    Held(Vec<u8>),
    /// To be read again.
    Open(File),
}

/// A line of the index.
#[derive(Debug)]
pub struct Entry {
    pub place: Arc<Place>,
    pub hash: String,
    pub size: u64,
    pub compressed: u64,
    pub object: Object,
}

/// What there was in the place of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Nothing.
    New,
    /// The object.
    Known,
    /// Something else, or a part of it: it was made anew.
    Damaged,
}

/// The first stage: reads a file and hashes it.
pub fn read(source: &Source, reading: Reading, stop: &CancelToken) -> Result<Hashed> {
    let (mut file, metadata) = source.place.open()?;
    let size = metadata.len();
    if size != source.size {
        bail!("it changed after it was found");
    }
    let held = if reading == Reading::Whole { usize::try_from(size)? } else { 0 };
    let (mut content, mut block) = (Vec::with_capacity(held), Vec::new());
    let mut hasher = blake3::Hasher::new();
    let mut length = 0;
    loop {
        stopped(stop)?;
        let into = match reading {
            Reading::Whole => &mut content,
            Reading::Twice => {
                block.clear();
                &mut block
            }
        };
        let start = into.len();
        // One byte more than it should have would show that it grows.
        let most = (BLOCK as u64).min((size - length).saturating_add(1));
        let got = (&mut file).take(most).read_to_end(into)?;
        hasher.update(&into[start..]);
        length += got as u64;
        if got == 0 {
            break;
        }
        if length > size {
            return Err(of_another_size(&file, &metadata));
        }
    }
    if length < size {
        return Err(of_another_size(&file, &metadata));
    }
    let content = if reading == Reading::Whole { Content::Held(content) } else { Content::Open(file) };
    Ok(Hashed { place: source.place.clone(), content, size, hash: hasher.finalize() })
}

fn of_another_size(file: &File, before: &Metadata) -> anyhow::Error {
    let is_unchanged = file
        .metadata()
        .is_ok_and(|after| after.len() == before.len() && after.modified().ok() == before.modified().ok());
    anyhow::anyhow!(match is_unchanged {
        true => "its size does not say what it holds: the system makes it up",
        false => "it changed while it was read",
    })
}

impl Store {
    /// The second stage: compresses a content and writes it as an object, unless there is one.
    pub fn keep(&self, file: Hashed, stop: &CancelToken) -> Result<Entry> {
        let hash = file.hash.to_hex().to_string();
        let directory = self.objects.join(&hash[..2]);
        let path = directory.join(format!("{hash}.zst"));
        let context = || format!("cannot write {}", name::shown(&path));
        let there = self.look(&path, &file, stop).with_context(context)?;
        let compressed = match there {
            (Object::Known, length) => length,
            (object, _) => {
                fs::create_dir_all(&directory)
                    .with_context(|| format!("cannot make {}", name::shown(&directory)))?;
                if object == Object::Damaged {
                    move_aside(&path).with_context(context)?;
                }
                self.write(&path, &file, stop).with_context(context)?
            }
        };
        Ok(Entry { place: file.place, hash, size: file.size, compressed, object: there.0 })
    }

    /// What there is in the place of an object, and its length.
    fn look(&self, path: &Path, file: &Hashed, stop: &CancelToken) -> Result<(Object, u64)> {
        let length = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Ok((Object::Damaged, 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Object::New, 0)),
            Err(error) => return Err(error.into()),
        };
        let known = File::open(path)?;
        let is_whole =
            frame::is_complete(&known, file.size)? && (!self.is_checked || has_content(known, file, stop)?);
        if is_whole && OBJECTS == Durability::Now {
            // By a run that may not have come to that.
            File::open(path)?.sync_all()?;
        }
        Ok((if is_whole { Object::Known } else { Object::Damaged }, length))
    }

    /// Writes an object; returns its length.
    fn write(&self, path: &Path, file: &Hashed, stop: &CancelToken) -> Result<u64> {
        let staged = Staged::begin(path)?;
        let mut encoder = zstd::Encoder::new(staged, self.level)?;
        // In the header, for the look at it later; and small files get small tables.
        encoder.set_pledged_src_size(Some(file.size))?;
        encoder.include_checksum(true)?;
        file.for_each_block(stop, |block| encoder.write_all(block))?;
        let staged = encoder.finish()?;
        let length = staged.file().metadata()?.len();
        // Another task may have stored the same content meanwhile; one replaces the other by its equal.
        staged.commit(OBJECTS)?;
        Ok(length)
    }
}

impl Hashed {
    /// Goes through the content; a file that is read again must be what it was.
    fn for_each_block(
        &self,
        stop: &CancelToken,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        let mut file = match &self.content {
            Content::Held(content) => {
                for block in content.chunks(BLOCK) {
                    stopped(stop)?;
                    each(block)?;
                }
                return Ok(());
            }
            Content::Open(file) => file,
        };
        file.rewind()?;
        if hash_all(file.take(self.size), stop, each)? != self.hash {
            bail!("it changed while it was read");
        }
        Ok(())
    }
}

/// Whether an object holds what the file holds.
fn has_content(mut object: File, file: &Hashed, stop: &CancelToken) -> Result<bool> {
    object.rewind()?;
    let decoder = zstd::Decoder::new(object)?;
    // Never more than there should be, whatever it claims.
    let decoded = hash_all(decoder.take(file.size.saturating_add(1)), stop, |_| Ok(()));
    match decoded {
        Ok(hash) => Ok(hash == file.hash),
        Err(error) if stop.is_cancelled() => Err(error),
        // What cannot be decompressed is damaged.
        Err(_) => Ok(false),
    }
}

/// Reads all, in blocks, and returns its hash.
fn hash_all(
    mut from: impl Read,
    stop: &CancelToken,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        stopped(stop)?;
        block.clear();
        if from.by_ref().take(BLOCK as u64).read_to_end(&mut block)? == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(&block);
        each(&block)?;
    }
}

/// Makes room in the place of an object for a rename, which replaces everything but a directory. A directory that is
/// not empty is kept, under another name.
fn move_aside(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) || fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let others = (1..).map(|number| path.with_extension(format!("zst.directory-{number}")));
    match others.into_iter().find(|other| fs::symlink_metadata(other).is_err()) {
        Some(other) => fs::rename(path, other),
        None => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn stopped(stop: &CancelToken) -> Result<()> {
    if stop.is_cancelled() {
        bail!("stopped");
    }
    Ok(())
}
