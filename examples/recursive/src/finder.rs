//! What is known of the tree so far. All walkers put into it what they meet, from any number of threads, and are told
//! which files to hash; so all of them find the same, whatever their order.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use longshore::CancelToken;
use longshore_cli::tree::{Entry, Facts, Identity, Kind, Place};

use crate::found::{self, Found, Member, Problem};
use crate::hash::{self, Content, Hash};

/// The tables of sizes and of links are cut into so many parts, each with its lock, so that workers seldom meet at one.
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
    pub place: Arc<Place>,
    pub facts: Facts,
}

/// Where a file was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Disk,
    /// The kernel makes up what is in it.
    Pseudo,
}

/// The files of one size.
enum OfSize {
    /// It did not have to be read yet.
    One(Sized),
    Many,
}

/// Counters, each exact at the end, when all walking threads have been waited for.
#[derive(Default)]
struct Counts {
    directories: AtomicU64,
    files: AtomicU64,
    links: AtomicU64,
    empty: AtomicU64,
    pseudo: AtomicU64,
    others: AtomicU64,
    bytes: AtomicU64,
    linked_bytes: AtomicU64,
    hashed: AtomicU64,
}

/// The shared state of a walk.
pub struct Finder {
    on_error: OnError,
    stop: CancelToken,
    counts: Counts,
    sizes: [Mutex<HashMap<u64, OfSize>>; PARTS],
    /// The further names of files that have several.
    links: [Mutex<HashMap<Identity, Vec<Arc<Place>>>>; PARTS],
    contents: Mutex<HashMap<(u64, Hash), Vec<Member>>>,
    problems: Mutex<(Vec<Problem>, u64)>,
}

impl Finder {
    /// The state of a walk that cancelling `stop` ends, and that cancels it itself at an error if it shall.
    pub fn new(on_error: OnError, stop: CancelToken) -> Self {
        Finder {
            on_error,
            stop,
            counts: Counts::default(),
            sizes: std::array::from_fn(|_| Mutex::default()),
            links: std::array::from_fn(|_| Mutex::default()),
            contents: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Whether the walk shall end now.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Goes through a directory: calls `to_hash` for the files that have to be hashed, and returns the directories in it.
    pub fn directory(&self, place: &Arc<Place>, mut to_hash: impl FnMut(Sized)) -> Vec<Arc<Place>> {
        add(&self.counts.directories, 1);
        let mut below = Vec::new();
        let entries = match place.read() {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(place.path(), &error);
                return below;
            }
        };
        let origin = if entries.is_pseudo() { Origin::Pseudo } else { Origin::Disk };
        for entry in entries {
            if self.is_stopped() {
                break;
            }
            match entry {
                Ok(Entry { name, kind: Kind::Directory }) => below.push(place.below(name)),
                Ok(Entry { name, kind: Kind::File(facts) }) => {
                    let file = Sized { place: place.below(name), facts };
                    self.file(file, origin).into_iter().flatten().for_each(&mut to_hash);
                }
                Ok(Entry { kind: Kind::Other, .. }) => self.other(),
                Err(error) => self.problem(place.path(), &error),
            }
        }
        below
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
    /// second one comes, and nothing for a further name of a file.
    pub fn file(&self, file: Sized, origin: Origin) -> [Option<Sized>; 2] {
        let size = file.facts.size;
        add(&self.counts.files, 1);
        add(&self.counts.bytes, size);
        if origin == Origin::Pseudo {
            add(&self.counts.pseudo, 1);
            return [None, None];
        }
        if size == 0 {
            add(&self.counts.empty, 1);
        }
        let Some(file) = self.first_name(file) else {
            add(&self.counts.links, 1);
            add(&self.counts.linked_bytes, size);
            return [None, None];
        };
        if size == 0 {
            return [None, None];
        }
        let mut sizes = lock(&self.sizes[size as usize % PARTS]);
        let Some(known) = sizes.get_mut(&size) else {
            sizes.insert(size, OfSize::One(file));
            return [None, None];
        };
        let first = match mem::replace(known, OfSize::Many) {
            OfSize::One(first) => Some(first),
            OfSize::Many => None,
        };
        [first, Some(file)]
    }

    /// Gives the file back if this is the first of its names; keeps the name otherwise.
    fn first_name(&self, file: Sized) -> Option<Sized> {
        let Some(identity) = file.facts.identity.filter(|_| file.facts.names > 1) else {
            return Some(file);
        };
        let mut links = lock(&self.links[identity.inode as usize % PARTS]);
        match links.get_mut(&identity) {
            Some(further) => {
                further.push(file.place);
                None
            }
            None => {
                links.insert(identity, Vec::new());
                Some(file)
            }
        }
    }

    /// Hashes a file that [`Finder::file`] has asked for.
    pub fn hash(&self, file: Sized) {
        let Sized { place, facts } = file;
        match hash::hash(&place, &facts, || self.is_stopped()) {
            Ok(Content::Hashed { hash, data }) => {
                add(&self.counts.hashed, 1);
                let member = Member { path: place.path(), identity: facts.identity, data };
                lock(&self.contents).entry((facts.size, hash)).or_default().push(member);
            }
            Ok(Content::Pseudo) => add(&self.counts.pseudo, 1),
            Ok(Content::Stopped) => {}
            Err(error) => self.problem(place.path(), &error),
        }
    }

    /// Notes what could not be read.
    pub fn problem(&self, path: PathBuf, error: &io::Error) {
        if self.on_error == OnError::Stop {
            self.stop.cancel();
        }
        let mut problems = lock(&self.problems);
        if problems.0.len() < MOST_PROBLEMS {
            problems.0.push(Problem { path, error: error.to_string() });
        } else {
            problems.1 += 1;
        }
    }

    /// What was found, when all walking threads have ended.
    pub fn finish(&self) -> Found {
        // Relaxed: the caller has waited for the threads that counted, which orders everything.
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (mut problems, more_problems) = mem::take(&mut *lock(&self.problems));
        problems.sort();
        let Counts { directories, files, links, empty, pseudo, others, bytes, linked_bytes, hashed } =
            &self.counts;
        Found {
            directories: count(directories),
            files: count(files),
            links: count(links),
            empty: count(empty),
            pseudo: count(pseudo),
            others: count(others),
            bytes: count(bytes),
            linked_bytes: count(linked_bytes),
            hashed: count(hashed),
            groups: found::groups(mem::take(&mut *lock(&self.contents)), self.take_links()),
            problems,
            more_problems,
            stopped: self.is_stopped(),
        }
    }

    fn take_links(&self) -> HashMap<Identity, Vec<PathBuf>> {
        let parts = self.links.iter().flat_map(|part| mem::take(&mut *lock(part)));
        let named = parts.filter(|(_, places)| !places.is_empty());
        named
            .map(|(identity, places)| (identity, places.iter().map(|place| place.path()).collect()))
            .collect()
    }
}

/// Adds to a counter, which stays at the most that it can be: the sizes of sparse files have no limit.
fn add(counter: &AtomicU64, amount: u64) {
    // Relaxed: read when the threads that count have been waited for.
    let _ =
        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(amount)));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks leaves its table whole: they hold single insertions only.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_at_the_most_that_they_can_be() {
        let counter = AtomicU64::new(0);
        for _ in 0..5 {
            add(&counter, i64::MAX as u64);
        }
        assert_eq!(counter.into_inner(), u64::MAX);
    }
}
