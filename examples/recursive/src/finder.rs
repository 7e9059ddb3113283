//! What is known of the tree so far. All walkers put into it what they meet, from any number of threads, and are told
//! which files to hash; so all of them find the same, whatever their order.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirEntry};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use longshore::CancelToken;
use serde::Serialize;

use crate::hash::{self, Hash};

/// The table of sizes is cut into so many parts, each with its lock, so that workers seldom meet at one.
const PARTS: usize = 64;
/// Problems that are kept with their text; more are only counted, so that a broken disk does not fill the memory.
const MOST_PROBLEMS: usize = 1000;

/// What to do about something that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    GoOn,
    Stop,
}

/// A regular file, as its directory knows it.
#[derive(Debug)]
pub struct Sized {
    pub path: PathBuf,
    pub size: u64,
}

/// A file or directory that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    pub path: String,
    pub error: String,
}

/// Files of the same content.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub size: u64,
    /// Sorted.
    pub files: Vec<String>,
}

/// All that was found; equal for equal trees.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    pub directories: u64,
    pub files: u64,
    pub empty: u64,
    /// Links, devices and the like.
    pub others: u64,
    pub bytes: u64,
    pub hashed: u64,
    /// Those that waste the most first.
    pub groups: Vec<Group>,
    /// Sorted by path.
    pub problems: Vec<Problem>,
    pub more_problems: u64,
    pub stopped: bool,
}

/// The files of one size.
enum OfSize {
    /// Nobody had to read it yet.
    One(PathBuf),
    Many,
}

/// Counters, each exact at the end, when all walking threads have been waited for.
#[derive(Default)]
struct Counts {
    directories: AtomicU64,
    files: AtomicU64,
    empty: AtomicU64,
    others: AtomicU64,
    bytes: AtomicU64,
    hashed: AtomicU64,
}

/// The shared state of a walk.
pub struct Finder {
    on_error: OnError,
    stop: CancelToken,
    counts: Counts,
    sizes: [Mutex<HashMap<u64, OfSize>>; PARTS],
    contents: Mutex<HashMap<(u64, Hash), Vec<PathBuf>>>,
    problems: Mutex<(Vec<Problem>, u64)>,
}

impl Finder {
    pub fn new(on_error: OnError) -> Self {
        Finder {
            on_error,
            stop: CancelToken::new(),
            counts: Counts::default(),
            sizes: std::array::from_fn(|_| Mutex::default()),
            contents: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Whether the walk shall end now.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Goes through a directory: calls `to_hash` for the files that have to be hashed, and returns the directories in it.
    pub fn directory(&self, path: &Path, mut to_hash: impl FnMut(Sized)) -> Vec<PathBuf> {
        add(&self.counts.directories, 1);
        let mut below = Vec::new();
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(path, &error);
                return below;
            }
        };
        for entry in entries {
            if self.is_stopped() {
                break;
            }
            match entry.and_then(|entry| self.entry(&entry, &mut below)) {
                Ok(files) => files.into_iter().flatten().for_each(&mut to_hash),
                Err(error) => self.problem(path, &error),
            }
        }
        below
    }

    fn entry(&self, entry: &DirEntry, below: &mut Vec<PathBuf>) -> io::Result<[Option<Sized>; 2]> {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below.push(entry.path());
        } else if kind.is_file() {
            match entry.metadata() {
                Ok(metadata) => return Ok(self.file(entry.path(), metadata.len())),
                // Vanished since the directory was read.
                Err(error) => self.problem(&entry.path(), &error),
            }
        } else {
            self.other();
        }
        Ok([None, None])
    }

    /// Counts a directory for a walker that goes through it in its own way.
    pub fn foreign_directory(&self) {
        add(&self.counts.directories, 1);
    }

    /// Counts something that is neither file nor directory.
    pub fn other(&self) {
        add(&self.counts.others, 1);
    }

    /// Counts a file. Returns what has to be hashed now: nothing for the first file of its size, the first two when the
    /// second one comes.
    pub fn file(&self, path: PathBuf, size: u64) -> [Option<Sized>; 2] {
        add(&self.counts.files, 1);
        add(&self.counts.bytes, size);
        if size == 0 {
            add(&self.counts.empty, 1);
            return [None, None];
        }
        let mut sizes = lock(&self.sizes[size as usize % PARTS]);
        let Some(known) = sizes.get_mut(&size) else {
            sizes.insert(size, OfSize::One(path));
            return [None, None];
        };
        let first = match mem::replace(known, OfSize::Many) {
            OfSize::One(first) => Some(Sized { path: first, size }),
            OfSize::Many => None,
        };
        [first, Some(Sized { path, size })]
    }

    /// Hashes a file that [`Finder::file`] has asked for.
    pub fn hash(&self, file: Sized) {
        match hash::hash(&file.path, file.size, || self.is_stopped()) {
            Ok(Some(hash)) => {
                add(&self.counts.hashed, 1);
                lock(&self.contents).entry((file.size, hash)).or_default().push(file.path);
            }
            // Stopped.
            Ok(None) => {}
            Err(error) => self.problem(&file.path, &error),
        }
    }

    /// Notes what could not be read.
    pub fn problem(&self, path: &Path, error: &io::Error) {
        if self.on_error == OnError::Stop {
            self.stop.cancel();
        }
        let problem = Problem { path: path.to_string_lossy().into_owned(), error: error.to_string() };
        let mut problems = lock(&self.problems);
        if problems.0.len() < MOST_PROBLEMS {
            problems.0.push(problem);
        } else {
            problems.1 += 1;
        }
    }

    /// What was found, when all walking threads have ended.
    pub fn finish(&self) -> Found {
        // Relaxed: the caller has waited for those who counted, which orders everything.
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (mut problems, more_problems) = mem::take(&mut *lock(&self.problems));
        problems.sort();
        Found {
            directories: count(&self.counts.directories),
            files: count(&self.counts.files),
            empty: count(&self.counts.empty),
            others: count(&self.counts.others),
            bytes: count(&self.counts.bytes),
            hashed: count(&self.counts.hashed),
            groups: groups(mem::take(&mut *lock(&self.contents))),
            problems,
            more_problems,
            stopped: self.is_stopped(),
        }
    }
}

/// Only those of two files or more, in an order that does not depend on the walk.
fn groups(contents: HashMap<(u64, Hash), Vec<PathBuf>>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for ((size, _), paths) in contents.into_iter().filter(|(_, paths)| paths.len() > 1) {
        let mut files: Vec<_> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        files.sort();
        groups.push(Group { size, files });
    }
    groups.sort_by(|a, b| b.wasted().cmp(&a.wasted()).then_with(|| a.files.cmp(&b.files)));
    groups
}

impl Group {
    /// Bytes that all files but one take.
    pub fn wasted(&self) -> u64 {
        self.size * (self.files.len() as u64 - 1)
    }
}

impl Found {
    /// Whether two walkers have seen the same. They may word their problems differently, so only their places count.
    pub fn agrees_with(&self, other: &Found) -> bool {
        let places = |found: &Found| {
            found.problems.iter().fold(BTreeMap::new(), |mut places, problem| {
                *places.entry(problem.path.clone()).or_insert(0) += 1;
                places
            })
        };
        let counts = |found: &Found| {
            (found.directories, found.files, found.empty, found.others, found.bytes, found.more_problems)
        };
        counts(self) == counts(other) && self.groups == other.groups && places(self) == places(other)
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    // Relaxed: read when those who count have been waited for.
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks leaves its table whole: they hold single insertions only.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
