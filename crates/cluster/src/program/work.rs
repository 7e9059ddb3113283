//! The frame of `work`: signals, the worker, its report, the exit status.

use std::time::Duration;

use longshore::{AnyPool, CancelToken, PoolBuilder};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::{print, signals};

use super::{BrokerOptions, WorkOptions, connect_patiently};
use crate::handler::{Context, Fault, Finished};
use crate::message::Job;
use crate::worker::{End, Ended, RunReport, Worker};

/// All threads are occupied by jobs that do not end: the worker should be started again.
const STUCK: u8 = 75;

/// Works on a batch until it is complete or a signal comes. The first SIGTERM, SIGINT or SIGHUP finishes what
/// runs, hands back what waits, and ends with status 0; the second ends at once.
///
/// `budget` is the weight that all jobs have at a time at most.
///
/// # Errors
/// Status 2: as [`connect`](super::connect), and the pool does not start. A broker that cannot be reached is
/// waited for.
pub fn work<J, P, H>(
    program: &'static str,
    (broker, options): (&BrokerOptions, &WorkOptions),
    pool: PoolBuilder<P>,
    (weight, budget): (impl Fn(&J) -> u64 + Send + Sync + 'static, Option<u64>),
    handler: H,
) -> Result<Status, Failure>
where
    J: Job,
    P: AnyPool,
    H: Fn(J, &Context) -> Result<Finished, Fault> + Send + Sync + 'static,
{
    let stop = CancelToken::new();
    let on_signal = stop.clone();
    signals::listen(program, move |_| _ = on_signal.cancel()).or_usage()?;
    let Some(batch) = connect_patiently::<J>(program, broker, &stop)? else { return Ok(Status::DONE) };
    let pool = pool.build().or_usage()?;
    let worker = Worker::new(&pool, handler)
        .weight(weight)
        .attempts(options.attempts)
        .stop(&stop)
        .end(if options.stay { End::Never } else { End::WithBatch })
        .tell(move |text| print::complain(program, text));
    let worker = match budget {
        Some(budget) => worker.budget(budget),
        None => worker,
    };
    let worker = match &options.worker {
        Some(name) => worker.name(name.clone()),
        None => worker,
    };
    let worker = [options.job_limit].into_iter().flatten().fold(worker, Worker::time_limit);
    let worker = [options.grace].into_iter().flatten().fold(worker, Worker::grace);
    let report = worker.run(&batch).or_failed()?;
    print::say(&line(&report));
    if report.stuck > 0 || options.grace.is_some() {
        // A thread that never returns would hold the end of the pool, and of the process.
        drop(batch);
        let status = if report.ended == Ended::Stuck { STUCK } else { 0 };
        std::process::exit(i32::from(status));
    }
    // Ends are told; a pool has nothing left.
    let _ = pool.shutdown_timeout(Duration::from_secs(60));
    Ok(Status::DONE)
}

fn line(report: &RunReport) -> String {
    let RunReport { done, dead, returned, lost, untold, .. } = report;
    let ended = match report.ended {
        Ended::Complete => "the batch is complete",
        Ended::Stopped => "stopped",
        Ended::Stuck => "every thread is occupied by a job that does not end",
    };
    format!(
        "{ended}: {done} done, {dead} dead letters, {returned} given back, {lost} lost, {untold} not told"
    )
}
