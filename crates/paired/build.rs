//! Notes what the binary was built with: the compiler, the commit, and the competitors' versions from the
//! lock file.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The packages whose versions a reader of the tables needs.
const COMPETITORS: [&str; 12] = [
    "affinitypool",
    "chili",
    "crossbeam-channel",
    "executors",
    "forte",
    "futures-lite",
    "oneshot",
    "parkring",
    "rayon",
    "rusty_pool",
    "threadpool",
    "tokio",
];

/// What a measurement depends on, besides this package.
const SOURCES: [&str; 6] = [
    "../../Cargo.toml",
    "../../Cargo.lock",
    "../../src",
    "../rivals",
    "../pipeline",
    "../../examples/resize",
];

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version =
        Command::new(rustc).arg("-V").output().ok().and_then(|out| String::from_utf8(out.stdout).ok());
    println!("cargo::rustc-env=PAIRED_RUSTC={}", version.as_deref().map_or("unknown", str::trim));
    println!("cargo::rustc-env=PAIRED_PROFILE={}", env::var("PROFILE").unwrap_or_default());

    let text = fs::read_to_string("../../Cargo.lock").unwrap_or_default();
    println!("cargo::rustc-env=PAIRED_VERSIONS={}", versions(&text).join(", "));
    commit();
}

/// Notes the commit and the files that differ from it, at the time of this build.
///
/// Runs anew when a source changes and when another commit is checked out or made.
fn commit() {
    for source in SOURCES.into_iter().chain(["build.rs", "Cargo.toml", "src"]) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=PAIRED_COMMIT");
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    // A build outside of a checkout is told which commit it is of.
    let told = env::var("PAIRED_COMMIT").ok();
    let commit = told.clone().or_else(|| git(&["rev-parse", "HEAD"])).unwrap_or_else(|| "unknown".to_owned());
    let changes = match told {
        Some(_) => None,
        None => git(&[&["status", "--porcelain", "--untracked-files=no", "--", "."], &SOURCES[..]].concat()),
    };
    let changes = changes.unwrap_or_default();
    // Two letters and a space come before each name.
    let names: Vec<&str> = changes.lines().filter_map(|line| line.get(3..)).collect();
    println!("cargo::rustc-env=PAIRED_COMMIT={commit}");
    println!("cargo::rustc-env=PAIRED_CHANGES={}", names.join(", "));
}

/// What git answers, if it does.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim_end().to_owned())
}

/// "name version" of each competitor that the lock file holds; the newest one if it holds several.
fn versions(lock: &str) -> Vec<String> {
    let value = |line: &str, key: &str| -> Option<String> {
        Some(line.strip_prefix(key)?.trim_start_matches([' ', '=']).trim_matches('"').to_owned())
    };
    let mut found: Vec<String> = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(n) = value(line, "name") {
            name = n;
        } else if let Some(version) = value(line, "version")
            && COMPETITORS.contains(&name.as_str())
        {
            found.retain(|entry| !entry.starts_with(&format!("{name} ")));
            found.push(format!("{name} {version}"));
            name.clear();
        }
    }
    found
}
