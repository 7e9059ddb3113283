//! From inputs to files: walks directories, expands globs, reads lists.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use longshore::CancelToken;
use longshore_cli::{input, print};
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::format;
use walkdir::{DirEntry, WalkDir};

use crate::PROGRAM;

/// What the user has named.
#[derive(Debug)]
pub struct Inputs {
    /// Files, directories and globs.
    pub named: Vec<PathBuf>,
    /// Files from a list.
    pub listed: Vec<PathBuf>,
    /// Whether the directories of files belong to their outputs.
    pub parents: bool,
}

/// A file to resize.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    /// Its place below the output directory.
    pub relative: PathBuf,
    /// Which file it is, whatever its names.
    pub identity: Identity,
}

/// Names a file: two names with the same identity are one file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// File system and number in it.
    #[cfg(unix)]
    Inode(u64, u64),
    /// The only name that the system has for it.
    #[cfg(not(unix))]
    Path(PathBuf),
}

impl Identity {
    /// The identity of a file of which this is the metadata.
    pub fn of(path: &Path, metadata: &Metadata) -> Identity {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let _ = path;
            Identity::Inode(metadata.dev(), metadata.ino())
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Identity::Path(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
        }
    }
}

/// An input, or something below one, that could not be used.
#[derive(Debug)]
pub struct Unusable {
    pub path: PathBuf,
    pub failure: Failure,
}

/// What the inputs hold.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the inputs, by name within each.
    pub entries: Vec<Result<Source, Unusable>>,
    /// Images below directories that are left out because their names announce a format that is not read, by
    /// extension.
    left_out: BTreeMap<String, u64>,
}

impl Found {
    /// Says what is left out.
    pub fn tell(&self) {
        let total: u64 = self.left_out.values().sum();
        if total == 0 {
            return;
        }
        let mut kinds: Vec<_> = self.left_out.iter().collect();
        kinds.sort_by_key(|&(name, count)| (std::cmp::Reverse(*count), name));
        let kinds: Vec<_> = kinds.iter().map(|(extension, count)| format!("{count} .{extension}")).collect();
        let files = if total == 1 { "file" } else { "files" };
        print::complain(PROGRAM, &format!("{total} {files} of other formats left out: {}", kinds.join(", ")));
    }

    fn fail(&mut self, path: &Path, error: impl ToString) {
        let failure = Failure::new(Kind::Unreadable, error.to_string());
        self.entries.push(Err(Unusable { path: path.to_owned(), failure }));
    }
}

/// Reads a list of names: lines, or what zero bytes end.
pub fn listed(list: &Path, ends_with_zero: bool) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    if list == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        // A list may come from a pipe: `--files-from <(find ..)`.
        File::open(list)?.read_to_end(&mut bytes)?;
    }
    let end = if ends_with_zero { 0 } else { b'\n' };
    let names = bytes.split(|&byte| byte == end).map(|name| match name {
        [name @ .., b'\r'] if !ends_with_zero => name,
        name => name,
    });
    Ok(names.filter(|name| !name.is_empty()).map(path_of).collect())
}

#[cfg(unix)]
fn path_of(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

#[cfg(not(unix))]
fn path_of(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

/// Expands the inputs, until `stop` is cancelled. The directory `output` is not searched.
pub fn find(inputs: &Inputs, output: Option<&Path>, stop: &CancelToken) -> Found {
    let output = output.and_then(|output| fs::canonicalize(output).ok());
    let walk = Walk { output: output.as_deref(), pattern: None, parents: inputs.parents, stop };
    let mut found = Found::default();
    let mut unmatched = Vec::new();
    for path in &inputs.listed {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk.below(path, &mut found),
            Ok(meta) => named_file(path, &meta, inputs.parents, &mut found),
            Err(error) => found.fail(path, error),
        }
    }
    for path in &inputs.named {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk.below(path, &mut found),
            Ok(meta) => named_file(path, &meta, inputs.parents, &mut found),
            // An existing file wins, so that a name with a bracket in it needs no escape.
            Err(error) => match glob(path) {
                None => found.fail(path, error),
                Some((base, pattern)) => {
                    let before = found.entries.len();
                    Walk { pattern: Some(&pattern), ..walk }.below(&base, &mut found);
                    if found.entries.len() == before {
                        unmatched.push(path);
                    }
                }
            },
        }
    }
    // If nothing matched at all, that is the caller's usage error rather than a list of failed files.
    if !found.entries.is_empty() {
        unmatched.into_iter().for_each(|path| found.fail(path, "no image matches"));
    }
    found
}

