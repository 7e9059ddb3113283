//! A pool made, one task run on it, and gone.

use std::time::{Duration, Instant};

use super::{ROW, Row, Setup, lower, results};
use crate::outcome::{Failure, Ready, figures, ready};
use crate::pools::{Return, returning};

const TIMES: u64 = 500;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "creation",
    title: "A pool of 2 made, one task run with its result, and gone (median)",
    metrics: &[lower("us", "us")],
    workers: Some(2),
    not_shown: "Some pools wait for their threads to end and some (rayon, threadpool) let go of them, which is \
                cheaper; each is taken down in the most thorough way that it offers. Each \
                thread that starts wakes an idle processor, and a hypervisor books the time until it \
                runs as stolen: in this row alone stolen time is not taken for work of others.",
    wakes_processors: true,
    prepare: |setup, name| returning!(name, R => creation::<R>(setup)),
    ..ROW
}];

fn creation<R: Return>(setup: Setup) -> Ready {
    if setup.workers > R::MAX_WORKERS {
        return Err(Failure::NotOffered);
    }
    let once = move |number| -> Result<u64, Failure> {
        let start = Instant::now();
        let pool = R::new(setup.workers);
        let value = pool.call(results::task(number));
        pool.finish();
        let nanos = start.elapsed().as_nanos() as u64;
        if value == results::result(number) {
            return Ok(nanos);
        }
        Err(Failure::Wrong(format!("task {number} returned {value}")))
    };
    let times = setup.scale.of(TIMES);
    for number in 0..times / 10 {
        once(number)?;
    }
    ready(times, move || {
        let mut nanos = (0..times).map(once).collect::<Result<Vec<_>, _>>()?;
        nanos.sort_unstable();
        let elapsed = Duration::from_nanos(nanos.iter().sum());
        figures(elapsed, [("us", nanos[nanos.len() / 2] as f64 / 1000.0)])
    })
}
