//! The frame of `work`: signals, the worker, its report, the exit status.

use std::time::Duration;

use longshore::{AnyPool, CancelToken, PoolBuilder};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::{print, signals};

use super::{BrokerOptions, UNCONFIRMED, UNFINISHED, WorkOptions, connect_patiently, failure};
use crate::handler::{Context, Fault, Finished};
use crate::message::Job;
use crate::worker::{End, Ended, RunReport, Worker};

/// Works on a batch until it is complete or a signal comes. The first SIGTERM, SIGINT or SIGHUP finishes what
/// runs, hands back what waits, and ends with status 0; the second ends at once.
///
/// The status is [`UNFINISHED`] if jobs were left that still ran (all threads are occupied by jobs that do
/// not end, or the time of `--grace` was up), else [`UNCONFIRMED`] if the broker has not confirmed all ends,
/// or does not admit the user any more.
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
    let report = worker.run(&batch).map_err(failure)?;
    print::say(&line(&report));
    if report.untold > 0 {
        print::complain(program, &untold(report.untold));
    }
    let status = status(&report);
    if report.stuck > 0 || report.unfinished > 0 {
        // A thread that never returns would hold the end of the pool, and of the process.
        drop(batch);
        std::process::exit(i32::from(status.code()));
    }
    // Every job has ended; a pool has nothing left.
    let _ = pool.shutdown_timeout(Duration::from_secs(60));
    Ok(status)
}

fn status(report: &RunReport) -> Status {
    match report {
        _ if report.ended == Ended::Stuck || report.unfinished > 0 => UNFINISHED,
        _ if report.untold > 0 || report.ended == Ended::Denied => UNCONFIRMED,
        _ => Status::DONE,
    }
}

fn untold(count: usize) -> String {
    format!("the broker has not confirmed the ends of {count} jobs; it may give them out again")
}

fn line(report: &RunReport) -> String {
    let RunReport { done, dead, returned, lost, untold, unfinished, .. } = report;
    let ended = match report.ended {
        Ended::Complete => "the batch is complete",
        Ended::Stopped => "stopped",
        Ended::Denied => "refused by the broker",
        Ended::Stuck => "every thread is occupied by a job that does not end",
    };
    format!(
        "{ended}: {done} done, {dead} dead letters, {returned} given back, {lost} lost, {untold} not confirmed, \
         {unfinished} not finished"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_what_was_left() {
        let well = RunReport {
            ended: Ended::Complete,
            done: 9,
            dead: 1,
            returned: 0,
            lost: 0,
            bytes: 0,
            stuck: 0,
            untold: 0,
            unfinished: 0,
        };
        let of = |report: RunReport| status(&report).code();
        assert_eq!(of(well.clone()), 0);
        assert_eq!(of(RunReport { ended: Ended::Stopped, stuck: 1, ..well.clone() }), 0);
        assert_eq!(of(RunReport { untold: 1, ..well.clone() }), 69);
        assert_eq!(of(RunReport { ended: Ended::Denied, ..well.clone() }), 69);
        assert_eq!(of(RunReport { untold: 1, unfinished: 1, ..well.clone() }), 75);
        assert_eq!(of(RunReport { ended: Ended::Stuck, stuck: 2, ..well }), 75);
    }
}
