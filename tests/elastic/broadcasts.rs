//! Broadcasts while workers come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use longshore::current_worker;

use super::*;
use crate::alone::alone;
use crate::resizer::resize_until_none_is_left;
use crate::support::{AnyRig, scaled, seed};

type Rig = AnyRig<Pool>;

/// One broadcast. Returns the numbers of the workers that got it. Each of them has run its own part, and none
/// has got two.
fn ask(rig: &Rig, ran: &Arc<AtomicUsize>) -> Vec<usize> {
    let counts = ran.clone();
    let part = move |told| {
        counts.fetch_add(1, Ordering::Relaxed);
        (told, current_worker())
    };
    let ran = rig.broadcast(part).expect("open").into_iter().map(|handle| handle.join().expect("ran"));
    let mut numbers: Vec<usize> = ran
        .map(|(told, current)| {
            assert_eq!(current, Some(told));
            told
        })
        .collect();
    let all = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "once each: {numbers:?}");
    numbers
}

#[test]
fn it_reaches_the_present_workers() {
    let alone = alone();
    let (rig, ran) = (Rig::new(8), Arc::new(AtomicUsize::new(0)));
    let sizes = [8, 1, 5, 2, 8, 3];
    for n in sizes {
        rig.set_workers(n).expect("within the range");
        alone.wait_for_threads(n);
        assert_eq!(ask(&rig, &ran).len(), n);
    }
    // New workers are included, whether or not their threads have begun.
    for _ in 0..20 {
        rig.set_workers(1).expect("within the range");
        alone.wait_for_threads(1);
        rig.set_workers(8).expect("within the range");
        assert_eq!(ask(&rig, &ran), (0..8).collect::<Vec<_>>());
    }
    let total = sizes.iter().sum::<usize>() + 20 * 8;
    assert_eq!((ran.load(Ordering::Relaxed), rig.finish().completed), (total, total as u64));
}

/// A worker that gets its part runs it, also if it retires. A worker that has retired gets none. Everything
/// is counted.
#[test]
fn broadcasts_meet_workers_that_come_and_go() {
    const BROADCASTERS: usize = 3;
    let alone = alone();
    let (rig, seed, each) = (Rig::new(8), seed(), scaled(200));
    let (ran, told) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let left = AtomicUsize::new(BROADCASTERS);
    let broadcast = || {
        for _ in 0..each {
            let numbers = ask(&rig, &ran);
            assert!(!numbers.is_empty(), "there always is a worker");
            told.fetch_add(numbers.len(), Ordering::Relaxed);
            let counts = ran.clone();
            rig.execute(move || _ = counts.fetch_add(1, Ordering::Relaxed)).expect("open");
        }
        left.fetch_sub(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        (0..BROADCASTERS).for_each(|_| _ = scope.spawn(broadcast));
        resize_until_none_is_left(&**rig, 8, seed, &left);
    });
    rig.set_workers(1).expect("within the range");
    alone.wait_for_threads(1);
    let stats = rig.finish();
    let total = told.into_inner() + BROADCASTERS * each;
    assert_eq!((ran.load(Ordering::Relaxed), stats.completed), (total, total as u64));
    assert_eq!((stats.cancelled, stats.failed_starts), (0, 0));
}
