//! The pool, as the front sees it: an async call that waits for room, then for the result, and that stops the work if
//! nobody waits any more.

use anyhow::{Context, Result};
use longshore::{CancelToken, JoinError, JoinHandle, OnFull, Pool};
use tokio::time::{Instant, timeout_at};

use crate::cli::Service;
use crate::factor::factor;

/// Owns the pool.
#[derive(Debug)]
pub struct Backend {
    pool: Pool,
    service: Service,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It was not a worker's turn in time.
    Busy,
    /// The task panicked, or the pool has ended.
    Broken,
}

/// Cancels when it is dropped: with the future that waits, whatever ends that.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Backend {
    pub fn start(service: Service) -> Result<Backend> {
        let builder =
            Pool::builder().thread_name("factor").queue_capacity(service.capacity).on_full(OnFull::Block);
        let pool = match service.jobs {
            Some(jobs) => builder.workers(jobs.get()),
            None => builder,
        }
        .build()
        .context("the pool does not start")?;
        Ok(Backend { pool, service })
    }

    /// Factors a number on the pool. Dropping the future withdraws the task, or stops it.
    pub async fn factor(&self, number: u64) -> Result<Vec<u64>, Unanswered> {
        let token = CancelOnDrop(CancelToken::new());
        let inside = token.0.clone();
        // One deadline for both waits, for room and for a worker.
        let deadline = Instant::now() + self.service.patience;
        let task = self.pool.task().token(&token.0).deadline(deadline.into());
        // While there is no room nothing of this client is read; so the client is slowed down, not the others.
        let submitted = timeout_at(deadline, task.submit_async(move || factor(number, &inside)));
        let handle = submitted.await.map_err(|_| Unanswered::Busy)?.map_err(|_| Unanswered::Broken)?;
        match result(handle, deadline).await {
            Ok(Some(factors)) => Ok(factors),
            Err(JoinError::Expired) => Err(Unanswered::Busy),
            Ok(None) | Err(_) => Err(Unanswered::Broken),
        }
    }

    /// Tasks that run just now.
    pub fn running(&self) -> u64 {
        self.pool.stats().running
    }

    /// Ends the workers when they have done what was accepted; says how many tasks began, and how many never did.
    pub fn close(&self) -> Result<(u64, u64)> {
        self.pool.shutdown().context("the pool does not end")?;
        let stats = self.pool.stats();
        Ok((stats.submitted - stats.cancelled - stats.expired, stats.cancelled + stats.expired))
    }
}

/// Waits for a result; takes a task back that is still waiting at the deadline. (Its own deadline alone would tell only when a
/// worker comes to it.)
async fn result<T: Send>(mut handle: JoinHandle<T>, deadline: Instant) -> Result<T, JoinError> {
    match timeout_at(deadline, &mut handle).await {
        Ok(result) => result,
        Err(_) if handle.cancel() => Err(JoinError::Expired),
        // It has begun, and takes the time it takes.
        Err(_) => handle.await,
    }
}