/// A file named by the user is taken whatever its name.
fn named_file(path: &Path, metadata: &Metadata, parents: bool, found: &mut Found) {
    if let Err(error) = input::regular(metadata) {
        return found.fail(path, error);
    }
    let Some(name) = path.file_name() else { return found.fail(path, "it has no file name") };
    let relative = if parents { below_any(path) } else { name.into() };
    let identity = Identity::of(path, metadata);
    found.entries.push(Ok(Source { path: path.to_owned(), relative, identity }));
}

/// The directories and the name, without what would lead out of the output directory.
fn below_any(path: &Path) -> PathBuf {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::ParentDir => _ = relative.pop(),
            _ => {}
        }
    }
    relative
}

/// How directories are walked.
#[derive(Clone, Copy)]
struct Walk<'a> {
    /// Not to be searched.
    output: Option<&'a Path>,
    /// What names must match, in lower case.
    pattern: Option<&'a str>,
    /// Whether the directories of the root are kept as well.
    parents: bool,
    /// Ends the search.
    stop: &'a CancelToken,
}

impl Walk<'_> {
    /// Collects the images below a directory.
    fn below(&self, root: &Path, found: &mut Found) {
        for entry in
            WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| self.enters(entry))
        {
            // A large tree on a slow file system takes minutes.
            if self.stop.is_cancelled() {
                return;
            }
            match entry {
                Ok(entry) => self.take(root, entry.path(), found),
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    let text = error.io_error().map_or_else(|| error.to_string(), io::Error::to_string);
                    found.fail(&path, text);
                }
            }
        }
    }

    fn enters(&self, entry: &DirEntry) -> bool {
        // The root is searched even if it is the output directory: it was named as an input.
        if entry.depth() == 0 {
            return true;
        }
        let name = entry.file_name().as_encoded_bytes();
        // What macOS keeps beside files where it has no other place: no images, whatever their names say.
        if name.starts_with(b"._") || name == b"__MACOSX" {
            return false;
        }
        let is_output = |output: &Path| fs::canonicalize(entry.path()).is_ok_and(|path| path == output);
        !entry.file_type().is_dir() || !self.output.is_some_and(is_output)
    }

    fn take(&self, root: &Path, path: &Path, found: &mut Found) {
        let relative = path.strip_prefix(root).unwrap_or(path);
        // Like in a shell only `**` crosses directories; unlike there `*.jpg` finds IMG_0001.JPG, too.
        let name = || relative.to_string_lossy().to_lowercase();
        if self.pattern.is_some_and(|pattern| !fast_glob::glob_match(pattern, name())) {
            return;
        }
        match format::announced(path) {
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
                *found.left_out.entry(extension).or_default() += 1;
                return;
            }
            None => return,
        }
        // Links are not followed while walking, which cannot loop then; a link to a file is an image.
        match fs::metadata(path) {
            Ok(meta) if meta.is_file() => {
                let identity = Identity::of(path, &meta);
                let relative = if self.parents { below_any(path) } else { relative.to_owned() };
                found.entries.push(Ok(Source { path: path.to_owned(), relative, identity }));
            }
            Ok(_) => {}
            Err(error) => found.fail(path, error),
        }
    }
}

/// Splits a pattern into the directory to search and what must match below it, in lower case; `None` if it is
/// no pattern.
fn glob(input: &Path) -> Option<(PathBuf, String)> {
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
    Some((base, pattern.to_string_lossy().to_lowercase()))
}
