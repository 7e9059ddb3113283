//! Jobs that are nothing but time, to measure what the broker costs: `load push`, `load work`, `load local`.
//!
//! `.ci/cluster efficiency` and `.ci/cluster million` run it.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use longshore::Pool;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::{amount, limits, print};
use longshore_cluster::program::{self, BrokerOptions, PushOptions, StatusOptions, WorkOptions};
use longshore_cluster::{Context, Finished, Job, JobId};
use serde::{Deserialize, Serialize};

const PROGRAM: &str = "load";

#[derive(Parser)]
#[command(name = PROGRAM)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Queue jobs
    Push {
        /// How many
        #[arg(short = 'n', long)]
        count: u64,
        /// Microseconds that each takes of a core
        #[arg(long, default_value_t = 0)]
        microseconds: u64,
        #[command(flatten)]
        broker: BrokerOptions,
        #[command(flatten)]
        push: PushOptions,
    },
    /// Do jobs until there are none
    Work {
        #[arg(short, long, default_value = "1", value_parser = amount::jobs)]
        jobs: NonZeroUsize,
        #[command(flatten)]
        broker: BrokerOptions,
        #[command(flatten)]
        work: WorkOptions,
    },
    /// Show how the batch is doing
    Status(StatusOptions),
    /// Do as many jobs on this machine, without a broker
    Local {
        #[arg(short = 'n', long)]
        count: u64,
        #[arg(long, default_value_t = 0)]
        microseconds: u64,
        #[arg(short, long, default_value = "1", value_parser = amount::jobs)]
        jobs: NonZeroUsize,
    },
}

#[derive(Serialize, Deserialize)]
struct Turn {
    number: u64,
    microseconds: u64,
}

impl Job for Turn {
    fn id(&self) -> JobId {
        JobId::of(&self.number.to_le_bytes())
    }
}

/// Keeps a core busy for so long, as far as this thread has it.
fn turn(microseconds: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(microseconds) {
        std::hint::spin_loop();
    }
}

fn main() -> ExitCode {
    end::main(PROGRAM, |cli: Cli| run(cli.command))
}

fn run(command: Command) -> Result<Status, Failure> {
    let start = Instant::now();
    match command {
        Command::Push { count, microseconds, broker, push } => {
            let batch = program::connect::<Turn>(PROGRAM, &broker)?;
            if push.replace {
                batch.delete().map_err(program::failure)?;
            }
            let turns = (0..count).map(|number| Turn { number, microseconds });
            batch.publish(&push.settings(), turns).map_err(program::failure)?;
            tell(count, start);
            Ok(Status::DONE)
        }
        Command::Work { jobs, broker, work } => {
            let handler = |turn: Turn, _: &Context| {
                self::turn(turn.microseconds);
                Ok(Finished::default())
            };
            let pool = Pool::builder().workers(jobs.get());
            let status = program::work(PROGRAM, (&broker, &work), pool, (|_: &Turn| 0, None), handler);
            tell(0, start);
            status
        }
        Command::Status(options) => {
            let status = program::status::<Turn>(PROGRAM, &options);
            tell(0, start);
            status
        }
        Command::Local { count, microseconds, jobs } => {
            let pool = Pool::builder().workers(jobs.get()).build().or_usage()?;
            pool.execute_batch((0..count).map(|_| move || turn(microseconds))).or_failed()?;
            pool.shutdown().or_failed()?;
            tell(count, start);
            Ok(Status::DONE)
        }
    }
}

fn tell(count: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = limits::peak_memory().unwrap_or(0) / 1_000_000;
    print::complain(PROGRAM, &format!("{count} jobs in {seconds:.3} s, {megabytes} MB at most"));
}
