//! The benchmark program of a commit, built on demand and kept for the next comparison.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs};

use anyhow::{Context, Result, ensure};

use crate::git;

/// A program that can be asked for measurements.
#[derive(Debug)]
pub struct Program {
    /// What it was asked for by.
    name: String,
    /// The commit that it was built from, if that is known.
    pub commit: Option<String>,
    /// Where it is.
    pub path: PathBuf,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.commit {
            Some(commit) if !commit.starts_with(&self.name) => write!(f, "{} = {commit}", self.name),
            Some(commit) => f.write_str(commit),
            None => write!(f, "the program {}", self.name),
        }
    }
}

impl Program {
    /// The program at this path, or that of the commit of this name, which is built unless it was before.
    pub fn new(name: &str) -> Result<Self> {
        let given = Path::new(name);
        if given.is_file() {
            let path = given.canonicalize().with_context(|| format!("cannot find {name}"))?;
            return Ok(Self { name: name.to_owned(), commit: None, path });
        }
        let commit = git::commit(name)?;
        let folder = folder()?;
        let path = folder.join(&commit[..12]).join("longshore-paired");
        let tools = tools()?;
        let stamp = path.with_extension("built-with");
        if !path.is_file() || fs::read_to_string(&stamp).ok().as_deref() != Some(&tools) {
            build(&commit, &folder, &path)?;
            fs::write(&stamp, tools).with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(Self { name: name.to_owned(), commit: Some(commit), path })
    }
}

/// Where the programs are, below the folder of all that is built.
fn folder() -> Result<PathBuf> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(git::CHECKOUT).join("target"), Into::into);
    let folder = target.join("compare");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))
}

/// What a program depends on besides its commit.
fn tools() -> Result<String> {
    let output = Command::new(rustc()).arg("-vV").output().context("cannot start rustc")?;
    ensure!(output.status.success(), "rustc does not tell its version");
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    Ok(format!("{}RUSTFLAGS={flags}\n", String::from_utf8_lossy(&output.stdout)))
}

fn rustc() -> String {
    env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())
}

/// Builds the program of a commit; always at the same path, which is a part of what the compiler makes of a
/// package.
fn build(commit: &str, folder: &Path, program: &Path) -> Result<()> {
    eprintln!("building {commit}");
    let source = folder.join("source");
    if source.exists() {
        fs::remove_dir_all(&source).with_context(|| format!("cannot empty {}", source.display()))?;
    }
    fs::create_dir_all(&source).with_context(|| format!("cannot make {}", source.display()))?;
    git::extract(commit, &source)?;
    let built = folder.join("target");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "-p",
            "longshore-paired",
            "--bin",
            "longshore-paired",
        ])
        .arg("--target-dir")
        .arg(&built)
        .current_dir(&source)
        .env("PAIRED_COMMIT", commit)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cannot build {commit}");
    let place = program.parent().context("a program in a folder")?;
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let file = format!("longshore-paired{}", env::consts::EXE_SUFFIX);
    fs::copy(built.join("release").join(file), program)
        .with_context(|| format!("cannot write {}", program.display()))?;
    Ok(())
}
