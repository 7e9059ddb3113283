//! Requests for jobs.
//!
//! What the server sends as an answer is given out, and comes back only when its lease has run out. So a
//! request that the server has not answered in time stays open, and the next call waits for it, instead of
//! making a second one.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{Consumer, pull};
use futures_util::StreamExt;

use super::requests::unreachable;
use crate::engine::{Delivery, EngineError, Ticket};

/// How long an answer is waited for beyond the time after which the server is to say that there is no job.
const ANSWER: Duration = Duration::from_secs(1);
/// The shortest time that a request stands at the server: a request without an end would never be answered if
/// another one took the last job first.
const SHORTEST: Duration = Duration::from_millis(20);

/// The requests that the server has not answered.
#[derive(Default)]
pub(super) struct Pulls(Mutex<Vec<Open>>);

/// A request that the server has not answered.
struct Open {
    answers: pull::Batch,
    /// The number of the connection on which it was made. A server knows nothing of the requests of a
    /// connection that has ended.
    connection: u64,
}

/// The requests that one call waits for. Those that are not answered at its end are left to the next call.
struct Taken<'a> {
    pulls: &'a Pulls,
    open: Vec<Open>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.pulls.lock().append(&mut self.open);
    }
}

impl Pulls {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up to `most` jobs: those that there are, or the first that comes within `wait`. If an earlier
    /// request is still open, takes the jobs that were asked for then.
    pub async fn take(
        &self,
        client: &Client,
        consumer: &Consumer<pull::Config>,
        (most, wait): (usize, Duration),
    ) -> Result<Vec<Delivery>, EngineError> {
        let wait = wait.max(SHORTEST);
        // Relaxed: a number that is late by one connection delays the next request, no more.
        let connection = client.statistics().connects.load(Ordering::Relaxed);
        let mut taken = Taken { pulls: self, open: std::mem::take(&mut *self.lock()) };
        taken.open.retain(|open| open.connection == connection);
        if taken.open.is_empty() {
            // With both `no_wait` and an end, the server answers with what there is, or with the first job
            // that comes before the end. On its side and on this one the request ends at the same time.
            let request = consumer.fetch().max_messages(most).expires(wait).messages().await;
            taken.open.push(Open { answers: request.map_err(unreachable)?, connection });
        }
        let mut deliveries = Vec::new();
        let answered = tokio::time::timeout(wait + ANSWER, taken.collect(&mut deliveries)).await;
        match answered {
            // What has come belongs to this worker, whatever came after it.
            _ if !deliveries.is_empty() => Ok(deliveries),
            Ok(Ok(())) => Ok(deliveries),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unreachable("no answer to a request for jobs")),
        }
    }
}

impl Taken<'_> {
    /// Waits until every request is answered.
    async fn collect(&mut self, deliveries: &mut Vec<Delivery>) -> Result<(), EngineError> {
        while let Some(message) = poll_fn(|context| self.poll_next(context)).await {
            deliveries.extend(delivery(message.map_err(unreachable)?));
        }
        Ok(())
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<<pull::Batch as futures_util::Stream>::Item>> {
        while let Some(open) = self.open.last_mut() {
            match open.answers.poll_next_unpin(context) {
                Poll::Ready(None) => drop(self.open.pop()),
                answer => return answer,
            }
        }
        Poll::Ready(None)
    }
}

fn delivery(message: async_nats::jetstream::Message) -> Option<Delivery> {
    let delivered = message.info().map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1));
    Some(Delivery {
        ticket: Ticket(message.reply.as_ref()?.to_string()),
        key: message.subject.rsplit('.').next().unwrap_or_default().to_owned(),
        message: message.payload.to_vec(),
        delivered,
    })
}
