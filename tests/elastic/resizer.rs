//! Resizes a pool at random while other threads work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use longshore::AnyPool;
use rand::RngExt;

use crate::support::rng;

/// Sets a random number of workers up to `most`, again and again until `left` is 0.
pub fn resize_until_none_is_left(pool: &impl AnyPool, most: usize, seed: u64, left: &AtomicUsize) {
    let mut rng = rng(seed, 1);
    while left.load(Ordering::Relaxed) > 0 {
        pool.set_workers(rng.random_range(1..=most)).expect("within the range");
        thread::yield_now();
    }
}
