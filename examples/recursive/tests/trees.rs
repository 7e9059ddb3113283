//! Trees that are unlike others: links, holes, depth, names, files that change, directories that cannot be read.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use longshore_cli::name;
use longshore_cli::process::{Finished, PATIENCE, Running};
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, mkdirat, mknodat, openat, renameat_with};
use serde_json::Value;
use tempfile::TempDir;

fn command(root: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-recursive"));
    command.arg(root).args(options);
    command
}

fn run(root: &Path, options: &[&str]) -> Finished {
    Running::start(&mut command(root, options)).and_then(Running::finish).expect("it ends")
}

fn json(run: &Finished) -> Value {
    serde_json::from_slice(&run.output).expect("JSON")
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn one_file_is_one_inode() {
    let root = directory();
    let place = |name: &str| root.path().join(name);
    fs::write(place("file"), vec![1; 1_000_000]).expect("a file");
    for number in 0..9 {
        fs::hard_link(place("file"), place(&format!("link-{number}"))).expect("a link");
    }
    fs::write(place("copy"), vec![1; 1_000_000]).expect("a file");
    fs::write(place("alone"), b"alone").expect("a file");
    fs::hard_link(place("alone"), place("alone too")).expect("a link");
    for jobs in ["1", "3"] {
        let found = json(&run(root.path(), &["--json", "--jobs", jobs]));
        assert_eq!((&found["files"], &found["links"], &found["hashed"]), (&13.into(), &10.into(), &2.into()));
        assert_eq!(found["bytes"], 11_000_010);
        let groups = found["groups"].as_array().expect("groups");
        let [group] = &groups[..] else { panic!("{found}") };
        assert_eq!((&group["wasted"], &group["inodes"]), (&1_000_000.into(), &2.into()));
        assert_eq!(group["files"].as_array().map(Vec::len), Some(11));
    }
    let report = run(root.path(), &[]).text();
    assert!(report.contains("1000 kB, 2 times, under 11 names"), "{report}");
    assert!(report.contains("waste 1.0 MB"), "{report}");
    assert_eq!(run(root.path(), &["--compare"]).code(), Some(0));
}

/// A file with holes everywhere but for some bytes at a place.
fn sparse(path: &Path, size: u64, data: Option<(u64, &[u8])>) -> std::io::Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    data.map_or(Ok(()), |(place, bytes)| file.write_all_at(bytes, place))
}

#[test]
fn holes_are_neither_read_nor_wasted() {
    let root = directory();
    let data = Some((2 << 40, &[7; 4096][..]));
    for name in ["a", "b", "c"] {
        sparse(&root.path().join(name), 3 << 40, data).expect("a file");
    }
    sparse(&root.path().join("other"), 3 << 40, Some((1 << 40, &[7; 4096]))).expect("a file");
    let found = json(&run(root.path(), &["--json"]));
    let groups = found["groups"].as_array().expect("groups");
    let [group] = &groups[..] else { panic!("{found}") };
    assert_eq!(group["inodes"], 3);
    // Two times the data, in the blocks of the file system.
    let wasted = group["wasted"].as_u64().expect("a number");
    assert!((8192..1 << 20).contains(&wasted), "{wasted}");
}

#[test]
fn sizes_near_the_end_of_the_range_are_added_up() {
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else {
        println!("notice: no /dev/shm, files of 2^63 bytes are skipped");
        return;
    };
    let most = i64::MAX as u64;
    for (name, size) in [("a", most), ("b", most - 1), ("c", most - 2), ("d", most), ("e", most)] {
        if sparse(&root.path().join(name), size, Some((size - 1, b"x"))).is_err() {
            println!("notice: /dev/shm has no files of 2^63 bytes, skipped");
            return;
        }
    }
    let ended = run(root.path(), &["--json"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let found = json(&ended);
    assert_eq!(found["bytes"], u64::MAX);
    let group = &found["groups"][0];
    assert_eq!((&group["size"], &group["inodes"]), (&most.into(), &3.into()));
    assert_eq!(group["wasted"].as_u64().map(|wasted| wasted < 1 << 20), Some(true));
    let text = run(root.path(), &[]);
    assert!(text.text().contains("1 groups of duplicates"), "{text}");
}

#[test]
fn what_the_kernel_makes_up_is_no_change_and_no_duplicate() {
    for root in ["/sys/kernel", "/proc/self"] {
        let ended = run(Path::new(root), &["--json"]);
        let found = json(&ended);
        assert!(found["files"].as_u64() > Some(10), "{ended}");
        assert_eq!((&found["pseudo"], &found["hashed"]), (&found["files"], &0.into()), "{root}");
        assert!(!ended.complaints().contains("changed"), "{ended}");
    }
}

#[test]
fn a_tree_may_be_deeper_than_a_path_is_long() {
    const DEPTH: usize = 3000;
    let root = directory();
    let mut parent = openat(CWD, root.path(), OFlags::PATH, Mode::empty()).expect("a directory");
    let file = |parent: &std::os::fd::OwnedFd| {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        let file = File::from(openat(parent, "file", flags, Mode::RUSR).expect("a file"));
        file.write_all_at(b"the same", 0).expect("written");
    };
    for level in 0..DEPTH {
        if level % 500 == 0 {
            file(&parent);
        }
        mkdirat(&parent, "level", Mode::RWXU).expect("a directory");
        parent = openat(&parent, "level", OFlags::PATH, Mode::empty()).expect("a directory");
    }
    file(&parent);
    for options in
        [&["--jobs", "1", "--queue", "1"], &["--jobs", "2", "--queue", "1"], &["--jobs", "3", "--queue", "9"]]
    {
        let ended = run(root.path(), &[&options[..], &["--json"]].concat());
        assert_eq!(ended.code(), Some(0), "{ended}");
        let found = json(&ended);
        assert_eq!(found["directories"], DEPTH + 1);
        assert_eq!(found["groups"][0]["files"].as_array().map(Vec::len), Some(7));
    }
    // Its own removal goes by paths.
    let gone = Command::new("rm").arg("-rf").arg(root.keep()).status().expect("rm");
    assert!(gone.success());
}

#[test]
fn a_file_that_turns_into_a_pipe_does_not_hold_the_walk() {
    let root = directory();
    let place = |name: &str| root.path().join(name);
    for number in 0..50 {
        fs::write(place(&format!("file-{number}")), b"of one size").expect("a file");
    }
    let pipe = root.path().with_extension("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                renameat_with(
                    CWD,
                    &pipe,
                    CWD,
                    place(&format!("file-{}", number % 50)),
                    RenameFlags::EXCHANGE,
                )
                .expect("exchanged");
                number += 1;
            }
        });
        let begin = Instant::now();
        for _ in 0..30 {
            let ended = run(root.path(), &["--json"]);
            assert!(matches!(ended.code(), Some(0 | 1)), "{ended}");
            assert!(begin.elapsed() < PATIENCE);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    fs::remove_file(&pipe).expect("a pipe or what it was exchanged with");
}

