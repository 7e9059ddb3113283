//! Measured times: how long tasks waited and ran, and in which states workers spent their time; names,
//! states, and the table.

use std::time::{Duration, Instant};

use longshore::{AnyPool, Histograms, WorkerState};

use super::*;
use crate::support::{Gate, let_time_pass, quiet_panic, wait_until};

fn measuring(workers: usize, histograms: Histograms) -> Rig {
    Rig::with(<Pool as AnyPool>::builder().workers(workers).histograms(histograms))
}

#[test]
fn nothing_is_measured_by_default() {
    let rig = Rig::new(2);
    rig.submit(|| ()).expect("open").join().expect("ran");
    let stats = rig.finish();
    assert!(stats.waits().is_empty() && stats.runs().is_empty());
}

#[test]
fn every_task_is_measured_whatever_its_submission_and_end() {
    let rig = measuring(2, Histograms::All);
    rig.execute(|| ()).expect("open");
    rig.submit(|| ()).expect("open").join().expect("ran");
    rig.execute_batch((0..10).map(|_| || ())).expect("open");
    rig.submit_batch((0..10).map(|_| || ())).expect("open");
    rig.task().worker(1).execute(|| ()).expect("open");
    rig.task().start_within(Duration::from_secs(1_000)).submit(|| ()).expect("open").join().expect("ran");
    let large = [1u8; 5_000];
    rig.submit(move || large[7]).expect("open").join().expect("ran");
    assert!(rig.submit(|| quiet_panic("measured as well")).expect("open").join().map(|(): ()| ()).is_err());
    rig.task().start_within(Duration::ZERO).submit(|| ()).expect("open").join().expect_err("expired");
    rig.broadcast(|_| ()).expect("open").into_iter().for_each(|handle| handle.join().expect("ran"));
    let stats = rig.finish();
    assert_eq!(
        (stats.waits().count(), stats.runs().count()),
        (28, 28),
        "all tasks except the expired one: {stats}"
    );
    assert_eq!(stats.workers.iter().map(|worker| worker.runs.count()).sum::<u64>(), 28);
}

#[test]
fn a_sample_is_one_in_sixty_one() {
    let rig = measuring(2, Histograms::Sampled);
    (0..61 * 20).for_each(|_| rig.execute(|| ()).expect("open"));
    assert_eq!(rig.finish().runs().count(), 20);
}

#[test]
fn a_held_task_waits_and_a_long_one_runs_as_long_as_it_does() {
    let rig = measuring(1, Histograms::All);
    let gate = Gate::new();
    let begun = Instant::now();
    gate.hold(&rig, 1);
    let behind = rig.submit(|| ()).expect("open");
    let queued = Instant::now();
    let_time_pass(Duration::from_millis(5));
    let waited = queued.elapsed();
    gate.open();
    behind.join().expect("ran");
    let stats = rig.finish();
    let all = begun.elapsed();
    for longest in [stats.waits().max(), stats.runs().max()] {
        assert!(longest >= waited && longest <= all, "{waited:?} {longest:?} {all:?}");
    }
    // Percentiles may be off by an eighth, so only their order is checked.
    assert!(stats.waits().percentile(0.0) < stats.waits().percentile(100.0));
}

#[test]
fn states_and_times_of_workers_add_up() {
    let rig = measuring(2, Histograms::Off);
    let gate = Gate::new();
    wait_until("both workers are parked", || {
        rig.stats().workers.iter().all(|worker| worker.state == WorkerState::Parked)
    });
    gate.hold(&rig, 1);
    wait_until("one worker is parked again", || {
        let stats = rig.stats();
        let count = |state| stats.workers.iter().filter(|worker| worker.state == state).count();
        count(WorkerState::Busy) == 1 && count(WorkerState::Parked) == 1
    });
    let before = rig.stats();
    let (busy, idle) = match before.workers[0].state {
        WorkerState::Busy => (0, 1),
        _ => (1, 0),
    };
    let_time_pass(Duration::from_millis(5));
    let after = rig.stats();
    let more = |index: usize| {
        let (before, after) = (&before.workers[index], &after.workers[index]);
        (after.time_busy - before.time_busy, after.time_parked - before.time_parked)
    };
    assert!(more(busy).0 >= Duration::from_millis(5), "{:?}", more(busy));
    assert_eq!(more(busy).1, Duration::ZERO);
    assert!(more(idle).1 >= Duration::from_millis(5), "{:?}", more(idle));
    gate.open();
    let stats = rig.finish();
    assert!(stats.workers.iter().all(|worker| worker.state == WorkerState::Gone));
}

#[test]
fn a_table_names_the_pool_and_each_worker() {
    let builder = <Pool as AnyPool>::builder().workers(2).thread_name("table");
    let rig = Rig::with(builder.histograms(Histograms::All));
    (0..10).for_each(|_| rig.execute(|| ()).expect("open"));
    assert!(format!("{:?}", rig.pool()).contains("table"));
    let text = rig.finish().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("table") && lines[1].contains("submitted 10"), "{text}");
    for times in ["waits ", "runs ", "latencies "] {
        let line = lines.iter().find(|line| line.trim_start().starts_with(times)).expect("a line of times");
        assert!(line.contains("of 10 measured") && line.contains("p99"), "{text}");
    }
    assert_eq!(lines.len(), 8, "{text}");
}
