//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use longshore_cli::amount;

/// Factors numbers for clients over TCP: tokio talks to them, a work-stealing pool computes.
#[derive(Debug, Parser)]
#[command(name = "async", after_long_help = RULES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const RULES: &str = "\
Protocol: a line with a number from 1 to 18446744073709551615, of which the answer is a line such as `12 = 2 2 3`, or
`12: reason` if there is none. A line has at most 100 bytes; of one that is longer nothing is computed. The answers to a
connection come in the order of its questions. A client that closes its sending side gets its answers if they take
less than a second each; then it has hung up, and what is computed for it is stopped. A client that reads
nothing for 5 s is cut. One that is silent for 1 s is cut if its place is needed by another one.

SIGTERM, Ctrl-C or SIGHUP stop the service: it takes no more connections, answers the question that each client has
asked, and reports, all within --grace. The second one ends it at once.

Exit status:
  0  all went well; the service was stopped
  1  a question was not answered (of demo: or an answer was wrong), or a connection was cut at the end of the grace
  2  a bad option, an address that cannot be used, a pool that does not start
  129, 130, 143  of ask and demo: SIGHUP, Ctrl-C, SIGTERM came first";

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

    /// For everything that was begun when a stop comes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = amount::duration)]
    pub grace: Duration,

    #[command(flatten)]
    pub service: Service,
}

/// How the service works.
#[derive(Clone, Copy, Debug, Args)]
pub struct Service {
    /// Workers of the pool [default: all cores that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs)]
    pub jobs: Option<NonZeroUsize>,

    /// Questions that may wait for a worker, 1 to 1,000,000; connections with more are not read meanwhile
    #[arg(long, value_name = "N", default_value = "16", value_parser = amount::count::<1, 1_000_000>)]
    pub capacity: usize,

    /// How long a question may wait for a worker, in all
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = amount::duration)]
    pub patience: Duration,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// The service
    pub address: SocketAddr,

    #[arg(required = true, value_parser = parse_question)]
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

/// Anything that is one line: what is no number is for the service to say.
fn parse_question(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) { Err("a question is one line".into()) } else { Ok(text.into()) }
}
