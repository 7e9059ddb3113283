//! The walk on the pool: a task for each directory, which submits tasks for the directories in it and for the files that
//! have to be hashed.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use longshore::{CancelToken, Pool};
use longshore_cli::tree::Place;

use crate::finder::{Finder, OnError, Sized};
use crate::found::Found;

/// How to walk.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub jobs: Option<NonZeroUsize>,
    /// Tasks that wait at most. A task that finds no room for another does that work itself, so that the walk
    /// goes into the depth instead of spreading out.
    pub queue: usize,
    pub on_error: OnError,
}

/// What all tasks share.
struct Walk {
    pool: Pool,
    finder: Finder,
}

/// Walks the tree until it is done or `stop` is cancelled.
///
/// # Errors
/// The pool does not start.
pub fn walk(root: &Path, options: Options, stop: &CancelToken) -> Result<Found> {
    let builder = Pool::builder().thread_name("walk").queue_capacity(options.queue);
    let pool = match options.jobs {
        Some(jobs) => builder.workers(jobs.get()),
        None => builder,
    }
    .build()
    .context("the pool does not start")?;
    let walk = Arc::new(Walk { pool, finder: Finder::new(options.on_error, stop.clone()) });
    let (inside, root) = (walk.clone(), Place::root(root));
    walk.pool.execute(move || directory(&inside, root)).map_err(|refused| anyhow!("{}", refused.kind))?;
    // Ends when the root's task has ended, and all tasks that it has submitted, and all that these have, and so on: the
    // pool counts them, so that the program need not.
    walk.pool.shutdown().context("the walk does not end")?;
    Ok(walk.finder.finish())
}

/// The task of a directory. What finds no room in the pool it does itself, one directory after the other: not one inside of
/// the other, because a tree may be deeper than a stack.
fn directory(walk: &Arc<Walk>, place: Arc<Place>) {
    let mut own = vec![place];
    while let Some(place) = own.pop() {
        if walk.finder.is_stopped() {
            return;
        }
        // There may be room by now for all but the last.
        if !own.is_empty() && is_taken(walk, &place) {
            continue;
        }
        let below = walk.finder.directory(&place, |file| hash(walk, file));
        own.extend(below.into_iter().filter(|below| !is_taken(walk, below)));
    }
}

/// Whether the pool has room for the task of a directory.
fn is_taken(walk: &Arc<Walk>, place: &Arc<Place>) -> bool {
    let (inside, place) = (walk.clone(), place.clone());
    walk.pool.try_execute(move || directory(&inside, place)).is_ok()
}

fn hash(walk: &Arc<Walk>, file: Sized) {
    let inside = walk.clone();
    if let Err(refused) = walk.pool.try_execute(move || inside.finder.hash(file)) {
        refused.into_inner()();
    }
}
