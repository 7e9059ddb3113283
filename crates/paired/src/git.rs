//! Git, as far as measurements need it: which commit a name means, what is not committed, the files of a
//! commit.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The folder of the checkout.
pub const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What git answers in the checkout.
fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["--no-optional-locks", "-C", CHECKOUT])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The full name of the commit that a name means.
pub fn commit(name: &str) -> Result<String> {
    let found = git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")]);
    Ok(found.with_context(|| format!("{name} is neither a commit nor a program"))?.trim().to_owned())
}

/// The files under version control that differ from the current commit.
pub fn changes() -> Result<Vec<String>> {
    let status = git(&["status", "--porcelain", "--untracked-files=no"])?;
    // Two letters and a space come before each name.
    Ok(status.lines().filter_map(|line| line.get(3..)).map(str::to_owned).collect())
}

/// The files below these folders that differ between two commits.
pub fn differing(old: &str, new: &str, folders: &[&str]) -> Result<Vec<String>> {
    let names = git(&[&["diff", "--name-only", old, new, "--"], folders].concat())?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Writes all files of a commit into an empty folder, with the present as their time: cargo compares times,
/// and those of the commit may be older than what it built last.
pub fn extract(commit: &str, folder: &Path) -> Result<()> {
    let mut archive = Command::new("git")
        .args(["-C", CHECKOUT, "archive", commit])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start git")?;
    let files = archive.stdout.take().context("git has no output")?;
    let unpacked = Command::new("tar")
        .args(["--extract", "--touch", "--directory"])
        .arg(folder)
        .stdin(files)
        .status()
        .context("cannot start tar")?;
    let archived = archive.wait().context("cannot wait for git")?;
    ensure!(archived.success() && unpacked.success(), "cannot extract {commit} to {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_means_nothing_is_refused() {
        let error = commit("no such commit").expect_err("there is none");
        assert!(error.to_string().contains("no such commit"), "{error}");
        assert!(commit("--output=x").is_err());
    }
}
