//! The hash of a file's content, read in blocks, without its holes.
//!
//! A hole and zeros that were written are the same content. So a block of zeros is never hashed as bytes: the hash has the
//! other blocks, and where the zeros are. A hole is found by asking the system, not by reading it.

use std::cell::RefCell;
use std::fs::{File, Metadata};
use std::io;

use blake3::Hasher;
use longshore_cli::tree::{Facts, Place};

/// Bytes read at a time: large enough for the hash's SIMD lanes, small enough for the cache.
const BLOCK: usize = 128 * 1024;

thread_local! {
    /// The buffer of this thread, so that small files do not each pay for one.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BLOCK]);
}

/// What a block of a hole holds.
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Names a content.
pub type Hash = [u8; blake3::OUT_LEN];

/// What there is to say of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// The hash, and how many bytes are no holes.
    Hashed { hash: Hash, data: u64 },
    /// It holds another number of bytes than its size, and did so before it was read: the system makes it up.
    Pseudo,
    /// The walk was stopped.
    Stopped,
}

/// Hashes a file of which its directory has told `facts`.
///
/// # Errors
/// What the system says; that it is no regular file any more, or that it has changed.
pub fn hash(place: &Place, facts: &Facts, is_stopped: impl Fn() -> bool) -> io::Result<Content> {
    let (file, metadata) = place.open()?;
    let now = Facts::of(&metadata);
    if (now.size, now.identity) != (facts.size, facts.identity) {
        return Err(changed());
    }
    let mut reading = Reading { holes: Holes::new(&now), file, size: now.size, zeros: 0 };
    let mut contents = Contents::default();
    let end = BUFFER.with_borrow_mut(|buffer| reading.go_through(buffer, &mut contents, is_stopped))?;
    Ok(match end {
        End::Stopped => Content::Stopped,
        End::Complete => Content::Hashed { hash: contents.finish(), data: reading.holes.data(now.size) },
        End::OtherLength if is_unchanged(&metadata, &reading.file.metadata()?) => Content::Pseudo,
        End::OtherLength => return Err(changed()),
    })
}

fn changed() -> io::Error {
    io::Error::other("it changed while it was read")
}

fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

enum End {
    Complete,
    /// It ended before its size, or went on after it.
    OtherLength,
    Stopped,
}

struct Reading {
    file: File,
    size: u64,
    holes: Holes,
    /// Zeros since the last block that held something else.
    zeros: u64,
}

impl Reading {
    fn go_through(
        &mut self,
        buffer: &mut [u8],
        contents: &mut Contents,
        is_stopped: impl Fn() -> bool,
    ) -> io::Result<End> {
        let mut position = 0;
        while position < self.size {
            if is_stopped() {
                return Ok(End::Stopped);
            }
            let data = self.holes.next_data(&self.file, position, self.size);
            // Blocks are in the same places in every file, whatever its holes.
            let start = data - data % BLOCK as u64;
            if start > position {
                self.zeros += start.min(self.size) - position;
                position = start;
                continue;
            }
            let wanted = (self.size - position).min(BLOCK as u64) as usize;
            let block = &mut buffer[..wanted];
            if read_at(&self.file, block, position)? < wanted {
                return Ok(End::OtherLength);
            }
            if *block == ZEROS[..wanted] {
                self.zeros += wanted as u64;
            } else {
                contents.add(std::mem::take(&mut self.zeros), block);
            }
            position += wanted as u64;
        }
        let goes_on = read_at(&self.file, &mut buffer[..1], self.size)? > 0;
        Ok(if goes_on { End::OtherLength } else { End::Complete })
    }
}

/// What makes the hash. Zeros at the end follow from the size, which is compared as well.
#[derive(Default)]
struct Contents {
    blocks: Hasher,
    /// How many zeros are before each block, if there are any: their number, and the number of the block.
    zeros: Hasher,
    number: u64,
}

impl Contents {
    fn add(&mut self, zeros_before: u64, block: &[u8]) {
        if zeros_before > 0 {
            self.zeros.update(&self.number.to_le_bytes()).update(&zeros_before.to_le_bytes());
        }
        self.blocks.update(block);
        self.number += 1;
    }

    fn finish(&self) -> Hash {
        let parts = [self.blocks.finalize(), self.zeros.finalize()];
        let mut whole = Hasher::new();
        for part in &parts {
            whole.update(part.as_bytes());
        }
        *whole.finalize().as_bytes()
    }
}

/// Where a file has data.
struct Holes {
    /// Whether the system is worth asking: a file that takes its whole size on the disk has no holes.
    can_tell: bool,
    /// Data from here, to there; the last stretch that the system has named.
    stretch: (u64, u64),
    data: u64,
}

impl Holes {
    fn new(facts: &Facts) -> Self {
        Holes { can_tell: facts.allocated < facts.size, stretch: (0, 0), data: 0 }
    }

    /// Where the next data is, from a position on: at the position itself, or beyond a hole, or at the end of the file.
    fn next_data(&mut self, file: &File, position: u64, size: u64) -> u64 {
        if !self.can_tell {
            return position;
        }
        if position >= self.stretch.1 {
            match stretch_from(file, position, size) {
                Some((start, end)) => {
                    self.stretch = (start, end);
                    self.data += end - start;
                }
                None => {
                    self.can_tell = false;
                    self.data += size - position;
                    return position;
                }
            }
        }
        position.max(self.stretch.0)
    }

