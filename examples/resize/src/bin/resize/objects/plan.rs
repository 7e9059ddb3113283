//! What is to be done of the objects that a command line names: the rules of files, as far as they hold.

use std::collections::{HashMap, HashSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use longshore::{CancelToken, Pool};
use longshore_cli::print;
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::format::{self, Output};
use longshore_resize::transform::Sizes;
use longshore_resize::{Job, codec, job, weight};
use object_store::ObjectMeta;

use super::stores::Stores;
use super::url::Url;
use crate::PROGRAM;
use crate::batch::{self, Planned};
use crate::cli::Cli;
use crate::names;
use crate::plan::Destination;
use crate::probe::{Existing, Rules};
use crate::values::is_object;

/// Bytes that are read of an object for its header, at a time: most headers are within the first.
const HEAD: usize = 64 << 10;
/// Objects that are looked at side by side. Each is a wait for the store, and hardly any work.
const LOOKS: usize = 16;
/// Objects that are looked at before the first of them is decided about.
const WINDOW: usize = 1_024;

/// What is to be done of the objects.
#[derive(Debug, Default)]
pub struct Listed {
    pub todo: Vec<Todo>,
    pub up_to_date: u64,
    pub failed: u64,
}

/// An object of which an output is to be made.
#[derive(Debug)]
pub struct Todo {
    pub planned: Planned,
    /// The size of the source and the time of its last change, in nanoseconds since 1970.
    pub stamp: (u64, u64),
}

/// A source, and where its output goes.
#[derive(Clone, Debug)]
struct Source {
    url: Url,
    /// Its place below the destination.
    relative: PathBuf,
    meta: ObjectMeta,
}

/// What a look at a source has found.
enum Found {
    Todo { output: Url, todo: Box<Todo> },
    UpToDate { output: Url },
}

/// Looks at the objects that a command line names, until `stop` is cancelled.
///
/// # Errors
/// The command line mixes objects and files, or the store cannot be reached, or refuses.
pub fn plan(stores: &Arc<Stores>, cli: &Cli, stop: &CancelToken) -> Result<Listed> {
    let (inputs, root) = names(cli)?;
    let destination = Destination::Below { root: root.path(), template: cli.name.clone() };
    let rules = Arc::new(batch::rules(&destination, cli.force, cli, crate::memory::budget(cli))?);
    let mut sources = Vec::new();
    for input in &inputs {
        sources.extend(find(stores, input, &root)?);
    }
    ensure!(!sources.is_empty(), "the inputs hold no image that this program reads");
    if let Some(shard) = cli.shard {
        sources.retain(|source| shard.has(&source.relative));
    }
    let all: HashSet<Url> = sources.iter().map(|source| source.url.clone()).collect();
    let pool =
        Pool::builder().workers(LOOKS).thread_name("look").build().context("the pool does not start")?;
    let mut listed = Listed::default();
    let mut taken = HashMap::new();
    while !sources.is_empty() && !stop.is_cancelled() {
        let rest = sources.split_off(sources.len().min(WINDOW));
        let mut looks = Vec::new();
        for source in std::mem::replace(&mut sources, rest) {
            let (stores, rules, looked_at) = (Arc::clone(stores), Arc::clone(&rules), source.clone());
            looks.push((source, pool.submit(move || look(&stores, &looked_at, &rules))?));
        }
        for (source, handle) in looks {
            let found = handle.join().unwrap_or_else(|error| Err(Failure::internal(error)));
            listed.take(source.url, found, &all, &mut taken);
        }
    }
    Ok(listed)
}

/// The inputs and the destination.
fn names(cli: &Cli) -> Result<(Vec<Url>, Url)> {
    let both = "inputs and output are all of an object store, or none of them is";
    let output = cli.output.as_deref().filter(|output| is_object(output)).context(both)?;
    ensure!(!cli.inputs.is_empty() && cli.inputs.iter().all(|input| is_object(input)), both);
    ensure!(cli.files_from.is_none(), "--files-from names files, and the inputs are objects");
    ensure!(!cli.parents, "--parents is about files, and the inputs are objects");
    let url = |path: &Path| Url::of(path).map_err(anyhow::Error::msg);
    Ok((cli.inputs.iter().map(|input| url(input)).collect::<Result<_>>()?, url(output)?))
}

/// The object of a name, or the images whose keys go on from there. What is below the destination is no
/// source, unless it was named.
fn find(stores: &Stores, input: &Url, root: &Url) -> Result<Vec<Source>> {
    let context = || format!("cannot list {input}");
    let is_bucket = input.key.as_ref().is_empty();
    let named = if is_bucket { None } else { stores.look(input).with_context(context)? };
    if let Some(meta) = named {
        let relative = input.key.filename().unwrap_or_default().into();
        return Ok(vec![Source { url: input.clone(), relative, meta }]);
    }
    let mut sources = Vec::new();
    for meta in stores.list(input).with_context(context)? {
        let url = input.with_key(meta.location.clone());
        let is_output = input != root && url.beneath(root).is_some();
        let is_image = matches!(format::announced(Path::new(url.key.as_ref())), Some(Ok(_)));
        match url.beneath(input).map(PathBuf::from) {
            Some(relative) if is_image && !is_output => sources.push(Source { url, relative, meta }),
            _ => {}
        }
    }
    Ok(sources)
}

fn look(stores: &Stores, source: &Source, rules: &Rules) -> Result<Found, Failure> {
    let Source { url, relative, meta } = source;
    let named = format::announced(Path::new(url.key.as_ref())).and_then(Result::ok);
    let limits = &rules.recipes[0].1.limits;
    job::check_size(meta.size, limits)?;
    let mut reader = BufReader::with_capacity(HEAD, stores.reader(url, meta.size));
    let header = codec::header(&mut reader, limits)?;
    let format = named.unwrap_or(header.format);
    let recipe = rules.recipes.iter().find(|(input, _)| *input == format).map(|(_, recipe)| recipe);
    let recipe = recipe.ok_or_else(|| Failure::internal("a format without a recipe"))?;
    let sizes = Sizes::of(&header, recipe)?;
    let output = output(&rules.destination, relative, recipe.format, sizes.to)?;
    if is_done(stores, &output, source, rules, (recipe.format, sizes.to))? {
        return Ok(Found::UpToDate { output });
    }
    let memory = weight::need(meta.size, &header, &sizes, recipe);
    rules.check_memory(memory, &header)?;
    let job = Job { source: url.path(), output: output.path(), recipe: recipe.clone() };
    let changed = meta.last_modified.timestamp_nanos_opt().and_then(|time| u64::try_from(time).ok());
    let stamp = (meta.size, changed.unwrap_or(0));
    Ok(Found::Todo { output, todo: Box::new(Todo { planned: Planned { job, memory }, stamp }) })
}

fn output(
    destination: &Destination,
    relative: &Path,
    format: Output,
    size: (u32, u32),
) -> Result<Url, Failure> {
    let Destination::Below { root, template } = destination else {
        return Err(Failure::internal("objects have no place of their own"));
    };
    let relative = match template {
        Some(template) => template.fill(relative, format, size),
        None => names::plain(relative, format),
    };
    Url::of(&root.join(relative)).map_err(|text| Failure::new(Kind::Unwritable, text))
}

/// Whether an output needs no work: it has the size that it would have now, and is not older than its source,
/// by the clock of the store. Objects are whole.
fn is_done(
    stores: &Stores,
    output: &Url,
    source: &Source,
    rules: &Rules,
    (format, size): (Output, (u32, u32)),
) -> Result<bool, Failure> {
    if rules.existing == Existing::Replace {
        return Ok(false);
    }
    let there = stores.look(output).map_err(|error| Failure::new(Kind::Unwritable, error.to_string()))?;
    let Some(there) = there else { return Ok(false) };
    if rules.existing == Existing::Skip {
        return Ok(true);
    }
    // In seconds, because a list of objects has more digits than the answer for one of them.
    if there.last_modified.timestamp() < source.meta.last_modified.timestamp() {
        return Ok(false);
    }
    // No decoder of AVIF is here that could tell.
    if format == Output::Avif {
        return Ok(true);
    }
    let mut reader = BufReader::with_capacity(HEAD, stores.reader(output, there.size));
    // Its pixels were limited when it was made.
    Ok(codec::header(&mut reader, &rules.recipes[0].1.limits).is_ok_and(|header| header.size == size))
}

impl Listed {
    fn take(
        &mut self,
        source: Url,
        found: Result<Found, Failure>,
        all: &HashSet<Url>,
        taken: &mut HashMap<Url, Url>,
    ) {
        let conflict = |text: String| Err(Failure::new(Kind::Conflict, text));
        let found = found.and_then(|found| {
            let (Found::Todo { output, .. } | Found::UpToDate { output }) = &found;
            if all.contains(output) {
                return conflict(format!("{output} is itself a source and is not replaced"));
            }
            match taken.get(output) {
                Some(other) if *other == source => Ok(None),
                Some(other) => conflict(format!("{output} is the output of {other} already")),
                None => {
                    taken.insert(output.clone(), source.clone());
                    Ok(Some(found))
                }
            }
        });
        match found {
            Ok(Some(Found::Todo { todo, .. })) => self.todo.push(*todo),
            Ok(Some(Found::UpToDate { .. })) => self.up_to_date += 1,
            // The object is in the batch twice.
            Ok(None) => {}
            Err(failure) => {
                print::complain(PROGRAM, &format!("{source}: {failure}"));
                self.failed += 1;
            }
        }
    }
}
