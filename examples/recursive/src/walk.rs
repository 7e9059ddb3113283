//! The walk on the pool: a task for each directory, which submits tasks for the directories in it and for the files that
//! have to be hashed.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use longshore::Pool;

use crate::finder::{Finder, Found, OnError, Sized};

/// Walks the tree with so many workers, and with so many tasks that wait at most: one that finds no room for another runs that
/// itself. Then the walk goes into the depth instead of spreading out. Fails only if the pool does not start.
pub fn walk(root: &Path, jobs: Option<NonZeroUsize>, queue: usize, on_error: OnError) -> Result<Found> {
    let builder = Pool::builder().thread_name("walk").queue_capacity(queue);
    let pool = match jobs {
        Some(jobs) => builder.workers(jobs.get()),
        None => builder,
    }
    .build()
    .context("the pool does not start")?;
    let finder = Arc::new(Finder::new(on_error));
    let (walk, root) = (finder.clone(), root.to_owned());
    pool.execute(move || directory(&walk, &root)).map_err(|refused| anyhow!("{}", refused.kind))?;
    // Ends when the root's task has ended, and all tasks that it has submitted, and all that these have, and so on: the
    // pool counts them, so that nobody else has to.
    pool.shutdown().context("the walk does not end")?;
    Ok(finder.finish())
}

/// The task of a directory. It has closed it before it goes on below, so that deep trees do not use up the descriptors.
fn directory(finder: &Arc<Finder>, path: &Path) {
    for below in finder.directory(path, |file| hash(finder, file)) {
        if finder.is_stopped() {
            break;
        }
        descend(finder, below);
    }
}

fn descend(finder: &Arc<Finder>, path: PathBuf) {
    let finder = finder.clone();
    submit(move || directory(&finder, &path));
}

fn hash(finder: &Arc<Finder>, file: Sized) {
    let finder = finder.clone();
    submit(move || finder.hash(file));
}

/// Hands a task to the pool that runs this one.
fn submit(task: impl FnOnce() + Send + 'static) {
    if let Err(refused) = longshore::execute(task) {
        // A full pool runs the task here and now, so that nothing is refused; if it were, the work would still have to be done.
        refused.into_inner()();
    }
}
