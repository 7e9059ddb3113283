//! The program as its user meets it, on small generated trees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn recursive(root: &Path, options: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_longshore-recursive");
    Command::new(program).arg(root).args(options).output().expect("the program starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A tree of `3^depth` directories at its ends, with files of four contents in all of them.
fn plant(directory: &Path, depth: u32) {
    fs::create_dir_all(directory).expect("a directory");
    fs::write(directory.join("same"), vec![1; 20_000]).expect("a file");
    fs::write(directory.join("empty"), "").expect("a file");
    // As long as "same" everywhere, of another content.
    fs::write(directory.join("other"), vec![2; 20_000]).expect("a file");
    fs::write(directory.join("name"), directory.to_string_lossy().repeat(40)).expect("a file");
    if depth > 0 {
        (0..3).for_each(|branch| plant(&directory.join(format!("branch-{branch}")), depth - 1));
    }
}

fn tree(depth: u32) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    plant(root.path(), depth);
    root
}

#[test]
fn everything_is_counted_once_whatever_the_number_of_workers() {
    let root = tree(3);
    // 1 + 3 + 9 + 27
    let directories = 40;
    for (jobs, queue) in [("1", "1"), ("1", "1000"), ("2", "1"), ("7", "3")] {
        let run = recursive(root.path(), &["--json", "--jobs", jobs, "--queue", queue]);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        let found = json(&run);
        assert_eq!(found["directories"], directories);
        assert_eq!(found["files"], 4 * directories);
        assert_eq!(found["empty"], directories);
        // The names of different directories may be equally long, but are never equal.
        assert_eq!(found["groups"].as_array().map(Vec::len), Some(2));
        for group in found["groups"].as_array().expect("groups") {
            assert_eq!(group["size"], 20_000);
            assert_eq!(group["files"].as_array().map(Vec::len), Some(directories));
        }
    }
}

#[test]
fn a_deep_tree_needs_no_room_in_the_queue() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let depth = 500;
    let mut path = root.path().to_owned();
    for _ in 0..depth {
        fs::create_dir_all(path.join("a")).expect("a directory");
        fs::create_dir(path.join("b")).expect("a directory");
        path.push("a");
    }
    for queue in ["1", "4096"] {
        let run = recursive(root.path(), &["--json", "--queue", queue]);
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        assert_eq!(json(&run)["directories"], 2 * depth + 1);
    }
}

#[test]
fn all_walkers_find_the_same() {
    let root = tree(2);
    let run = recursive(root.path(), &["--compare"]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let table = text(&run.stdout);
    assert_eq!(table.matches("  yes\n").count(), 3, "{table}");
}

#[test]
fn a_text_report_names_groups_and_totals() {
    let root = tree(1);
    let run = recursive(root.path(), &["--top", "1"]);
    let report = text(&run.stdout);
    assert!(report.contains("20 kB, 4 times"), "{report}");
    assert!(report.contains("and 1 more groups"), "{report}");
    assert!(report.contains("16 files (4 empty) in 4 directories, 0 others"), "{report}");
    assert!(report.contains("waste 0.1 MB"), "{report}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let root = tree(0);
    std::os::unix::fs::symlink(root.path(), root.path().join("circle")).expect("a link");
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).expect("a link");
    let found = json(&recursive(root.path(), &["--json"]));
    assert_eq!((&found["directories"], &found["files"], &found["others"]), (&1.into(), &4.into(), &2.into()));
}

#[test]
fn bad_usage_exits_with_2() {
    let root = tree(0);
    let cases: [(&str, &[&str]); 7] = [
        ("none", &[]),
        ("same", &[]),
        (".", &["--jobs", "0"]),
        (".", &["--jobs", "5000"]),
        (".", &["--queue", "0"]),
        (".", &["--queue", "100000000000"]),
        (".", &["--compare", "--json"]),
    ];
    for (path, options) in cases {
        let run = recursive(&root.path().join(path), options);
        assert_eq!(run.status.code(), Some(2), "{path} {options:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{path} {options:?}");
    }
}
