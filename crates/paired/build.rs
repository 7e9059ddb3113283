//! Notes what the binary was built with: the compiler, and the competitors' versions from the lock file.

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

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version =
        Command::new(rustc).arg("-V").output().ok().and_then(|out| String::from_utf8(out.stdout).ok());
    println!("cargo::rustc-env=PAIRED_RUSTC={}", version.as_deref().map_or("unknown", str::trim));
    println!("cargo::rustc-env=PAIRED_PROFILE={}", env::var("PROFILE").unwrap_or_default());

    let lock = Path::new("../../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = fs::read_to_string(lock).unwrap_or_default();
    println!("cargo::rustc-env=PAIRED_VERSIONS={}", versions(&text).join(", "));
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