/// Names that a terminal would obey, that take two lines, or that are the same when they are made readable.
const NAMES: [&[u8]; 8] = [
    b"two\nlines",
    b"\x1b]0;title\x07",
    b"\x1b[31mred",
    b"\xff",
    b"\xfe",
    b"\\xff",
    b"\xc2\x9b31m",
    b"plain",
];

#[test]
fn names_are_harmless_and_distinct() {
    let root = directory();
    for name in NAMES {
        let sub = root.path().join(OsStr::from_bytes(name));
        fs::create_dir(&sub).expect("a directory");
        fs::write(sub.join("file"), b"the same").expect("a file");
    }
    let ended = run(root.path(), &["--json"]);
    let found = json(&ended);
    let files = found["groups"][0]["files"].as_array().expect("names");
    let names: HashSet<_> = files.iter().map(|file| file.as_str().expect("a text")).collect();
    assert_eq!(names.len(), NAMES.len());
    for bytes in NAMES {
        let path = root.path().join(OsStr::from_bytes(bytes)).join("file");
        assert!(
            names.iter().any(|name| name::from_json(name).as_deref() == Some(path.as_os_str().as_bytes()))
        );
    }
    // Two at a time, because a report has only the first names of a group.
    for pair in NAMES.chunks(2) {
        let root = directory();
        for name in pair {
            fs::write(root.path().join(OsStr::from_bytes(name)), b"the same").expect("a file");
        }
        let report = run(root.path(), &[]).text();
        let lines: HashSet<_> = report.lines().filter(|line| line.starts_with("    ")).collect();
        assert_eq!(lines.len(), pair.len(), "{report:?}");
        assert!(!report.contains(|c: char| c.is_control() && c != '\n'), "{report:?}");
    }
}

/// A user who may not read what others have locked. Permissions do not stop root.
const NOBODY: u32 = 65534;

/// Runs the program as a user who is not root; `None` where that is not possible.
fn run_as_user(root: &Path, options: &[&str]) -> Option<Finished> {
    let mut command = command(root, options);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    match Running::start(&mut command) {
        Ok(running) => Some(running.finish().expect("it ends")),
        Err(error) => {
            println!("notice: the program cannot be run as another user ({error}), skipped");
            None
        }
    }
}

/// A tree with a directory in it that cannot be read, and one of a name that nobody likes.
fn locked_tree() -> TempDir {
    let root = directory();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    for name in ["a", "locked", "\x1blocked", "z"] {
        fs::create_dir(root.path().join(name)).expect("a directory");
        fs::write(root.path().join(name).join("file"), b"the same").expect("a file");
    }
    lock(root.path(), 0o000);
    root
}

fn lock(root: &Path, mode: u32) {
    for name in ["locked", "\x1blocked"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("ours");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_done() {
    let root = locked_tree();
    if let Some(ended) = run_as_user(root.path(), &["--json"]) {
        assert_eq!(ended.code(), Some(1), "{ended}");
        let found = json(&ended);
        assert_eq!(found["groups"][0]["files"].as_array().map(Vec::len), Some(2));
        assert_eq!(found["problems"].as_array().map(Vec::len), Some(2));
        assert!(ended.complaints().contains("locked: Permission denied"), "{ended}");
        assert!(!ended.complaints().contains('\x1b'), "{ended}");
        // The other walkers meet the same problems at the same places.
        let compared = run_as_user(root.path(), &["--compare"]).expect("as before");
        assert_eq!(compared.code(), Some(0), "{compared}");
        let stopped = run_as_user(root.path(), &["--stop-at-first-error"]).expect("as before");
        assert_eq!(stopped.code(), Some(1));
        assert!(stopped.text().contains("stopped: the figures are of a part"), "{stopped}");
    }
    // So that it can be removed.
    lock(root.path(), 0o755);
}
