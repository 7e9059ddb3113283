//! The walk on one thread, to compare with.

use std::path::Path;

use longshore::CancelToken;
use longshore_cli::tree::Place;

use crate::finder::{Finder, OnError};
use crate::found::Found;

/// Walks the tree.
pub fn walk(root: &Path, stop: &CancelToken) -> Found {
    let finder = Finder::new(OnError::GoOn, stop.clone());
    let mut open = vec![Place::root(root)];
    while let Some(place) = open.pop() {
        if finder.is_stopped() {
            break;
        }
        open.extend(finder.directory(&place, |file| finder.hash(file)));
    }
    finder.finish()
}
