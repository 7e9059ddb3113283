//! Stores that have met accidents, and inputs that are no plain files.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_cli::process::{Finished, Running};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().expect("a directory"));
        fs::create_dir(bench.path("in")).expect("a directory");
        bench
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, content: &[u8]) {
        fs::write(self.path(relative), content).expect("a file");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-stages"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        run(&mut self.command(arguments))
    }

    fn index(&self, output: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(output).join("index.tsv")).expect("an index, in UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// The objects by their paths, with what they hold; each has to be named by its content.
    fn objects(&self, output: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for directory in fs::read_dir(self.path(output).join("objects")).expect("a store") {
            for object in fs::read_dir(directory.expect("readable").path()).expect("a directory") {
                let path = object.expect("readable").path();
                let file = fs::File::open(&path).expect("an object");
                let content = zstd::decode_all(file).expect("whole");
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                assert_eq!(blake3::hash(&content).to_hex().as_str(), name);
                objects.insert(path, content);
            }
        }
        objects
    }
}

fn run(command: &mut Command) -> Finished {
    Running::start(command).and_then(Running::finish).expect("it ends")
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
}

#[test]
fn what_is_no_regular_file_is_named_at_once() {
    let bench = Bench::new();
    bench.write("in/a", b"a");
    pipe(&bench.path("pipe"));
    pipe(&bench.path("in/pipe"));
    for input in ["pipe", "/dev/zero", "/dev/null"] {
        let ended = bench.run(&["in", input, "-o", "out"]);
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(ended.complaints().contains(&format!("{input}: not a regular file")), "{ended}");
        assert!(!bench.path("out").exists());
        let ended = bench.run(&["in", input, "missing", "-o", "skipping", "--on-error", "skip"]);
        assert_eq!(ended.code(), Some(1), "{ended}");
        assert!(ended.complaints().contains("missing: "), "{ended}");
        assert_eq!(bench.index("skipping").len(), 1);
    }
    // Those in a directory are left out, as links are.
    let ended = bench.run(&["in", "-o", "out"]);
    assert_eq!((ended.code(), bench.index("out").len()), (Some(0), 1), "{ended}");
}

#[test]
fn the_store_does_not_eat_itself() {
    let bench = Bench::new();
    for number in 0..10_u8 {
        bench.write(&format!("in/{number}"), &[number; 100]);
    }
    std::os::unix::fs::symlink("in", bench.path("alias")).expect("a link");
    for input in ["in", "in", "alias", "in/../in"] {
        let ended = bench.run(&[input, "-o", "in/store"]);
        assert_eq!((ended.code(), bench.index("in/store").len()), (Some(0), 10), "{ended}");
    }
    for input in ["in/store", "in/store/objects", "alias/store/index.tsv"] {
        let ended = bench.run(&[input, "-o", "in/store"]);
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert!(ended.complaints().contains("inside of the output"), "{ended}");
    }
    assert_eq!(bench.objects("in/store").len(), 10);
}

