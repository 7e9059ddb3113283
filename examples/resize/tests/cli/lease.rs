//! Files that nobody can open before the test lets go: their reader waits inside the system for that, at a known place.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// A lease of a file. Whoever else opens the file waits until this is dropped, or the system's [patience](Lease::patience) ends.
pub struct Lease(File);

impl Lease {
    /// `None`, said aloud, if the file system has no leases.
    pub fn of(path: &Path) -> Option<Lease> {
        let file = File::open(path).expect("the file is there");
        // It tells of a reader, and would end the test.
        // SAFETY: always sound; nobody else in this process wants the signal.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        // SAFETY: always sound; the descriptor is open.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
        if result != 0 {
            eprintln!("SKIPPED: no lease of {}: {}", path.display(), std::io::Error::last_os_error());
            return None;
        }
        Some(Lease(file))
    }

    /// How long the system has others wait. After that they get the file, whatever became of the holder.
    pub fn patience() -> Duration {
        let seconds = std::fs::read_to_string("/proc/sys/fs/lease-break-time").ok();
        // What Linux starts with, if it does not tell.
        Duration::from_secs(seconds.and_then(|text| text.trim().parse().ok()).unwrap_or(45))
    }

    /// Whether somebody waits for it.
    pub fn is_wanted(&self) -> bool {
        // SAFETY: always sound; the descriptor is open.
        let kind = unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_GETLEASE) };
        kind != libc::F_WRLCK
    }
}
