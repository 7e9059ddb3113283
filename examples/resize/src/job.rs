//! One image from disk to disk: a job can be stored, sent, and carried out anywhere that sees the files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use longshore_cli::output::{Durability, Staged};
use longshore_cli::{input, name};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::recipe::{Limits, Recipe};
use crate::transform::{self, Made};

/// One image: where it is, where its output goes, and what is to be made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The file of the source.
    pub source: PathBuf,
    /// The file of the output.
    pub output: PathBuf,
    /// What is to be made of it.
    pub recipe: Recipe,
}

/// What a job has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Width and height of the source as a viewer shows it.
    pub from: (u32, u32),
    /// Width and height of the output.
    pub to: (u32, u32),
    /// Bytes of the source.
    pub bytes_in: u64,
    /// Bytes of the output.
    pub bytes_out: u64,
    /// Whether the pixels are those of the source, as they were encoded.
    pub kept: bool,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How often a source is read that is replaced while it is worked on.
const ATTEMPTS: usize = 3;

/// Carries out a job. The output is there as a whole or not at all; its time is that at which the source was
/// opened, so that a source that is replaced later is newer.
///
/// Doing a job twice is the same as doing it once.
///
/// # Errors
/// Whatever stands in the way; then the output is as it was before.
pub fn run(job: &Job) -> Result<Done, Failure> {
    run_into(job, &job.output, &|| true).map_err(|stop| match stop {
        Stop::Failed(failure) | Stop::Full(failure) => failure,
        Stop::Withheld => Failure::internal("an output that may always be written was withheld"),
    })
}

/// Why a job that is carried out for others has ended without an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The image, or its place.
    Failed(Failure),
    /// This machine cannot write at the moment: its disk is full, its quota is used up, its file system can
    /// only be read.
    Full(Failure),
    /// The output may no longer be written.
    Withheld,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// As [`run`], with the output at `target`, which is another path of the same file, and only if `may_write`
/// still says so when it is made.
///
/// # Errors
/// As [`run`].
pub fn run_into(job: &Job, target: &Path, may_write: &dyn Fn() -> bool) -> Result<Done, Stop> {
    for _ in 0..ATTEMPTS {
        if let Some(done) = attempt(job, target, may_write)? {
            return Ok(done);
        }
    }
    Err(Failure::new(Kind::Unreadable, "it is replaced again and again while it is worked on").into())
}

/// Refuses a file of so many bytes if that is too much.
///
/// # Errors
/// With the size and the limit.
pub fn check_size(bytes: u64, limits: &Limits) -> Result<(), Failure> {
    if bytes <= limits.file {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let text = format!(
        "the file has {} MB, more than the {} MB that this program reads",
        megabytes(bytes),
        megabytes(limits.file)
    );
    Err(Failure::new(Kind::TooLarge, text))
}

/// `None` if the source was replaced meanwhile.
fn attempt(job: &Job, target: &Path, may_write: &dyn Fn() -> bool) -> Result<Option<Done>, Stop> {
    let opened = Instant::now();
    let (mut file, before) = input::open(&job.source).map_err(|error| Failure::unreadable(&error))?;
    check_size(before.len(), &job.recipe.limits)?;
    let bytes = read(&mut file, &before).map_err(|error| Failure::unreadable(&error))?;
    let Made { bytes: made, from, to, is_kept, warnings } = transform::transform(&bytes, &job.recipe)?;
    if is_replaced(&job.source, &before) {
        return Ok(None);
    }
    if !may_write() {
        return Err(Stop::Withheld);
    }
    let is_in_place = fs::metadata(target).is_ok_and(|there| is_same(&there, &before));
    let finish = |file: &File| {
        if is_in_place {
            keep_access(file, &before)?;
        }
        // When the source was opened, by the clock that dates both files: this machine's may be another one.
        let written = file.metadata()?.modified()?;
        let began = written.checked_sub(opened.elapsed()).unwrap_or(written);
        // That clock may advance in steps, so the output could seem older than what it was made of.
        file.set_modified(began.max(before.modified()?.min(written)))
    };
    // What takes the place of its own source cannot be made anew; any other output is after a power cut, if
    // it is not whole.
    let durability = if is_in_place { Durability::Now } else { Durability::Later };
    save(target, &made, durability, finish).map_err(|error| {
        let text = format!("cannot write {}: {error}", name::shown(&job.output));
        let failure = Failure::new(Kind::Unwritable, text);
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                Stop::Full(failure)
            }
            _ => Stop::Failed(failure),
        }
    })?;
    let (bytes_in, bytes_out) = (bytes.len() as u64, made.len() as u64);
    Ok(Some(Done { from, to, bytes_in, bytes_out, kept: is_kept, warnings }))
}

fn read(file: &mut File, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the file at a path is another one than that of the metadata, or has been written to.
fn is_replaced(path: &Path, before: &Metadata) -> bool {
    let Ok(now) = fs::metadata(path) else { return false };
    !is_same(&now, before) || now.len() != before.len() || now.modified().ok() != before.modified().ok()
}

/// Whether two metadata are of one file, as far as the system tells.
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }
    #[cfg(not(unix))]
    {
        a.len() == b.len() && a.created().ok() == b.created().ok()
    }
}

/// Makes a file as accessible as its source was.
fn keep_access(file: &File, source: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only root may give files away; to keep the group alone is allowed to others.
        if fchown(file, Some(source.uid()), Some(source.gid())).is_err() {
            let _ = fchown(file, None, Some(source.gid()));
        }
    }
    file.set_permissions(source.permissions())
}

/// Writes a file as a whole or not at all. Its directory is created.
fn save(
    target: &Path,
    bytes: &[u8],
    durability: Durability,
    finish: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut staged = match Staged::begin(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(target.parent().unwrap_or(Path::new(".")))?;
            Staged::begin(target)?
        }
        other => other?,
    };
    staged.write_all(bytes)?;
    finish(staged.file())?;
    staged.commit(durability)
}
