//! From found files to jobs: names each file's output and refuses those that must not be written.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::find::{self, Found};
use longshore_resize::pipeline::Format;

/// One file to resize.
#[derive(Debug)]
pub struct Job {
    pub source: PathBuf,
    pub output: PathBuf,
    pub format: Format,
}

/// What is to happen to one file.
#[derive(Debug)]
pub enum Entry {
    /// Resize it.
    Todo(Job),
    /// Leave it: its output is not older than it.
    UpToDate { source: PathBuf, output: PathBuf },
    /// It cannot be done, and why.
    Refused { source: PathBuf, output: Option<PathBuf>, error: String },
}

/// What decides about outputs.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The format of all outputs, or `None` to keep each source's.
    pub format: Option<Format>,
    /// Replace outputs that are up to date.
    pub force: bool,
}

/// Lists what to do, in the order of the inputs. Empty if they hold no image.
pub fn plan(inputs: &[PathBuf], output: &Path, rules: Rules) -> Vec<Entry> {
    let found = find::find(inputs, output);
    let sources = found.iter().filter_map(|item| fs::canonicalize(item.as_ref().ok()?.source.as_path()).ok());
    let mut planner = Planner { output, rules, sources: sources.collect(), taken: HashMap::new() };
    found.into_iter().filter_map(|item| planner.entry(item)).collect()
}

struct Planner<'a> {
    output: &'a Path,
    rules: Rules,
    /// Every file of the batch: none of them may be replaced, not even on behalf of another.
    sources: HashSet<PathBuf>,
    /// The outputs given out so far, and to which source.
    taken: HashMap<PathBuf, PathBuf>,
}

impl Planner<'_> {
    /// Decides about one file; `None` for one that is in the plan already.
    fn entry(&mut self, item: Result<Found, find::Failure>) -> Option<Entry> {
        let Found { source, relative } = match item {
            Ok(found) => found,
            Err(find::Failure { path, error }) => {
                return Some(Entry::Refused { source: path, output: None, error });
            }
        };
        let own = find::format_of(&source);
        let Some(format) = self.rules.format.or(own) else {
            let error = "the name tells no image format; choose one with --format".into();
            return Some(Entry::Refused { source, output: None, error });
        };
        let mut output = self.output.join(relative);
        if own != Some(format) {
            output.set_extension(extension(format));
        }
        match self.claim(&source, &output) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                return Some(Entry::Refused { source, output: Some(output), error });
            }
        }
        if !self.rules.force && is_up_to_date(&source, &output) {
            return Some(Entry::UpToDate { source, output });
        }
        Some(Entry::Todo(Job { source, output, format }))
    }

    /// Gives `output` to `source`; says false if it was given to that source before.
    fn claim(&mut self, source: &Path, output: &Path) -> Result<bool, String> {
        if fs::canonicalize(output).is_ok_and(|existing| self.sources.contains(&existing)) {
            return Err(format!("{} is itself a source and is not replaced", output.display()));
        }
        // A source that has no canonical path cannot be read either, and fails as a job of its own.
        let identity = fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
        match self.taken.get(&collision_key(output)) {
            Some(holder) if *holder == identity => Ok(false),
            Some(holder) => {
                Err(format!("{} is already the output of {}", output.display(), holder.display()))
            }
            None => {
                self.taken.insert(collision_key(output), identity);
                Ok(true)
            }
        }
    }
}

/// Outputs with equal keys are one file.
fn collision_key(output: &Path) -> PathBuf {
    // The usual file systems of these two do not tell upper from lower case.
    if cfg!(any(windows, target_os = "macos")) {
        PathBuf::from(output.to_string_lossy().to_lowercase())
    } else {
        output.to_path_buf()
    }
}

fn is_up_to_date(source: &Path, output: &Path) -> bool {
    // A directory in the output's place is not the output, and is reported when the rename fails.
    let changed = |path| fs::metadata(path).ok().filter(fs::Metadata::is_file)?.modified().ok();
    match (changed(source), changed(output)) {
        (Some(source), Some(output)) => output >= source,
        _ => false,
    }
}

fn extension(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "jpg",
        Format::Png => "png",
        Format::Webp => "webp",
    }
}
