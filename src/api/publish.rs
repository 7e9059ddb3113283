//! Feature `metrics`: a snapshot's numbers for the `metrics` facade, from where an exporter of the program's choice takes
//! them.

use std::time::Duration;

use metrics::{counter, gauge};

use crate::base::histogram::Histogram;
use crate::runtime::metrics::{PoolStats, WorkerStats};

impl PoolStats {
    /// Hands the numbers to the recorder that the program has installed for the `metrics` facade (without one, to nobody).
    /// Call it as often as they should be up to date, from any thread.
    ///
    /// Counters, `longshore_tasks_total` with the label `state` (`submitted`, `completed` and so on) and
    /// `longshore_worker_executed_total`, `.._stolen_total`, `.._parked_total`; gauges, `longshore_tasks` with the `state`
    /// `waiting` or `running`, `longshore_worker_queue_depth`, and the seconds `longshore_worker_busy_seconds`,
    /// `.._searching_seconds`, `.._parked_seconds`; and if the pool has [histograms](crate::Histograms), the gauges
    /// `longshore_wait_seconds` and `longshore_run_seconds` with a label `quantile`. All have the label `pool`, the pool's
    /// [name](PoolStats::name), those of workers the label `worker`, its number.
    ///
    /// Under feature `metrics`.
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