#[test]
fn damaged_objects_are_made_anew() {
    let bench = Bench::new();
    // Several blocks each.
    let content =
        |number: u32| -> Vec<u8> { (0..200_000).flat_map(|n| (n * (number + 1)).to_le_bytes()).collect() };
    for number in 0..6 {
        bench.write(&format!("in/{number}"), &content(number));
    }
    assert_eq!(bench.run(&["in", "-o", "out"]).code(), Some(0));
    let whole = bench.objects("out");
    let paths: Vec<_> = whole.keys().cloned().collect();
    let length = |path: &Path| fs::metadata(path).expect("an object").len();
    let cut = |path: &Path, to: u64| {
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(to)).expect("it is cut");
    };
    cut(&paths[0], 0);
    cut(&paths[1], length(&paths[1]) / 2);
    let full = length(&paths[2]);
    cut(&paths[2], full / 3);
    // What a crash leaves of a file whose last pages were not written.
    cut(&paths[2], full);
    fs::remove_file(&paths[3]).and_then(|()| fs::create_dir(&paths[3])).expect("a directory");
    fs::remove_file(&paths[4]).and_then(|()| fs::create_dir(&paths[4])).expect("a directory");
    fs::write(paths[4].join("precious"), b"of the user").expect("a file");
    fs::remove_file(&paths[5]).expect("it is there");
    pipe(&paths[5]);
    let again = bench.run(&["in", "-o", "out"]);
    assert_eq!(again.code(), Some(0), "{again}");
    assert!(again.text().contains("6 objects were damaged"), "{again}");
    let aside = paths[4].with_extension("zst.directory-1");
    assert_eq!(fs::read(aside.join("precious")).expect("it is kept"), b"of the user");
    fs::remove_dir_all(aside).expect("a directory");
    assert_eq!(bench.objects("out"), whole);
    // One byte in the middle of a block is found by a check of everything.
    let mut bytes = fs::read(&paths[0]).expect("an object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&paths[0], bytes).expect("written");
    assert!(bench.run(&["in", "-o", "out"]).text().contains("6 contents were known"));
    let checked = bench.run(&["in", "-o", "out", "--check"]).text();
    assert!(
        checked.contains("5 contents were known") && checked.contains("1 objects were damaged"),
        "{checked}"
    );
    assert_eq!(bench.objects("out"), whole);
}

#[test]
fn permissions_are_those_of_any_new_file() {
    let bench = Bench::new();
    bench.write("in/a", b"a");
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let output = format!("out-{umask}");
        let script = format!("umask {umask}; exec \"$0\" in -o {output}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_longshore-stages")]).current_dir(bench.0.path());
        assert_eq!(run(&mut command).code(), Some(0));
        let objects = bench.objects(&output);
        for path in objects.keys().chain([&bench.path(&output).join("index.tsv")]) {
            let permissions = fs::metadata(path).expect("a file").permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{}", path.display());
        }
    }
}

#[test]
fn temporary_files_of_a_killed_run_are_swept() {
    let bench = Bench::new();
    bench.write("in/a", b"a");
    assert_eq!(bench.run(&["in", "-o", "out"]).code(), Some(0));
    let object = bench.objects("out").into_keys().next().expect("an object");
    let stale = [bench.path("out"), object.parent().expect("a directory").to_owned()]
        .map(|directory| directory.join(".longshore-of-last-week.tmp"));
    stale.iter().for_each(|path| fs::write(path, b"half").expect("a file"));
    assert_eq!(bench.run(&["in", "-o", "out"]).code(), Some(0));
    assert!(stale.iter().all(|path| !path.exists()));
}

/// A user whom permissions stop.
const NOBODY: u32 = 65534;

