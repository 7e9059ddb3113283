//! The trait's calls: many requests at a time, and the wait for all of them.

use std::sync::PoisonError;
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use futures_util::future::join_all;

use super::requests::{no_batch, refused};
use super::{Nats, PATIENCE};
use crate::engine::{
    Counts, Delivery, Engine, EngineError, EngineErrorKind, Entry, NewJob, Place, Rule, Settings, Settlement,
    Stored, Table, Ticket, Verb,
};
use crate::id::JobId;

/// The key under which the server is asked for its time.
const CLOCK: &str = "clock";

impl Nats {
    /// The consumer as it was the first time: its name is all that a fetch needs.
    async fn known_consumer(&self) -> Result<Consumer<pull::Config>, EngineError> {
        let known = || self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = known().clone() {
            return Ok(consumer);
        }
        let consumer = self.consumer().await?;
        *known() = Some(consumer.clone());
        Ok(consumer)
    }
}

fn place(given_out: u64, entry: &Entry) -> Place {
    match entry.revision.checked_sub(given_out + 1) {
        Some(ahead) => Place::Waiting(ahead),
        None => Place::GivenOut,
    }
}

fn text(verb: Verb) -> String {
    match verb {
        Verb::Remove => "+ACK".into(),
        Verb::Return(Duration::ZERO) => "-NAK".into(),
        Verb::Return(delay) => format!("-NAK {{\"delay\": {}}}", delay.as_nanos()),
    }
}

impl Engine for Nats {
    fn create(&self, settings: &Settings) -> Result<(), EngineError> {
        self.runtime.wait(PATIENCE * 3, self.make(settings))
    }

    fn settings(&self) -> Result<Option<Settings>, EngineError> {
        let settings = self.runtime.wait(PATIENCE, async {
            let consumer = self.consumer().await?;
            let info = consumer.cached_info();
            let replicas = info.config.num_replicas.max(1);
            Ok(Settings { lease: info.config.ack_wait, replicas })
        });
        match settings {
            Ok(settings) => Ok(Some(settings)),
            Err(error) if error.kind() == EngineErrorKind::NoBatch => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete(&self) -> Result<(), EngineError> {
        let buckets =
            [Table::Done, Table::Dead, Table::Meta].map(|table| format!("KV_{}", self.bucket(table)));
        self.runtime.wait(PATIENCE * 3, async {
            for stream in std::iter::once(self.queue()).chain(buckets) {
                match self.context.delete_stream(&stream).await {
                    Ok(_) => {}
                    Err(error) if error.to_string().contains("not found") => {}
                    Err(error) => return Err(refused("the removal of a stream", error)),
                }
            }
            Ok(())
        })
    }

    fn publish(&self, jobs: &[NewJob]) -> Result<u64, EngineError> {
        let append = |job: &NewJob| {
            let subject = format!("{}.{}", self.subject(), job.id);
            let (message, mark) = (job.message.clone(), job.mark.clone());
            async move { self.append(subject, message, Some(&mark), None).await }
        };
        // Appended twice after an error, they have the same mark.
        let appended =
            self.runtime.wait(PATIENCE * 3, async { Ok(join_all(jobs.iter().map(append)).await) })?;
        appended.into_iter().map(|result| result.map(u64::from)).sum()
    }

    fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, EngineError> {
        self.runtime.wait(wait + PATIENCE, async {
            let consumer = self.known_consumer().await?;
            self.pulls.take(&self.client, &consumer, (most, wait)).await
        })
    }

    fn renew(&self, tickets: &[Ticket]) -> Vec<Result<(), EngineError>> {
        let renew = |ticket| async move { self.acknowledge(ticket, "+WPI".into()).await };
        let all = self
            .runtime
            .wait(PATIENCE * 2, async { Ok(join_all(tickets.iter().map(|ticket| renew(&ticket.0))).await) });
        all.unwrap_or_else(|error| vec![Err(error); tickets.len()])
    }

    fn settle(&self, settlements: &[Settlement]) -> Vec<Result<(), EngineError>> {
        let all = self.runtime.wait(PATIENCE * 3, async {
            let records = settlements.iter().map(|settlement| async {
                match &settlement.record {
                    Some(stored) => self.store(stored).await,
                    None => Ok(()),
                }
            });
            // All records, then all ends: few and large packets.
            let stored = join_all(records).await;
            let ends = settlements.iter().zip(stored).map(|(settlement, stored)| async move {
                stored?;
                self.acknowledge(&settlement.ticket.0, text(settlement.verb)).await
            });
            Ok(join_all(ends).await)
        });
        all.unwrap_or_else(|error| vec![Err(error); settlements.len()])
    }

    fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<(), EngineError> {
        let stored = Stored { table, key: key.into(), value: value.into(), rule: Rule::Replace };
        self.runtime.wait(PATIENCE, self.store(&stored))
    }

    fn get(&self, table: Table, keys: &[String]) -> Result<Vec<Option<Entry>>, EngineError> {
        let subjects = keys.iter().map(|key| self.key(table, key)).collect();
        self.runtime.wait(PATIENCE * 3, self.last_of_all(format!("KV_{}", self.bucket(table)), subjects))
    }

    fn remove(&self, table: Table, key: &str, revision: u64) -> Result<bool, EngineError> {
        let keys = [key.to_owned()];
        // A value that was replaced has left the stream, and its number with it.
        if self.get(table, &keys)?.pop().flatten().is_none_or(|entry| entry.revision != revision) {
            return Ok(false);
        }
        self.runtime.wait(PATIENCE, async {
            let stream = self.stream(format!("KV_{}", self.bucket(table))).await?;
            Ok(stream.delete_message(revision).await.unwrap_or(false))
        })
    }

    fn scan(
        &self,
        table: Table,
        prefix: &str,
        each: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<(), EngineError> {
        let scanner = self.runtime.wait(PATIENCE, self.scanner(table, prefix))?;
        loop {
            let entries = self.runtime.wait(PATIENCE * 3, self.scan_on(&scanner))?;
            if entries.is_empty() || !entries.into_iter().all(&mut *each) {
                break;
            }
        }
        let name = scanner.cached_info().name.clone();
        let bucket = format!("KV_{}", self.bucket(table));
        // In vain it ends by itself after a minute.
        let _ = self
            .runtime
            .wait(PATIENCE, async { Ok(self.context.delete_consumer_from_stream(name, bucket).await) });
        Ok(())
    }

    fn find(&self, ids: &[JobId]) -> Result<Vec<Option<Place>>, EngineError> {
        let subjects = ids.iter().map(|id| format!("{}.{id}", self.subject())).collect();
        self.runtime.wait(PATIENCE * 3, async {
            let given_out = self.consumer().await?.cached_info().delivered.stream_sequence;
            let entries = self.last_of_all(self.queue(), subjects).await?;
            Ok(entries.iter().map(|entry| entry.as_ref().map(|entry| place(given_out, entry))).collect())
        })
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.put(Table::Meta, CLOCK, b"")?;
        self.runtime.wait(PATIENCE * 3, async {
            let consumer = self.consumer().await?;
            let info = consumer.cached_info();
            let bucket = |table| self.length(format!("KV_{}", self.bucket(table)));
            let meta = self.stream(format!("KV_{}", self.bucket(Table::Meta))).await?;
            let clock = self.last(&meta, self.key(Table::Meta, CLOCK)).await?.ok_or_else(no_batch)?;
            Ok(Counts {
                waiting: info.num_pending,
                given_out: info.num_ack_pending as u64,
                done: bucket(Table::Done).await?,
                dead: bucket(Table::Dead).await?,
                time: clock.time,
            })
        })
    }
}
