//! The hash of a file's content, read in blocks.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at a time: large enough for the hash's SIMD lanes, small enough for the cache.
const BLOCK: usize = 128 * 1024;

thread_local! {
    /// The buffer of this thread, so that small files do not each pay for one.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BLOCK]);
}

/// Names a content.
pub type Hash = [u8; blake3::OUT_LEN];

/// Hashes a file that is `size` bytes long. `Ok(None)` if `is_stopped` says so on the way.
///
/// # Errors
/// What the system says; or that the file does not hold `size` bytes any more.
pub fn hash(path: &Path, size: u64, is_stopped: impl Fn() -> bool) -> io::Result<Option<Hash>> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut length = 0;
    BUFFER.with_borrow_mut(|buffer| {
        while !is_stopped() {
            let read = match file.read(buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read > 0 {
                hasher.update(&buffer[..read]);
                length += read as u64;
            } else if length == size {
                return Ok(Some(*hasher.finalize().as_bytes()));
            }
            if read == 0 || length > size {
                return Err(io::Error::other("it changed while it was read"));
            }
        }
        Ok(None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_vanishes_shrinks_or_grows_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let gone = hash(&path, 3, || false).expect_err("it is not there");
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "abc").expect("a file");
        assert!(hash(&path, 3, || false).expect("readable").is_some());
        assert!(hash(&path, 3, || true).expect("readable").is_none());
        for wrong in [0, 2, 4] {
            let error = hash(&path, wrong, || false).expect_err("it is not of that size");
            assert!(error.to_string().contains("changed"), "{error}");
        }
    }

    #[test]
    fn files_longer_than_a_block_are_read_to_the_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("long");
        let content = vec![7; 2 * BLOCK + 1];
        std::fs::write(&path, &content).expect("a file");
        let found = hash(&path, content.len() as u64, || false).expect("readable");
        assert_eq!(found, Some(*blake3::hash(&content).as_bytes()));
    }
}
