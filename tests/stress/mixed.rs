//! Producers use everything at once: conditions, priorities, lanes, groups, pauses and purges. Compiled once
//! for each kind: `Pool` is that of the module that includes this one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use longshore::{CancelToken, Group, JoinError, JoinHandle, Lane, Priority, TaskError};
use rand::RngExt;
use rand::rngs::SmallRng;

use super::*;
use crate::support::audit::{Audit, check, silent};
use crate::support::{PATIENCE, Tracked, assert_quiescent, rng, scaled, seed, watchdog};

/// A thread that uses any call.
struct Meddler<'a> {
    pool: &'a Pool,
    lane: Lane<Pool>,
    audit: &'a Audit,
    rng: SmallRng,
    token: CancelToken,
    kept: Vec<JoinHandle<Tracked>>,
}

impl Meddler<'_> {
    fn run(mut self) {
        while self.audit.tasks() < self.audit.capacity() {
            match self.rng.random_range(0..16) {
                0 => self.pause(),
                1 if self.rng.random_ratio(1, 8) => _ = self.pool.purge(),
                2 if self.rng.random_ratio(1, 8) => self.cancel_token(),
                3..5 => self.submit_group(),
                5..8 => self.submit_to_lane(),
                _ => self.submit_with_conditions(),
            }
            if self.kept.len() > 50 {
                let index = self.rng.random_range(0..self.kept.len());
                end(self.kept.swap_remove(index).join());
            }
        }
        self.kept.into_iter().for_each(|handle| end(handle.join()));
    }

    fn pause(&mut self) {
        assert!(self.pool.pause());
        // Not joined in the pause.
        if let Some(task) = self.audit.task::<8>(&mut self.rng) {
            self.kept.push(self.pool.submit(task).expect("open"));
        }
        self.pool.resume();
    }

    fn cancel_token(&mut self) {
        self.token.cancel();
        self.token = CancelToken::new();
    }

    fn submit_with_conditions(&mut self) {
        let Some(task) = self.audit.task::<30>(&mut self.rng) else { return };
        let mut builder = self.pool.task();
        builder = match self.rng.random_range(0..6) {
            0 => builder.priority(Priority::High),
            1 => builder.priority(Priority::Low),
            _ => builder,
        };
        builder = match self.rng.random_range(0..8) {
            0 => builder.deadline(Instant::now()),
            1 => builder.start_within(Duration::from_micros(self.rng.random_range(0..500))),
            2 => builder.start_within(PATIENCE),
            _ => builder,
        };
        if self.rng.random() {
            builder = builder.token(&if self.rng.random() { self.token.child() } else { self.token.clone() });
        }
        if self.rng.random() {
            builder.execute(silent(task)).expect("open");
        } else {
            self.use_handle(builder.submit(task).expect("open"));
        }
    }

    fn submit_to_lane(&mut self) {
        let Some(task) = self.audit.task::<8>(&mut self.rng) else { return };
        if self.rng.random() {
            self.lane.execute(silent(task)).expect("open");
        } else {
            let handle = self.lane.task().token(&self.token).submit(task).expect("open");
            self.use_handle(handle);
        }
    }

    fn submit_group(&mut self) {
        let group: Group<Tracked, &str, Pool> = self.pool.group();
        let group = if self.rng.random() { group.stop_at_first_failure() } else { group };
        for _ in 0..self.rng.random_range(0..20) {
            let Some(task) = self.audit.task::<0>(&mut self.rng) else { break };
            group.submit(task).expect("open");
        }
        match self.rng.random_range(0..4) {
            0 => {} // dropped: its tasks continue without it
            1 => {
                group.cancel();
                group.join_all().into_iter().for_each(end_in_group);
            }
            2 => group.join_all().into_iter().for_each(end_in_group),
            _ => match group.join() {
                Ok(results) => results.iter().for_each(Tracked::check),
                Err(failure) => end_in_group(Err(failure.error)),
            },
        }
    }

    fn use_handle(&mut self, mut handle: JoinHandle<Tracked>) {
        match self.rng.random_range(0..8) {
            0 => drop(handle),
            1 => _ = handle.cancel(),
            2 => end(handle.join()),
            3 => _ = handle.try_join().map(end),
            4 => end(pollster::block_on(handle)),
            _ => self.kept.push(handle),
        }
    }
}

#[track_caller]
fn end(result: Result<Tracked, JoinError>) {
    match result {
        Err(JoinError::Expired) => {}
        other => check(other),
    }
}

#[track_caller]
fn end_in_group(result: Result<Tracked, TaskError<&str>>) {
    match result {
        Ok(result) => result.check(),
        Err(TaskError::NotFinished(error)) => end(Err(error)),
        Err(TaskError::Failed(error)) => panic!("{error}"),
    }
}

#[test]
fn everything_at_once() {
    let seed = seed();
    for workers in [1, 2, 8] {
        let pool = Arc::new(Pool::builder().workers(workers).seed(seed).build().expect("starts"));
        let watchdog = watchdog(&format!("everything at once, {workers} workers"), 2 * PATIENCE);
        watchdog.watch(&pool);
        let audit = Audit::new(scaled(20_000));
        let lane = pool.lane(2).build().expect("a limit");
        thread::scope(|scope| {
            for number in 0..3 {
                let meddler = Meddler {
                    pool: &pool,
                    lane: lane.clone(),
                    audit: &audit,
                    rng: rng(seed, number),
                    token: CancelToken::new(),
                    kept: Vec::new(),
                };
                scope.spawn(|| meddler.run());
            }
        });
        pool.shutdown().expect("shuts down");
        let stats = assert_quiescent(&pool);
        assert_eq!((stats.waiting, stats.running), (0, 0), "{stats:?}");
        assert!(stats.expired > 0 && stats.cancelled > 0, "tasks expired and were cancelled: {stats:?}");
        audit.balance(&stats);
        let lane = lane.stats();
        assert_eq!((lane.waiting, lane.running), (0, 0), "{lane:?}");
        assert_eq!(lane.submitted, lane.finished, "{lane:?}");
    }
}