#[test]
fn a_directory_that_cannot_be_read_is_named_and_the_rest_is_stored() {
    let bench = Bench::new();
    for name in ["in/a", "in/locked", "in/z"] {
        fs::create_dir(bench.path(name)).expect("a directory");
        bench.write(&format!("{name}/file"), name.as_bytes());
    }
    fs::create_dir(bench.path("out")).expect("a directory");
    let mode = |path: &str, mode| {
        fs::set_permissions(bench.path(path), fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode("", 0o755);
    mode("out", 0o777);
    mode("in/locked", 0o000);
    for (on_error, lines) in [("stop", None), ("skip", Some(2))] {
        let mut command = bench.command(&["in", "-o", "out", "--on-error", on_error]);
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let Ok(running) = Running::start(&mut command) else {
            println!("notice: the program cannot be run as another user, skipped");
            break;
        };
        let ended = running.finish().expect("it ends");
        assert_eq!(ended.code(), Some(1), "{ended}");
        assert!(ended.complaints().contains("in/locked: Permission denied"), "{ended}");
        let index = bench.path("out/index.tsv");
        assert_eq!(index.exists().then(|| bench.index("out").len()), lines, "{ended}");
    }
    mode("in/locked", 0o755);
}

#[test]
fn names_are_harmless_and_distinct() {
    let bench = Bench::new();
    let names: [&[u8]; 6] = [b"a\x1b[31m", b"b\nb", b"c\xff", b"c\xfe", b"c\\xff", b"d\x07"];
    for name in names {
        fs::write(bench.path("in").join(OsStr::from_bytes(name)), name).expect("a file");
    }
    assert_eq!(bench.run(&["in", "-o", "out"]).code(), Some(0));
    let index = bench.index("out");
    let paths: Vec<_> = index.iter().map(|line| line.split('\t').nth(3).expect("a path")).collect();
    assert_eq!(paths, ["in/a\\x1b[31m", "in/b\\nb", "in/c\\\\xff", "in/c\\xfe", "in/c\\xff", "in/d\\x07"]);
    // In a message as well: each is of an input that is not there.
    for name in names {
        let mut command = bench.command(&["-o", "out"]);
        let ended = run(command.arg(OsStr::from_bytes(name)));
        assert_eq!(ended.code(), Some(2), "{ended}");
        let complaints = ended.complaints();
        assert_eq!(complaints.lines().count(), 1, "{complaints:?}");
        assert!(!complaints.contains(|c: char| c.is_control() && c != '\n'), "{complaints:?}");
    }
}

#[test]
fn an_output_that_cannot_be_is_told_before_anything_is_done() {
    let bench = Bench::new();
    bench.write("in/a", b"a");
    bench.write("file", b"");
    fs::create_dir_all(bench.path("taken/index.tsv")).expect("a directory");
    for output in ["file", "file/below", "/proc/none", "taken", "/dev/null"] {
        let ended = bench.run(&["in", "-o", output]);
        assert_eq!(ended.code(), Some(2), "{ended}");
        assert_eq!((ended.output.len(), ended.complaints().lines().count()), (0, 1), "{ended}");
    }
}

#[test]
fn a_file_that_the_kernel_makes_up_is_told_so() {
    if !Path::new("/proc/self/status").exists() {
        return;
    }
    let bench = Bench::new();
    let ended = bench.run(&["/proc/self/status", "-o", "out"]);
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.complaints().contains("the system makes it up"), "{ended}");
    let ended = bench.run(&["/proc/self/net", "-o", "out"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(bench.index("out").is_empty());
}

/// Objects before the index, and everything on the disk before its name.
#[cfg(target_os = "linux")]
#[test]
fn objects_are_on_the_disk_before_the_index_that_names_them() {
    let bench = Bench::new();
    for number in 0..20_u8 {
        bench.write(&format!("in/{number}"), &[number; 1000]);
    }
    let trace =
        ["-f", "-o", "trace", "-e", "trace=/^rename,syncfs,fsync", env!("CARGO_BIN_EXE_longshore-stages")];
    let mut command = Command::new("strace");
    command.args(trace).args(["in", "-o", "out"]).current_dir(bench.0.path());
    let Ok(running) = Running::start(&mut command) else {
        println!("notice: strace is not installed, skipped");
        return;
    };
    let ended = running.finish().expect("it ends");
    let trace = fs::read_to_string(bench.path("trace")).unwrap_or_default();
    if ended.code() != Some(0) && trace.is_empty() {
        println!("notice: strace does not work here, skipped: {ended}");
        return;
    }
    let calls: Vec<_> = trace.lines().collect();
    let place = |what: &dyn Fn(&str) -> bool| calls.iter().position(|call| what(call)).expect(&trace);
    let last = |what: &dyn Fn(&str) -> bool| calls.iter().rposition(|call| what(call)).expect(&trace);
    let objects = last(&|call| call.contains("rename") && call.contains(".zst"));
    let flushed = place(&|call| call.contains("syncfs("));
    let lines = place(&|call| call.contains("fsync("));
    let index = place(&|call| call.contains("rename") && call.contains("index.tsv"));
    let named = last(&|call| call.contains("fsync("));
    let order = [objects, flushed, lines, index, named];
    assert!(order.is_sorted(), "{order:?}\n{trace}");
}
