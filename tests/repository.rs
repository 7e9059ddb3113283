//! Rules of the repository that a compiler does not check: layers, sizes, heads of files.

use std::fs;
use std::path::{Path, PathBuf};

/// The largest file, in lines of code (without comments, blank lines and unit tests).
const MOST_LINES: usize = 400;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layers that a file of `layer` may import from; `None` for the API at the root, which may use everything.
fn allowed(layer: &str) -> Option<&'static [&'static str]> {
    match layer {
        "base" => Some(&["base"]),
        "policy" => Some(&["policy", "base"]),
        "primitives" => Some(&["primitives", "base"]),
        "sys" => Some(&["sys", "base"]),
        "runtime" => Some(&["runtime", "policy", "primitives", "sys", "base"]),
        _ => None,
    }
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for path in sources(&src()) {
        let inside = path.strip_prefix(src()).expect("below src");
        let layer = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let Some(allowed) = allowed(&layer) else { continue };
        let text = fs::read_to_string(&path).expect("UTF-8");
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for import in line.split("crate::").skip(1) {
                let target: String =
                    import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !allowed.contains(&target.as_str()) {
                    wrong.push(format!("{}: {}", inside.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up or sideways:\n{}", wrong.join("\n"));
}

/// Everything that is not a test.
fn all_sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "benches", "crates", "examples"].map(|folder| root.join(folder));
    // The published package holds neither benches nor crates.
    folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| sources(folder)).collect()
}

#[test]
fn every_file_says_first_what_it_is() {
    let headless: Vec<_> = all_sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("UTF-8").starts_with("//! "))
        .collect();
    assert!(headless.is_empty(), "{headless:?}");
}

#[test]
fn no_file_grows_out_of_hand() {
    let code = |path: &Path| {
        let text = fs::read_to_string(path).expect("UTF-8");
        let until_tests = text.split("\nmod tests {").next().expect("a first part");
        let counts = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        until_tests.lines().filter(counts).count()
    };
    let large: Vec<_> = all_sources().into_iter().filter(|path| code(path) > MOST_LINES).collect();
    assert!(large.is_empty(), "more than {MOST_LINES} lines of code: {large:?}");
}