    /// How many bytes of all are data.
    fn data(&self, size: u64) -> u64 {
        if self.can_tell || self.data > 0 { self.data } else { size }
    }
}

/// The next stretch of data, which is empty and at the end if there is none; `None` if the system cannot tell.
#[cfg(target_os = "linux")]
fn stretch_from(file: &File, position: u64, size: u64) -> Option<(u64, u64)> {
    use rustix::fs::{SeekFrom, seek};

    match seek(file, SeekFrom::Data(position)) {
        Ok(start) if start < size => {
            let end = seek(file, SeekFrom::Hole(start)).ok()?.min(size);
            (end > start && start >= position).then_some((start, end))
        }
        // Beyond the last data.
        Ok(_) | Err(rustix::io::Errno::NXIO) => Some((size, size)),
        Err(_) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn stretch_from(_: &File, _: u64, _: u64) -> Option<(u64, u64)> {
    None
}

/// Fills the buffer from a position on; returns how much of it, less than all only at the end of the file.
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let Some(from) = position.checked_add(filled as u64) else { break };
        match read_some(file, &mut buffer[filled..], from) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    // No file goes on beyond it, and a request that does is refused.
    let room = (i64::MAX as u64).saturating_sub(position).min(buffer.len() as u64) as usize;
    std::os::unix::fs::FileExt::read_at(file, &mut buffer[..room], position)
}

#[cfg(not(unix))]
fn read_some(mut file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    use std::io::{Read, Seek};

    file.seek(io::SeekFrom::Start(position))?;
    file.read(buffer)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn look(path: &Path) -> io::Result<Content> {
        hash(&Place::root(path), &Facts::of(&path.metadata()?), || false)
    }

    fn hashed(path: &Path) -> (Hash, u64) {
        match look(path).expect("readable") {
            Content::Hashed { hash, data } => (hash, data),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_vanishes_or_changes_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let place = Place::root(&path);
        std::fs::write(&path, "abc").expect("a file");
        let facts = Facts::of(&path.metadata().expect("a file"));
        assert!(matches!(hash(&place, &facts, || false), Ok(Content::Hashed { data: 3, .. })));
        assert_eq!(hash(&place, &facts, || true).expect("readable"), Content::Stopped);
        for size in [0, 2, 4] {
            let error = hash(&place, &Facts { size, ..facts }, || false).expect_err("not of that size");
            assert!(error.to_string().contains("changed"), "{error}");
        }
        std::fs::remove_file(&path).expect("it is there");
        let gone = hash(&place, &facts, || false).expect_err("it is not there");
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn contents_differ_when_a_byte_or_its_place_does() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut contents = vec![vec![7; 2 * BLOCK + 1], vec![0; 2 * BLOCK + 1]];
        for place in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK] {
            let mut content = vec![0; 2 * BLOCK + 1];
            content[place] = 7;
            contents.push(content);
        }
        let mut seen = std::collections::HashSet::new();
        for (number, content) in contents.iter().enumerate() {
            let path = directory.path().join(number.to_string());
            std::fs::write(&path, content).expect("a file");
            let (hash, data) = hashed(&path);
            assert_eq!(data, content.len() as u64);
            assert!(seen.insert(hash), "{number}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hole_is_the_same_as_zeros_and_is_not_read() {
        use std::os::unix::fs::FileExt;

        let directory = tempfile::tempdir().expect("a directory");
        let sparse = |name: &str, size: u64, data: &[(u64, &[u8])]| {
            let path = directory.path().join(name);
            let file = File::create(&path).expect("a file");
            file.set_len(size).expect("a size");
            for (place, bytes) in data {
                file.write_all_at(bytes, *place).expect("written");
            }
            path
        };
        let data: [(u64, &[u8]); 2] = [(300_000, b"one"), (700_001, b"two")];
        let with_holes = sparse("holes", 1_000_000, &data);
        let written = sparse("written", 1_000_000, &[(0, &[0; 1_000_000]), data[0], data[1]]);
        let ((holes, some), (zeros, all)) = (hashed(&with_holes), hashed(&written));
        assert_eq!(holes, zeros);
        assert_eq!(all, 1_000_000);
        assert!(some < 100_000 || some == 1_000_000, "{some}");
        // A terabyte would take an hour to read.
        let huge = hashed(&sparse("huge", 1 << 40, &[(1 << 39, b"data")]));
        assert_eq!(huge.0, hashed(&sparse("same", 1 << 40, &[(1 << 39, b"data")])).0);
        assert_ne!(huge.0, hashed(&sparse("other", 1 << 40, &[((1 << 39) + 1, b"data")])).0);
        assert_eq!(hashed(&sparse("nothing", 1 << 40, &[])).1, 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_makes_up_has_not_changed() {
        assert_eq!(
            look(Path::new("/sys/kernel/mm/transparent_hugepage/enabled")).ok(),
            Some(Content::Pseudo)
        );
    }
}
