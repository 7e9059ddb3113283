//! Resizing at random while others work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use longshore::AnyPool;
use rand::RngExt;

use crate::support::rng;

/// Gives the pool any number of workers up to `most`, again and again until nobody is `left`.
pub fn resize_while_any_is_left(pool: &impl AnyPool, most: usize, seed: u64, left: &AtomicUsize) {
    let mut rng = rng(seed, 1);
    while left.load(Ordering::Relaxed) > 0 {
        pool.set_workers(rng.random_range(1..=most)).expect("within the range");
        thread::yield_now();
    }
}
