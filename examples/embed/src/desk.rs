//! The program around the pool: a desk has a book of contracts and a pricer, and knows nothing of workers.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use longshore::{CancelToken, PoolStats};

use crate::contract::Contract;
use crate::pricer::{Estimate, Pricer, Request, Running};

/// How often the progress is drawn and the time looked at.
const TICK: Duration = Duration::from_millis(50);
/// How far an estimate may lie from its closed form, in standard errors: by chance once in 1.7 million.
const TOLERANCE: f64 = 5.0;

/// Owns everything that is needed to price its book.
#[derive(Debug)]
pub struct Desk {
    pricer: Pricer,
    book: Vec<Contract>,
}

/// Why pricing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Complete,
    Stopped,
}

/// A price that is there.
#[derive(Debug)]
pub struct Priced {
    pub name: &'static str,
    pub estimate: Estimate,
    pub exact: Option<f64>,
}

/// What came of a book: all that was priced, in its order.
#[derive(Debug)]
pub struct Outcome {
    pub priced: Vec<Priced>,
    /// Contracts that the stop left without a price.
    pub unpriced: usize,
    pub end: End,
    pub paths: u64,
    pub elapsed: Duration,
}

impl Priced {
    /// The distance to the closed form in standard errors, if there is one.
    pub fn deviation(&self) -> Option<f64> {
        self.exact.map(|exact| (self.estimate.price - exact) / self.estimate.standard_error)
    }
}

impl Outcome {
    pub fn agrees(&self) -> bool {
        self.priced.iter().all(|price| price.deviation().is_none_or(|d| d.abs() <= TOLERANCE))
    }
}

impl Desk {
    pub fn new(pricer: Pricer, book: Vec<Contract>) -> Self {
        Desk { pricer, book }
    }

    /// Prices the book, one contract after the other, each on all workers.
    pub fn price_all(
        &mut self,
        request: Request,
        limit: Option<Duration>,
        stop: &CancelToken,
    ) -> Result<Outcome> {
        let start = Instant::now();
        let deadline = limit.and_then(|limit| start.checked_add(limit));
        let mut priced = Vec::new();
        for (number, contract) in self.book.iter().enumerate() {
            let running = self.pricer.start(*contract, request, stop)?;
            let title = format!("{}/{} {}", number + 1, self.book.len(), contract.name);
            let Some(estimate) = watch(running, &title, deadline, stop)? else { break };
            priced.push(Priced { name: contract.name, estimate, exact: contract.closed_form() });
        }
        let unpriced = self.book.len() - priced.len();
        let end = if unpriced == 0 { End::Complete } else { End::Stopped };
        Ok(Outcome { priced, unpriced, end, paths: request.paths, elapsed: start.elapsed() })
    }

    /// Ends the workers and says what each did.
    pub fn close(self) -> PoolStats {
        self.pricer.close()
    }
}

/// Shows the progress on a terminal until the result is there, and asks for a stop at the deadline.
fn watch(
    mut running: Running,
    title: &str,
    deadline: Option<Instant>,
    stop: &CancelToken,
) -> Result<Option<Estimate>> {
    let terminal = io::stderr().is_terminal();
    loop {
        if let Some(result) = running.wait(TICK) {
            if terminal {
                draw("\r\x1b[K");
            }
            return result;
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            stop.cancel();
        }
        if terminal {
            draw(&format!("\r\x1b[K{title} {:3.0} %", 100.0 * running.progress()));
        }
    }
}

fn draw(text: &str) {
    // If standard error is gone, no reader is left.
    let _ = write!(io::stderr(), "{text}");
    let _ = io::stderr().flush();
}
