//! Ends of all kinds cross each other and the starts of tasks: each task ends once, in one way, and
//! everything is counted once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore::{CancelToken, JoinError, OnFull};
use rand::RngExt as _;

use super::*;
use crate::support::{Census, rng, scaled, seed};

#[test]
fn every_task_ends_once() {
    let seed = seed();
    let rig = Rig::with(Pool::builder().workers(2).queue_capacity(64).on_full(OnFull::Block).budget(200));
    let lane = rig.lane(1).build().expect("a lane");
    let census = Census::default();
    let ran = AtomicU64::new(0);
    let ran = &*Box::leak(Box::new(ran));
    std::thread::scope(|scope| {
        for stream in 0..3 {
            let (rig, lane, census) = (&rig, &lane, &census);
            scope.spawn(move || {
                let mut rng = rng(seed, stream);
                let mut handles = Vec::new();
                for _ in 0..scaled(150) {
                    let token = CancelToken::new();
                    for _ in 0..rng.random_range(1..30) {
                        let captured = census.citizen();
                        let task = move || {
                            captured.check();
                            ran.fetch_add(1, Ordering::Relaxed);
                        };
                        let mut builder = rig.task().weight(rng.random_range(0..3));
                        let in_lane = rng.random_ratio(1, 4);
                        if in_lane {
                            handles.push(lane.task().token(&token).submit(task).expect("open"));
                            continue;
                        }
                        if rng.random() {
                            builder = builder.token(&token);
                        }
                        if rng.random() {
                            builder = builder.start_within(Duration::from_micros(rng.random_range(0..300)));
                        }
                        match rng.random_range(0..3) {
                            0 => builder.execute(task).expect("open"),
                            _ => handles.push(builder.submit(task).expect("open")),
                        }
                    }
                    match rng.random_range(0..4) {
                        0 => _ = token.cancel(),
                        1 => handles.iter().for_each(|handle| _ = handle.cancel()),
                        2 => handles.clear(),
                        _ => {
                            for handle in handles.drain(..) {
                                match handle.join() {
                                    Ok(()) | Err(JoinError::Cancelled | JoinError::Expired) => {}
                                    Err(other) => panic!("{other}"),
                                }
                            }
                        }
                    }
                    drop(token);
                }
            });
        }
    });
    drop(lane);
    let stats = rig.finish();
    census.assert_all_gone();
    assert_eq!(stats.completed, ran.load(Ordering::Relaxed), "{stats:?}");
    assert_eq!(stats.submitted, stats.completed + stats.cancelled + stats.expired, "{stats:?}");
}

/// A cancellation crosses the start of its task: exactly one of the two wins.
#[test]
fn a_cancellation_crosses_a_start() {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(1));
    let (mut completed, mut cancelled) = (0, 0);
    for round in 0..scaled(4_000) {
        let token = CancelToken::new();
        let handle = match round % 2 {
            0 => rig.task().token(&token).submit(|| ()).expect("open"),
            _ => rig.submit(|| ()).expect("open"),
        };
        (0..round % 64).for_each(|_| std::hint::spin_loop());
        let is_cancelled = match round % 2 {
            0 => {
                token.cancel();
                false // the token does not tell
            }
            _ => handle.cancel(),
        };
        match handle.join() {
            Ok(()) => {
                assert!(!is_cancelled);
                completed += 1;
            }
            Err(JoinError::Cancelled) => cancelled += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let stats = rig.finish();
    assert_eq!((stats.completed, stats.cancelled), (completed, cancelled), "{stats:?}");
}
