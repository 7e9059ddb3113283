//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Takes uploads over HTTP and writes them to a database; loads such a server; compares ways to build one.
#[derive(Debug, Parser)]
#[command(name = "server", after_long_help = RULES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const RULES: &str = "\
Requests:
  POST /uploads/NAME  with a body of up to 1 MiB; NAME is up to 200 of the characters A-Z a-z 0-9 . _ -
Answers:
  201  stored: the body is the number of its row. It is in the database, and stays there.
  503  refused: there was no place within the time to wait; Retry-After says when to come again
  400, 404, 405, 408, 413  bad names, paths, methods; slow and large bodies
  500  the database failed, as the body says

SIGTERM or Ctrl-C stop a server: it takes no more connections, answers what it has read, stores what it has accepted,
ends its threads and reports.

Exit status:
  0  all went well
  1  something that was accepted is not in the database or is there twice; a request failed; a connection was cut
  2  a bad option, an address that cannot be used, a database that cannot be opened";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Send uploads to a server and count its answers
    Load(Load),
    /// Run servers of all modes, one after the other, under the same load, and check their databases
    Bench(Bench),
}

#[derive(Clone, Debug, Args)]
pub struct Serve {
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// A file for SQLite, or the URL of a PostgreSQL server (needs the feature `postgres`)
    #[arg(long, value_name = "FILE|URL", default_value = "uploads.db")]
    pub database: String,

    /// Who does the work
    #[arg(long, value_enum, default_value_t = Mode::BackPressure)]
    pub mode: Mode,

    #[command(flatten)]
    pub work: Work,
}

/// How the server works.
#[derive(Clone, Copy, Debug, Args)]
pub struct Work {
    /// Workers of the pool [default: all cores that are available]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// The kind of pool
    #[arg(long, value_enum, default_value_t = Model::Pull)]
    pub model: Model,

    /// Uploads that may wait for a thread, in the modes one-consumer and back-pressure
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub capacity: u32,

    /// How long a request waits for a place, in the mode back-pressure
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub patience: Duration,

    /// Work on each upload: how often its content is hashed
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: u32,
}

#[derive(Debug, Args)]
pub struct Load {
    /// The server
    pub address: SocketAddr,

    #[command(flatten)]
    pub shape: Shape,
}

/// What the load looks like.
#[derive(Clone, Copy, Debug, Args)]
pub struct Shape {
    /// Uploads in all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub requests: u64,

    /// Connections, each with one request at a time
    #[arg(short, long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,

    /// Bytes of an upload
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub size: u32,
}

#[derive(Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    pub shape: Shape,

    #[command(flatten)]
    pub work: Work,
}

/// The kind of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Each upload is handed to one worker, from whom others may steal it
    Push,
    /// All workers take uploads from one queue, in the order of their arrival
    Pull,
}

impl Model {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Model::Push => "push",
            Model::Pull => "pull",
        }
    }
}

/// Who does the work on an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// A thread of its own for each
    ThreadPerRequest,
    /// One thread behind a bounded queue, for whose places requests wait as long as it takes
    OneConsumer,
    /// A pool that accepts whatever comes
    Pool,
    /// A pool of bounded capacity, for whose places requests wait a while and are then refused
    BackPressure,
}

impl Mode {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mode::ThreadPerRequest => "thread-per-request",
            Mode::OneConsumer => "one-consumer",
            Mode::Pool => "pool",
            Mode::BackPressure => "back-pressure",
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds such as 0.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected more than 0 seconds".into()),
    }
}
