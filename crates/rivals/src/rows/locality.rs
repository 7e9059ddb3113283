//! Cache locality: partitions of data, each visited again and again. A worker that gets the same partition
//! finds it in its core's cache; one that gets whichever is next finds its neighbour's.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{ROW, Row, Setup, lower};
use crate::ledger::{self, Expected, hash};
use crate::outcome::{Failure, Ready, figures, warmed};
use crate::pools::{LOCAL, Partitioned, leak, locating};
use crate::process::l2_bytes;
use crate::work::Random;

/// How often all data of as many partitions as one worker has are visited, if they have the size of an L2
/// cache.
const VISITS: u64 = 4000;

/// Partitions for each worker: enough that keys divide them about evenly, few enough that a visit takes
/// microseconds.
const PARTITIONS: usize = 16;

/// Where the order of the visits comes from.
const SEED: u64 = 20_261_125;

/// Words of a cache line.
const LINE: usize = 8;

const ONE: Row = Row {
    id: "locality-l2",
    title: "16 partitions of data for each worker, together of the size of an L2 cache, visited again and again; one producer",
    metrics: &[lower("ns", "ns per cache line")],
    not_shown: "Each line is a load that waits for the one before it, as in a list or a tree, and nothing else is done: \
                the most that locality can give. The order of the visits is random, the same for every competitor: in a regular one \
                workers that take whatever is next fall into step with it, each with its own part of the data, by luck. \
                The machine's L2 is in the table at the top; where cores share it, or the kernel moves threads, there is \
                little to gain. `push` names the worker, the same number of partitions for each; `push-key` gives the partition's \
                number as a key, and keys divide as chance has it, so one worker has more data than the other, which helps in the \
                end; `push-home` says nothing.",
    only: Some(LOCAL),
    prepare: |setup, name| locating!(name, R => locality::<R>(setup, 1.0, Producers::One)),
    ..ROW
};

const OWN: Row = Row {
    id: "locality-own-l2",
    title: "16 partitions of data for each worker, together of the size of an L2 cache, and a producer for each worker's",
    not_shown: "As above. `none` is each producer visiting its own partitions, at the same time: the ideal. That a \
                producer's tasks stay on one worker of `push-home` is a habit, not a promise.",
    prepare: |setup, name| locating!(name, R => locality::<R>(setup, 1.0, Producers::Own)),
    ..ONE
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        id: "locality-half",
        title: "16 partitions of data for each worker, together of half the size of an L2 cache; one producer",
        prepare: |setup, name| locating!(name, R => locality::<R>(setup, 0.5, Producers::One)),
        ..ONE
    },
    ONE,
    Row {
        id: "locality-twice",
        title: "16 partitions of data for each worker, together of twice the size of an L2 cache; one producer",
        prepare: |setup, name| locating!(name, R => locality::<R>(setup, 2.0, Producers::One)),
        ..ONE
    },
    Row {
        id: "locality-own-half",
        title: "16 partitions of data for each worker, together of half the size of an L2 cache, and a producer for each \
                worker's",
        prepare: |setup, name| locating!(name, R => locality::<R>(setup, 0.5, Producers::Own)),
        ..OWN
    },
    OWN,
    Row {
        id: "locality-own-twice",
        title: "16 partitions of data for each worker, together of twice the size of an L2 cache, and a producer for each \
                worker's",
        prepare: |setup, name| locating!(name, R => locality::<R>(setup, 2.0, Producers::Own)),
        ..OWN
    },
];

/// Who submits the visits.
#[derive(Clone, Copy)]
enum Producers {
    /// One thread.
    One,
    /// A thread for each worker's partitions.
    Own,
}

/// Cache lines that name each other in a cycle without order.
struct Partition {
    words: Vec<u64>,
}

impl Partition {
    fn new(bytes: usize, seed: u64) -> Self {
        let lines = bytes / (8 * LINE);
        let mut order: Vec<usize> = (0..lines).collect();
        Random::new(seed).shuffle(&mut order);
        let mut words = vec![0; lines * LINE];
        for (index, &line) in order.iter().enumerate() {
            words[line * LINE] = (order[(index + 1) % lines] * LINE) as u64;
            words[line * LINE + 1] = hash(line as u64);
        }
        Self { words }
    }

    fn lines(&self) -> usize {
        self.words.len() / LINE
    }

    /// Goes around once and adds up what the lines hold.
    fn visit(&self) -> u64 {
        let (mut place, mut sum) = (0, 0_u64);
        for _ in 0..self.lines() {
            sum = sum.wrapping_add(self.words[place + 1]);
            place = self.words[place] as usize;
        }
        sum
    }

    fn right(&self) -> u64 {
        (0..self.lines() as u64).map(hash).fold(0, u64::wrapping_add)
    }
}

/// Numbers of partitions in the order in which they are visited, each equally often.
fn order(partitions: impl Iterator<Item = usize> + Clone, times: u64, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times).flat_map(|_| partitions.clone()).collect();
    Random::new(seed).shuffle(&mut order);
    order
}

fn locality<R: Partitioned>(setup: Setup, share: f64, producers: Producers) -> Ready {
    let pool = leak::<R>(setup.workers, VISITS)?;
    let workers = setup.workers;
    let count = workers * PARTITIONS;
    // Whole lines.
    let bytes = (l2_bytes() as f64 * share) as usize / PARTITIONS / 64 * 64;
    let partitions: Vec<_> = (0..count as u64).map(|seed| Arc::new(Partition::new(bytes, seed))).collect();
    let lines = partitions[0].lines();
    let right = partitions[0].right();
    let times = setup.scale.of((VISITS as f64 / share) as u64) / workers as u64;
    let orders = match producers {
        Producers::One => vec![order(0..count, times, SEED)],
        Producers::Own => (0..workers)
            .map(|worker| order((worker..count).step_by(workers), times, SEED + worker as u64))
            .collect(),
    };
    // The same number for all visits of a partition: how often each was visited is what the ledger checks.
    let visits = times * count as u64;
    let expected = Expected::of(orders.iter().flatten().map(|&partition| partition as u64));
    let visit = move |partition: usize, data: &Arc<Partition>| {
        let data = Arc::clone(data);
        let entry = move || partition as u64 + data.visit().wrapping_sub(right);
        pool.visit(partition, move || ledger::enter(entry()));
    };
    let produce = move |order: &[usize]| order.iter().for_each(|&at| visit(at, &partitions[at]));
    warmed(visits, move || {
        let mark = ledger::mark();
        let start = Instant::now();
        match &orders[..] {
            [order] => produce(order),
            orders => thread::scope(|scope| {
                for order in orders {
                    scope.spawn(|| produce(order));
                }
            }),
        }
        let elapsed = mark.wait(expected, start)?.duration_since(start);
        per_line(elapsed, visits * lines as u64)
    })
}

fn per_line(elapsed: Duration, lines: u64) -> Result<crate::outcome::Pass, Failure> {
    figures(elapsed, [("ns", elapsed.as_nanos() as f64 / lines as f64)])
}
