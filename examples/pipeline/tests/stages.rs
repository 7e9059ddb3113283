//! The program as its user meets it, on small generated trees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[cfg(target_os = "linux")]
use longshore_cli::process::{PATIENCE, Running};
#[cfg(target_os = "linux")]
use longshore_cli::signals::Signal;
use tempfile::TempDir;

/// A directory with inputs in `in`; results go to `out`.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(bench.path("in")).expect("a directory");
        bench
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, content: &[u8]) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-stages"));
        command.args(["in", "-o", "out"]).args(options).current_dir(self.0.path());
        command
    }

    fn run(&self, options: &[&str]) -> Output {
        let output = self.command(options).output().expect("the program starts");
        assert_eq!(self.temporary_files(), 0);
        output
    }

    fn index(&self) -> Option<Vec<Line>> {
        let text = fs::read_to_string(self.path("out/index.tsv")).ok()?;
        Some(text.lines().map(Line::parse).collect())
    }

    /// What the object of a line holds.
    fn object(&self, line: &Line) -> Vec<u8> {
        let path = self.path("out/objects").join(&line.hash[..2]).join(format!("{}.zst", line.hash));
        assert_eq!(fs::metadata(&path).expect("an object").len(), line.compressed);
        let content = zstd::decode_all(fs::File::open(path).expect("an object")).expect("intact");
        assert_eq!(blake3::hash(&content).to_hex().as_str(), line.hash);
        content
    }

    fn temporary_files(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
            let other = |path: &PathBuf| {
                path.file_name().is_none_or(|name| name != "index.tsv")
                    && path.extension().is_none_or(|e| e != "zst")
            };
            entries.map(|path| if path.is_dir() { count(&path) } else { usize::from(other(&path)) }).sum()
        }
        count(&self.path("out"))
    }
}

struct Line {
    hash: String,
    size: usize,
    compressed: u64,
    path: String,
}

impl Line {
    fn parse(line: &str) -> Line {
        let [hash, size, compressed, path] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("4 parts");
        let number = |text: &str| text.parse().expect("a number");
        let (size, compressed) = (number(size) as usize, number(compressed));
        Line { hash: hash.into(), size, compressed, path: path.into() }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Different for each number, and not quite incompressible.
fn content(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * (number + 3) / 7 % 251) as u8).collect()
}

#[test]
fn files_are_stored_and_indexed_in_order_whatever_the_number_of_workers() {
    for options in [&["--readers", "1", "--compressors", "1", "--queue", "1"][..], &["--readers", "3"]] {
        let bench = Bench::new();
        // The first ones take longest.
        for number in 0..60 {
            bench.write(&format!("in/{}/{number:02}", number % 3), &content(number, 60_000 / (number + 1)));
        }
        bench.write("in/empty", b"");
        let run = bench.run(options);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        let index = bench.index().expect("an index");
        let paths: Vec<_> = index.iter().map(|line| line.path.clone()).collect();
        let mut expected: Vec<_> = (0..60)
            .map(|number| format!("in/{}/{number:02}", number % 3))
            .chain(["in/empty".into()])
            .collect();
        expected.sort();
        assert_eq!(paths, expected);
        for line in &index {
            let original = fs::read(bench.path(&line.path)).expect("the file");
            assert_eq!(original.len(), line.size);
            assert_eq!(bench.object(line), original);
        }
        assert!(text(&run.stdout).contains("61 of 61 files stored, 0 failed"), "{}", text(&run.stdout));
    }
}

#[test]
fn a_content_is_stored_once_and_known_the_next_time() {
    let bench = Bench::new();
    for name in ["in/a", "in/b\tc", "in/d\\e\nf"] {
        bench.write(name, b"the same");
    }
    assert_eq!(bench.run(&[]).status.code(), Some(0));
    let index = bench.index().expect("an index");
    assert_eq!(
        index.iter().map(|line| &line.path[..]).collect::<Vec<_>>(),
        ["in/a", "in/b\\tc", "in/d\\\\e\\nf"]
    );
    assert!(index.iter().all(|line| line.hash == index[0].hash));
    let again = bench.run(&[]);
    assert!(text(&again.stdout).contains("3 contents were known"), "{}", text(&again.stdout));
}

