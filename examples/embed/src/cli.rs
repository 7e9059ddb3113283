//! The command line.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Parser;
use longshore::Pinning;
use longshore_cli::amount;

use crate::pricer::Request;

/// Prices a small book of options by Monte Carlo on a work-stealing pool and checks the prices against closed forms.
#[derive(Debug, Parser)]
#[command(name = "embed", after_long_help = RULES)]
pub struct Cli {
    /// Paths to simulate for each contract, at most 10 billion
    #[arg(short = 'p', long, value_name = "N", default_value_t = 4_000_000,
          value_parser = clap::value_parser!(u64).range(1_000..=10_000_000_000))]
    pub paths: u64,

    /// Steps of a path, for the contracts whose pay-off depends on it
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,

    /// Names the sequence of random numbers; the same seed gives the same digits, on any number of workers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Worker threads [default: the cores listed in --pin, or else all that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs)]
    pub jobs: Option<NonZeroUsize>,

    /// Pin workers to cores: none, compact, spread, or a list such as 0,2,4
    #[arg(long, value_name = "POLICY", default_value = "compact", value_parser = parse_pin)]
    pub pin: Pin,

    /// Give up after this time (2.5 or 2.5s, 300ms, 10m); what is priced by then is printed
    #[arg(long, value_name = "TIME", value_parser = amount::duration)]
    pub cancel_after: Option<Duration>,

    /// Print one JSON object on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

/// The rules behind the options, at the end of `--help`.
const RULES: &str = "\
The book: a call and a put (Black-Scholes), a call on the geometric average of the path (closed form), and
one on the arithmetic average (no closed form, so no check). Paths are simulated in blocks of 8192. Block
number b draws from stream number b of a generator by counter, and the blocks are added up in their order:
neither the number of workers nor who ran what can change a digit.

An estimate agrees with its closed form if it is within 5 standard errors.

Exit status:
  0    all prices are there, and agree
  1    all prices are there, and one does not agree; or the report cannot be written
  2    a bad option, a pool that does not start
  124  --cancel-after came first
  129, 130, 143  SIGHUP, Ctrl-C, SIGTERM: what is priced by then is printed. The second one ends the program at once";

/// A pinning policy, as parsed.
#[derive(Clone, Debug)]
pub struct Pin(Pinning);

impl Pin {
    pub fn policy(&self) -> Pinning {
        self.0.clone()
    }
}

fn parse_pin(text: &str) -> Result<Pin, String> {
    let policy = match text {
        "none" => Pinning::None,
        "compact" => Pinning::Compact,
        "spread" => Pinning::Spread,
        list => list
            .split(',')
            .map(|core| core.trim().parse())
            .collect::<Result<Vec<usize>, _>>()
            .map(Pinning::Cores)
            .map_err(|_| "expected none, compact, spread, or core numbers such as 0,2,4")?,
    };
    Ok(Pin(policy))
}

impl Cli {
    pub fn request(&self) -> Request {
        Request { paths: self.paths, seed: self.seed }
    }
}
