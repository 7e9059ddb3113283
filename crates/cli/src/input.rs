//! Opening files that the user named or that a walk found: only regular files, and without waiting.
//!
//! A named pipe would hold the program until another one writes, a terminal until somebody types, `/dev/zero` for ever; and a
//! file can become one of them between a look at it and its opening. So a file is opened without blocking, then looked at.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Opens a regular file for reading. Links are followed.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidInput`] with "not a regular file" and what it is.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Looked at before as well: the opening of a pipe or a device can have effects of its own.
    regular(&path.metadata()?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok((file, metadata))
}

/// Fails unless it is the metadata of a regular file.
///
/// # Errors
/// As [`open`].
pub fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let text = format!("not a regular file but {}", kind(metadata));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return "a directory";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_symlink() { "a symbolic link" } else { "something else" }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        open(path).expect_err("it is refused").to_string()
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = |name: &str| directory.path().join(name);
        std::fs::write(place("file"), "text").expect("a file");
        std::os::unix::fs::symlink("file", place("link")).expect("a link");
        let pipe = place("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(place("socket")).expect("a socket");
        assert_eq!(open(&place("file")).expect("a file").1.len(), 4);
        assert_eq!(open(&place("link")).expect("a file").1.len(), 4);
        assert!(refusal(&pipe).contains("a named pipe"));
        assert!(refusal(&place("socket")).contains("a socket"));
        assert!(refusal(Path::new("/dev/zero")).contains("a device"));
        assert!(refusal(directory.path()).contains("a directory"));
        assert_eq!(open(&place("none")).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}