/// Something whose content cannot be stored: in the place of its object's directory there is a file.
fn obstruct(bench: &Bench, content: &[u8]) {
    let hash = blake3::hash(content).to_hex();
    bench.write(&format!("out/objects/{}", &hash[..2]), b"in the way");
}

#[test]
fn an_error_leaves_no_index_or_one_without_the_file() {
    let bench = Bench::new();
    bench.write("in/bad", b"bad");
    let good = (0..20)
        .map(|n| content(n, 100))
        .filter(|c| blake3::hash(c).to_hex()[..2] != blake3::hash(b"bad").to_hex()[..2]);
    let good = good.enumerate().map(|(n, content)| bench.write(&format!("in/good-{n}"), &content)).count();
    obstruct(&bench, b"bad");
    let run = Command::new(env!("CARGO_BIN_EXE_longshore-stages"))
        .args(["in", "-o", "out"])
        .current_dir(bench.0.path())
        .output()
        .expect("the program starts");
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    assert!(text(&run.stderr).contains("in/bad: "), "{}", text(&run.stderr));
    assert!(bench.index().is_none());
    bench.write("out/index.tsv", b"of an earlier run\n");
    assert_eq!(bench.command(&[]).output().expect("it starts").status.code(), Some(1));
    assert_eq!(fs::read(bench.path("out/index.tsv")).expect("it stays"), b"of an earlier run\n");

    let run = bench.command(&["--on-error", "skip"]).output().expect("the program starts");
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let index = bench.index().expect("an index");
    assert_eq!(index.len(), good);
    index.iter().for_each(|line| drop(bench.object(line)));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_leaves_no_index_and_nothing_half_done() {
    let bench = Bench::new();
    for number in 0..400 {
        bench.write(&format!("in/{number:03}"), &content(number, 30_000));
    }
    let mut running =
        Running::start(&mut bench.command(&["--level", "19", "--queue", "2"])).expect("it starts");
    // The signal is caught before there is any object.
    let deadline = std::time::Instant::now() + PATIENCE;
    while fs::read_dir(bench.path("out/objects")).map_or(0, Iterator::count) == 0 {
        assert!(std::time::Instant::now() < deadline, "no object appears");
        std::thread::yield_now();
    }
    running.signal(Signal::Interrupt).expect("it runs");
    let finished = running.finish().expect("it ends");
    assert_eq!(finished.code(), Some(130), "{finished}");
    assert!(finished.text().contains("interrupted: no index is written"), "{finished}");
    assert!(bench.index().is_none());
    assert_eq!(bench.temporary_files(), 0);
    // What is there is whole, and the next run only does the rest.
    let again = bench.run(&["--level", "1"]);
    assert_eq!(again.status.code(), Some(0));
    let index = bench.index().expect("an index");
    assert_eq!(index.len(), 400);
    index.iter().for_each(|line| drop(bench.object(line)));
}

#[test]
fn bad_usage_exits_with_2() {
    let bench = Bench::new();
    bench.write("in/a", b"a");
    bench.write("file", b"");
    let cases: [&[&str]; 9] = [
        &["--level", "0"],
        &["--level", "20"],
        &["--queue", "0"],
        &["--queue", "100000000000"],
        &["--memory", "1M"],
        &["--readers", "0"],
        &["--compressors", "5000"],
        &["--on-error", "panic"],
        &["missing"],
    ];
    for options in cases {
        let run = bench.run(options);
        assert_eq!(run.status.code(), Some(2), "{options:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{options:?}");
    }
    let program = env!("CARGO_BIN_EXE_longshore-stages");
    for arguments in [&["in"][..], &["-o", "out"], &["in", "-o", "file"]] {
        let run =
            Command::new(program).args(arguments).current_dir(bench.0.path()).output().expect("it starts");
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
    }
}
