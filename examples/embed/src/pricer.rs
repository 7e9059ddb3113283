//! The part that owns the pool: a `Pricer` turns contracts into estimates. The owner of a `Pricer` needs no
//! knowledge of threads; a running calculation can be watched, waited for, and stopped from any thread.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use longshore::{BuildError, CancelToken, JoinError, JoinHandle, Pinning, Pool, PoolStats};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::contract::Contract;

/// Paths of a block: about half a millisecond of work, so that a stop is felt at once and stealing costs
/// nothing.
const BLOCK: u64 = 8192;

/// How exactly to calculate.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub paths: u64,
    pub seed: u64,
}

/// A price with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub price: f64,
    pub standard_error: f64,
}

/// Owns the pool.
#[derive(Debug)]
pub struct Pricer {
    pool: Pool,
}

/// A calculation that is under way on the pool.
#[derive(Debug)]
pub struct Running {
    /// `None` for one that was stopped.
    handle: JoinHandle<Option<Estimate>>,
    done: Arc<AtomicU64>,
    blocks: u64,
}

impl Pricer {
    /// Starts the workers.
    pub fn new(workers: Option<NonZeroUsize>, pinning: Pinning) -> Result<Self, BuildError> {
        let wanted = match (workers, &pinning) {
            (Some(workers), _) => Some(workers.get()),
            (None, Pinning::Cores(cores)) => Some(cores.len()),
            (None, _) => None,
        };
        let builder = Pool::builder().thread_name("pricer").pinning(pinning);
        let pool = match wanted {
            Some(workers) => builder.workers(workers),
            None => builder,
        }
        .build()?;
        Ok(Pricer { pool })
    }

    /// Begins to price a contract; returns at once.
    pub fn start(&self, contract: Contract, request: Request, stop: &CancelToken) -> Result<Running> {
        let blocks = request.paths.div_ceil(BLOCK);
        let done = Arc::new(AtomicU64::new(0));
        let (count, inside) = (done.clone(), stop.clone());
        let task = self.pool.task().token(stop);
        let handle = task
            .submit(move || calculate(contract, request, &count, &inside))
            .map_err(|refused| anyhow::anyhow!("{}", refused.kind))
            .context("the pool takes no more work")?;
        Ok(Running { handle, done, blocks })
    }

    /// Ends the workers and says what each did.
    pub fn close(self) -> PoolStats {
        // Only a task of this pool could not shut it down, and a `Pricer` is in none.
        let _ = self.pool.shutdown();
        self.pool.stats()
    }
}

impl Running {
    /// The share that is done, 0 to 1.
    pub fn progress(&self) -> f64 {
        // Relaxed: for the eye only.
        self.done.load(Ordering::Relaxed) as f64 / self.blocks as f64
    }

    /// Waits for the result, for at most `timeout`. The outer `None` means not yet, the inner one stopped.
    pub fn wait(&mut self, timeout: Duration) -> Option<Result<Option<Estimate>>> {
        self.handle.join_timeout(timeout).map(|result| match result {
            // Stopped before it began.
            Err(JoinError::Cancelled) => Ok(None),
            other => other.context("a simulation failed"),
        })
    }
}

/// What a block adds to the whole.
struct Sums {
    payoffs: f64,
    squares: f64,
}

struct Stopped;

/// Runs as a task; the loop splits itself among the workers that have nothing to do.
fn calculate(contract: Contract, request: Request, done: &AtomicU64, stop: &CancelToken) -> Option<Estimate> {
    let blocks = request.paths.div_ceil(BLOCK);
    let sums = longshore::with_context(|context| {
        let context = context.expect("a task runs on a worker");
        context.try_map(0..blocks, |block| {
            if stop.is_cancelled() {
                return Err(Stopped);
            }
            let sums = simulate(&contract, request, block);
            // Relaxed: see `progress`.
            done.fetch_add(1, Ordering::Relaxed);
            Ok(sums)
        })
    })
    .ok()?;
    // In the order of the blocks: sums of floating-point numbers depend on it.
    let (mut payoffs, mut squares) = (0.0, 0.0);
    for block in &sums {
        payoffs += block.payoffs;
        squares += block.squares;
    }
    let paths = request.paths as f64;
    let price = payoffs / paths;
    let variance = (squares / paths - price * price).max(0.0) * paths / (paths - 1.0);
    Some(Estimate { price, standard_error: (variance / paths).sqrt() })
}

fn simulate(contract: &Contract, request: Request, block: u64) -> Sums {
    let mut random = ChaCha8Rng::seed_from_u64(request.seed);
    random.set_stream(block);
    let paths = BLOCK.min(request.paths - block * BLOCK);
    let mut sums = Sums { payoffs: 0.0, squares: 0.0 };
    for _ in 0..paths {
        let payoff = contract.sample(&mut random);
        sums.payoffs += payoff;
        sums.squares += payoff * payoff;
    }
    sums
}
