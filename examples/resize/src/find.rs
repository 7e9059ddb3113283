//! From inputs to files: walks directories and expands globs.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use longshore_resize::pipeline::Format;

/// A file to resize.
#[derive(Debug)]
pub struct Found {
    pub source: PathBuf,
    /// Its place below the output directory.
    pub relative: PathBuf,
}

/// An input, or something below one, that could not be used.
#[derive(Debug)]
pub struct Failure {
    pub path: PathBuf,
    pub error: String,
}

/// The format that a file's name announces.
pub fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Some(Format::Jpeg),
        "png" => Some(Format::Png),
        "webp" => Some(Format::Webp),
        _ => None,
    }
}

/// Expands the inputs, in their order and by name within each. `output` is not searched.
pub fn find(inputs: &[PathBuf], output: &Path) -> Vec<Result<Found, Failure>> {
    let output = fs::canonicalize(output).ok();
    let mut found = Vec::new();
    let mut unmatched = Vec::new();
    for input in inputs {
        match fs::metadata(input) {
            Ok(meta) if meta.is_dir() => walk(input, output.as_deref(), None, &mut found),
            Ok(meta) if meta.is_file() => found.push(named_file(input)),
            Ok(_) => found.push(failure(input, "is neither a file nor a directory")),
            // An existing file wins, so that a name with a bracket in it needs no escape.
            Err(error) => match glob(input) {
                None => found.push(failure(input, error)),
                Some(Err(error)) => found.push(failure(input, error)),
                Some(Ok((base, matcher))) => {
                    let before = found.len();
                    walk(&base, output.as_deref(), Some(&matcher), &mut found);
                    if found.len() == before {
                        unmatched.push(failure(input, "no image matches"));
                    }
                }
            },
        }
    }
    // If nothing matched at all, that is the caller's usage error rather than a list of failed files.
    if !found.is_empty() {
        found.append(&mut unmatched);
    }
    found
}

fn failure<T>(path: &Path, error: impl ToString) -> Result<T, Failure> {
    Err(Failure { path: path.to_path_buf(), error: error.to_string() })
}

/// A file named by the user is taken whatever its name.
fn named_file(path: &Path) -> Result<Found, Failure> {
    match path.file_name() {
        Some(name) => Ok(Found { source: path.to_path_buf(), relative: name.into() }),
        None => failure(path, "has no file name"),
    }
}

/// Collects the images below `root`, those that `matcher` accepts if there is one.
fn walk(
    root: &Path,
    output: Option<&Path>,
    matcher: Option<&GlobMatcher>,
    found: &mut Vec<Result<Found, Failure>>,
) {
    // The root is searched even if it is the output directory: it was named as an input.
    let wanted = |entry: &DirEntry| {
        entry.depth() == 0
            || !entry.file_type().is_dir()
            || output.is_none_or(|output| !fs::canonicalize(entry.path()).is_ok_and(|path| path == output))
    };
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(wanted) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                found.push(Err(Failure { path, error: error.to_string() }));
                continue;
            }
        };
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        if format_of(relative).is_none() || matcher.is_some_and(|matcher| !matcher.is_match(relative)) {
            continue;
        }
        // Links are not followed while walking, which cannot loop then; a link to a file is an image.
        match fs::metadata(entry.path()) {
            Ok(meta) if meta.is_file() => {
                found
                    .push(Ok(Found { source: entry.path().to_path_buf(), relative: relative.to_path_buf() }));
            }
            Ok(_) => {}
            Err(error) => found.push(failure(entry.path(), error)),
        }
    }
}

/// Splits a pattern into the directory to search and what must match below it; `None` if it is no pattern.
fn glob(input: &Path) -> Option<Result<(PathBuf, GlobMatcher), globset::Error>> {
    // A name that is not Unicode cannot be a pattern.
    input.to_str()?;
    let is_pattern = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let mut parts = input.components().peekable();
    let mut base = PathBuf::new();
    while let Some(part) = parts.next_if(|part| !is_pattern(part)) {
        base.push(part);
    }
    parts.peek()?;
    let pattern: PathBuf = parts.collect();
    if base.as_os_str().is_empty() {
        base.push(".");
    }
    // Like in a shell: only `**` crosses directories.
    let glob = GlobBuilder::new(&pattern.to_string_lossy()).literal_separator(true).build();
    Some(glob.map(|glob| (base, glob.compile_matcher())))
}
