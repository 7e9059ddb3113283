//! Feature `metrics`: passes the numbers of a snapshot to the `metrics` facade, from which an exporter takes
//! them.
//!
//! Runs on the thread that calls it, and reads only the snapshot. Guarded by
//! `crates/together/tests/features.rs`.

use std::time::Duration;

use metrics::{counter, gauge};

use crate::base::histogram::Histogram;
use crate::runtime::metrics::{PoolStats, WorkerStats};

impl PoolStats {
    /// Passes the numbers of this snapshot to the recorder that the program has installed for the `metrics`
    /// facade. Without a recorder it does nothing. Call it from any thread, as often as the numbers should be
    /// updated. Needs the feature `metrics`.
    ///
    /// | name | kind | labels besides `pool` |
    /// |---|---|---|
    /// | `longshore_tasks_total` | counter | `state`: `submitted`, `completed` and so on |
    /// | `longshore_tasks` | gauge | `state`: `waiting` or `running` |
    /// | `longshore_worker_executed_total`, `.._stolen_total`, `.._parked_total` | counter | `worker` |
    /// | `longshore_worker_queue_depth` | gauge, tasks | `worker` |
    /// | `longshore_worker_busy_seconds` | gauge, seconds | `worker` |
    /// | `longshore_worker_searching_seconds`, `.._parked_seconds` | gauge, seconds | `worker` |
    /// | `longshore_wait_seconds`, `.._run_seconds` | gauge, seconds | `quantile`: `0.5` to `1` |
    /// | `longshore_latency_seconds` | gauge, seconds | `quantile`: `0.5` to `1` |
    ///
    /// The label `pool` is the [name](PoolStats::name) of the pool, the label `worker` the number of the
    /// worker. The last two rows need a pool with [histograms](crate::Histograms).
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.stats().publish();
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn publish(&self) {
        for (state, count) in self.counts() {
            match state {
                "waiting" | "running" => {
                    gauge!("longshore_tasks", "pool" => self.name.clone(), "state" => state)
                        .set(count as f64);
                }
                _ => counter!("longshore_tasks_total", "pool" => self.name.clone(), "state" => state)
                    .absolute(count),
            }
        }
        self.workers.iter().for_each(|worker| publish_worker(&self.name, worker));
        publish_times("longshore_wait_seconds", &self.name, &self.waits());
        publish_times("longshore_run_seconds", &self.name, &self.runs());
        publish_times("longshore_latency_seconds", &self.name, &self.latencies());
    }
}

fn publish_worker(pool: &str, worker: &WorkerStats) {
    let number = worker.index.to_string();
    let count = |name: &'static str, value| {
        counter!(name, "pool" => pool.to_owned(), "worker" => number.clone()).absolute(value);
    };
    count("longshore_worker_executed_total", worker.executed);
    count("longshore_worker_stolen_total", worker.stolen);
    count("longshore_worker_parked_total", worker.parked);
    let set = |name: &'static str, value| {
        gauge!(name, "pool" => pool.to_owned(), "worker" => number.clone()).set(value);
    };
    set("longshore_worker_queue_depth", worker.queue_depth as f64);
    set("longshore_worker_busy_seconds", worker.time_busy.as_secs_f64());
    set("longshore_worker_searching_seconds", worker.time_searching.as_secs_f64());
    set("longshore_worker_parked_seconds", worker.time_parked.as_secs_f64());
}

fn publish_times(name: &'static str, pool: &str, times: &Histogram) {
    for (percent, quantile) in [(50.0, "0.5"), (90.0, "0.9"), (99.0, "0.99"), (99.9, "0.999"), (100.0, "1")] {
        let time: Option<Duration> = times.percentile(percent);
        if let Some(time) = time {
            gauge!(name, "pool" => pool.to_owned(), "quantile" => quantile).set(time.as_secs_f64());
        }
    }
}
