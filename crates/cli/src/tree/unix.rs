//! Directories by their descriptors.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, Stat, openat, statat};

use super::{Entry, Facts, Identity, Kind};

/// Bytes of a path that every system takes at a time (Linux 4,095, others 1,023).
const LONGEST: usize = if cfg!(target_os = "linux") { 4_000 } else { 1_000 };
/// In these, `st_blocks` counts, whatever the file system's blocks are.
const BLOCK: u64 = 512;

/// The entries of a directory, in no order, without `.` and `..`.
#[derive(Debug)]
pub struct Entries {
    directory: Dir,
    is_pseudo: bool,
}

pub fn read(names: &[&OsStr]) -> io::Result<Entries> {
    let directory = open_at(names, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
    let is_pseudo = is_pseudo(&directory);
    Ok(Entries { directory: Dir::new(directory)?, is_pseudo })
}

pub fn open(names: &[&OsStr]) -> io::Result<File> {
    open_at(names, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from)
}

/// Opens the last of the names, in as many steps as the length of the path takes.
fn open_at(names: &[&OsStr], flags: OFlags) -> io::Result<OwnedFd> {
    let mut directory: Option<OwnedFd> = None;
    let mut path = Vec::new();
    for (number, name) in names.iter().enumerate() {
        if !path.is_empty() && path.len() + 1 + name.len() > LONGEST {
            let flags = OFlags::DIRECTORY | STEP | link_flags(directory.is_some());
            directory = Some(open_one(directory.as_ref(), &path, flags)?);
            path.clear();
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        if number + 1 == names.len() {
            return open_one(directory.as_ref(), &path, flags | link_flags(number > 0));
        }
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// How a directory on the way is opened.
const STEP: OFlags = if cfg!(target_os = "linux") { OFlags::from_bits_retain(PATH) } else { OFlags::RDONLY };
#[cfg(target_os = "linux")]
const PATH: u32 = OFlags::PATH.bits();
#[cfg(not(target_os = "linux"))]
const PATH: u32 = 0;

fn link_flags(is_below_root: bool) -> OFlags {
    if is_below_root { OFlags::NOFOLLOW } else { OFlags::empty() }
}

fn open_one(directory: Option<&OwnedFd>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    Ok(match directory {
        Some(directory) => openat(directory, path, flags, Mode::empty())?,
        None => openat(CWD, path, flags, Mode::empty())?,
    })
}

impl Entries {
    /// Whether the kernel makes up what the files hold, as in /proc and /sys: their sizes then say nothing, and reading them can
    /// wait, or do something.
    pub fn is_pseudo(&self) -> bool {
        self.is_pseudo
    }

    /// What this directory is, whatever the path to it.
    ///
    /// # Errors
    /// What the system says.
    pub fn identity(&self) -> io::Result<Option<Identity>> {
        Ok(Some(identity(&self.directory.stat()?)))
    }

    fn entry(&self, found: &DirEntry) -> io::Result<Entry> {
        let kind = match found.file_type() {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile | FileType::Unknown => self.look(found)?,
            _ => Kind::Other,
        };
        Ok(Entry { name: OsString::from_vec(found.file_name().to_bytes().to_vec()), kind })
    }

    fn look(&self, found: &DirEntry) -> io::Result<Kind> {
        let stat = statat(self.directory.fd()?, found.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            // Signed on some systems, and never negative.
            FileType::RegularFile => Kind::File(Facts {
                size: stat.st_size as u64,
                allocated: (stat.st_blocks as u64).saturating_mul(BLOCK),
                identity: Some(identity(&stat)),
                names: stat.st_nlink as u64,
            }),
            _ => Kind::Other,
        })
    }
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.directory.read()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error.into())),
            };
            if matches!(found.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            match self.entry(&found) {
                // It has vanished since the directory was read, and is in no tree any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return Some(other),
            }
        }
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types differ from system to system")]
fn identity(stat: &Stat) -> Identity {
    Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
}

pub fn facts(metadata: &Metadata) -> Facts {
    Facts {
        size: metadata.len(),
        allocated: metadata.blocks().saturating_mul(BLOCK),
        identity: Some(Identity { device: metadata.dev(), inode: metadata.ino() }),
        names: metadata.nlink(),
    }
}

/// The file systems that hold what the kernel makes up (linux/magic.h and the sources of those that are not in it).
#[cfg(target_os = "linux")]
const PSEUDO: [u64; 19] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0xcafe_4a11, // bpf
    0x6265_6570, // configfs
    0xde5e_81e4, // efivarfs
    0x6165_676c, // pstore
    0xf97c_ff8c, // selinux
    0x4341_5d53, // smack
    0x6573_5543, // fusectl
    0x4249_4e4d, // binfmt_misc
    0x6e73_6673, // nsfs
    0x0000_1cd1, // devpts
    0x1980_0202, // mqueue
    0x0765_5821, // resctrl
];

#[cfg(target_os = "linux")]
fn is_pseudo(directory: &OwnedFd) -> bool {
    // A magic number has 32 bits, whatever type the system has for it.
    rustix::fs::fstatfs(directory).is_ok_and(|found| PSEUDO.contains(&(found.f_type as u64 & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn is_pseudo(_: &OwnedFd) -> bool {
    false
}
