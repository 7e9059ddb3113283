//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use longshore_cli::amount;

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
                      With a header Idempotency-Key (up to 200 visible characters of ASCII) it is stored once,
                      however often it is sent.
Answers:
  201  stored: the body is the number of its row. It is in the database, and stays there.
  503  refused: there was no place within the time to wait, or the database cannot be reached; it is not stored, and
       Retry-After says when to come again
  400, 404, 405, 408, 413  bad names, paths, methods; slow and large bodies
  422  the key belongs to another upload
  500  the database failed, as the body says; or it is unknown whether the upload is stored, which the body says as
       well: send it again with its key

A connection without a request under way is closed when it is silent for 30 s, or for 1 s if its place is needed by another
one. A body is refused when none of it comes for 5 s, or not all of it within 30 s.

SIGTERM, Ctrl-C or SIGHUP stop a server: it takes no more connections, answers what it has read, stores what it has accepted,
ends its threads and reports, all within --grace. The second one ends it at once.

Exit status:
  0  all went well; a server was stopped
  1  something that was accepted is not in the database or is there twice; a request failed; a connection was cut; a
     report cannot be written
  2  a bad option, an address that cannot be used, a database that cannot be opened or has other tables
  129, 130, 143  of load and bench: SIGHUP, Ctrl-C, SIGTERM came first";

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

    /// For everything that was begun when a stop comes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = amount::duration)]
    pub grace: Duration,

    #[command(flatten)]
    pub work: Work,
}

/// How the server works.
#[derive(Clone, Copy, Debug, Args)]
pub struct Work {
    /// Workers of the pool [default: all cores that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs)]
    pub jobs: Option<NonZeroUsize>,

    /// The kind of pool
    #[arg(long, value_enum, default_value_t = Model::Pull)]
    pub model: Model,

    /// Uploads that may wait, in the modes one-consumer and back-pressure, 1 to 1,000,000
    #[arg(long, value_name = "N", default_value = "256", value_parser = amount::count::<1, 1_000_000>)]
    pub capacity: usize,

    /// How long a request waits for a place, in the mode back-pressure
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = amount::duration)]
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
    #[arg(short, long, value_name = "N", default_value = "256", value_parser = amount::count::<1, 10_000>)]
    pub connections: usize,

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
