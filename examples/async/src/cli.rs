//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Factors numbers for clients over TCP: tokio talks to them, a work-stealing pool computes.
#[derive(Debug, Parser)]
#[command(name = "async", after_long_help = RULES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const RULES: &str = "\
Protocol: a line with a number from 1 to 18446744073709551615, of which the answer is a line such as `12 = 2 2 3`, or
`12: reason` if there is none. The answers to a connection come in the order of its questions. A client that closes
its side of the connection hangs up: what is computed for it is stopped.

SIGTERM or Ctrl-C stop the service: it takes no more connections, answers the question that each client has asked,
and reports.

Exit status:
  0  all went well
  1  a question was not answered (of demo: or an answer was wrong)
  2  a bad option, an address that cannot be used, a pool that does not start";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(Serve),
    /// Ask a service to factor numbers
    Ask(Ask),
    /// Run a service and clients that ask, some of which hang up
    Demo(Demo),
}

#[derive(Clone, Debug, Args)]
pub struct Serve {
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,

    #[command(flatten)]
    pub service: Service,
}

/// How the service works.
#[derive(Clone, Copy, Debug, Args)]
pub struct Service {
    /// Workers of the pool [default: all cores that are available]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Questions that may wait for a worker; connections with more are not read meanwhile
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub capacity: u32,

    /// How long a question may wait for a worker, in all
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub patience: Duration,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// The service
    pub address: SocketAddr,

    #[arg(required = true)]
    pub numbers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Clients that ask ten numbers each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub clients: u32,

    /// Clients that ask a question of some minutes, and hang up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub impatient: u32,

    #[command(flatten)]
    pub service: Service,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds such as 0.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected more than 0 seconds".into()),
    }
}
