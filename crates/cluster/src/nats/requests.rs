//! Single requests to the server, and what their errors mean.

use std::fmt::Display;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, DirectGetErrorKind, RetentionPolicy, StorageType};
use async_nats::{HeaderMap, Request};
use futures_util::{StreamExt, stream as streams};

use super::{MOST_REQUESTS, Nats, PATIENCE};
use crate::engine::{EngineError, EngineErrorKind, Entry, Rule, Settings, Stored, Table};

/// The name of the consumer that all workers share.
pub(super) const CONSUMER: &str = "workers";
/// For so long the server knows a message again by its mark.
const MARKS: Duration = Duration::from_secs(10 * 60);
/// Jobs that may be with workers at a time, over all machines: more than threads of a cluster.
const MOST_GIVEN_OUT: i64 = 65_536;
/// Requests of workers that may wait for a job at a time, over all machines.
const MOST_WAITING: i64 = 8_192;
/// The header by which the server keeps the first value of a key.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// Values that a scan asks for at a time.
const SCAN: usize = 512;

pub(super) fn unreachable(error: impl Display) -> EngineError {
    EngineError::new(EngineErrorKind::Unreachable, format!("the broker does not answer: {error}"))
}

pub(super) fn refused(what: &str, error: impl Display) -> EngineError {
    EngineError::new(EngineErrorKind::Refused, format!("the broker refuses {what}: {error}"))
}

pub(super) fn no_batch() -> EngineError {
    EngineError::new(EngineErrorKind::NoBatch, "there is no such batch")
}

/// What an answer of the server means. Its code tells a stream that is not there from a server that is not.
fn meaning(what: &str, error: impl Display) -> EngineError {
    let text = error.to_string();
    match () {
        () if text.contains("not found") => no_batch(),
        () if text.contains("timed out") || text.contains("no responders") || text.contains("pipe") => {
            unreachable(text)
        }
        () if text.contains("unavailable") || text.contains("no leader") => unreachable(text),
        () => refused(what, text),
    }
}

impl Nats {
    pub(super) async fn make(&self, settings: &Settings) -> Result<(), EngineError> {
        let queue = stream::Config {
            name: self.queue(),
            subjects: vec![format!("{}.>", self.subject())],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: settings.replicas,
            duplicate_window: MARKS,
            allow_direct: true,
            ..stream::Config::default()
        };
        self.make_stream(queue).await?;
        for table in [Table::Done, Table::Dead, Table::Meta] {
            let bucket = self.bucket(table);
            let config = stream::Config {
                name: format!("KV_{bucket}"),
                subjects: vec![format!("$KV.{bucket}.>")],
                storage: StorageType::File,
                num_replicas: settings.replicas,
                max_messages_per_subject: 1,
                duplicate_window: Duration::from_secs(1),
                allow_rollup: true,
                allow_direct: true,
                ..stream::Config::default()
            };
            self.make_stream(config).await?;
        }
        let consumer = pull::Config {
            durable_name: Some(CONSUMER.into()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: settings.lease,
            max_deliver: -1,
            max_ack_pending: MOST_GIVEN_OUT,
            max_waiting: MOST_WAITING,
            ..pull::Config::default()
        };
        let queue = self.stream(self.queue()).await?;
        let made = queue.get_or_create_consumer(CONSUMER, consumer).await;
        made.map(drop).map_err(|error| meaning("the consumer", error))
    }

    async fn make_stream(&self, config: stream::Config) -> Result<(), EngineError> {
        let name = config.name.clone();
        let made = self.context.get_or_create_stream(config).await;
        made.map(drop).map_err(|error| meaning(&format!("the stream {name}"), error))
    }

    pub(super) async fn consumer(&self) -> Result<Consumer<pull::Config>, EngineError> {
        let found = self.context.get_consumer_from_stream(CONSUMER, self.queue()).await;
        found.map_err(|error| meaning("the consumer", error))
    }

    /// Appends a message to a stream, confirmed. Returns whether it is new.
    pub(super) async fn append(
        &self,
        subject: String,
        payload: Vec<u8>,
        mark: Option<&str>,
        rule: Option<Rule>,
    ) -> Result<bool, EngineError> {
        let mut message = PublishMessage::build().payload(payload.into());
        if let Some(mark) = mark {
            message = message.message_id(mark);
        }
        if rule == Some(Rule::KeepFirst) {
            let mut headers = HeaderMap::new();
            headers.insert(EXPECTED, "0");
            message = message.headers(headers);
        }
        let error = match self.context.send_publish(subject, message).await {
            Ok(acknowledgement) => match acknowledgement.await {
                Ok(acknowledgement) => return Ok(!acknowledgement.duplicate),
                Err(error) => error,
            },
            Err(error) => error,
        };
        match error.kind() {
            PublishErrorKind::WrongLastSequence if rule == Some(Rule::KeepFirst) => Ok(false),
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
                Err(unreachable(error))
            }
            // Also while a server that has just started has not loaded its streams: the caller tries again.
            PublishErrorKind::StreamNotFound => Err(unreachable(error)),
            _ => Err(refused("a message", error)),
        }
    }

    pub(super) async fn store(&self, stored: &Stored) -> Result<(), EngineError> {
        let subject = self.key(stored.table, &stored.key);
        self.append(subject, stored.value.clone(), None, Some(stored.rule)).await.map(drop)
    }

    /// Tells the server something about a job that was given out, and waits until it knows.
    pub(super) async fn acknowledge(&self, ticket: &str, what: String) -> Result<(), EngineError> {
        let request = Request::new().payload(what.into()).timeout(Some(PATIENCE));
        self.client.send_request(ticket.to_owned(), request).await.map(drop).map_err(unreachable)
    }

    /// The last message of a subject.
    pub(super) async fn last(
        &self,
        stream: &stream::Stream<()>,
        subject: String,
    ) -> Result<Option<Entry>, EngineError> {
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => {
                let nanoseconds = message.time.unix_timestamp_nanos();
                Ok(Some(Entry {
                    key: key_of(&message.subject),
                    value: message.payload.to_vec(),
                    revision: message.sequence,
                    time: Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)),
                }))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreachable(error)),
        }
    }

    /// The last messages of many subjects, in their order.
    pub(super) async fn last_of_all(
        &self,
        stream: String,
        subjects: Vec<String>,
    ) -> Result<Vec<Option<Entry>>, EngineError> {
        let stream = &self.stream(stream).await?;
        let requests = subjects.into_iter().map(|subject| self.last(stream, subject));
        let answers: Vec<_> = streams::iter(requests).buffered(MOST_REQUESTS / 8).collect().await;
        answers.into_iter().collect()
    }

    /// A consumer of its own over the values of a bucket.
    pub(super) async fn scanner(
        &self,
        table: Table,
        prefix: &str,
    ) -> Result<Consumer<pull::Config>, EngineError> {
        let config = pull::Config {
            ack_policy: AckPolicy::None,
            deliver_policy: DeliverPolicy::All,
            filter_subject: self.key(table, &format!("{prefix}>")),
            inactive_threshold: Duration::from_secs(60),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let stream = self.stream(format!("KV_{}", self.bucket(table))).await?;
        stream.create_consumer(config).await.map_err(|error| meaning("a consumer", error))
    }

    /// The next values of a scan; none at its end.
    pub(super) async fn scan_on(&self, scanner: &Consumer<pull::Config>) -> Result<Vec<Entry>, EngineError> {
        let mut messages = scanner.fetch().max_messages(SCAN).messages().await.map_err(unreachable)?;
        let mut entries = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(unreachable)?;
            let info = message.info().map_err(unreachable)?;
            let nanoseconds = info.published.unix_timestamp_nanos();
            entries.push(Entry {
                key: key_of(&message.subject),
                value: message.payload.to_vec(),
                revision: info.stream_sequence,
                time: Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)),
            });
        }
        Ok(entries)
    }

    /// The number of messages of a stream.
    pub(super) async fn length(&self, stream: String) -> Result<u64, EngineError> {
        let info = self.stream(stream).await?.get_info().await;
        info.map(|info| info.state.messages).map_err(|error| meaning("the state of a stream", error))
    }
}

/// The key in a subject `$KV.BUCKET.KEY`; keys may have dots.
fn key_of(subject: &str) -> String {
    subject.splitn(3, '.').last().unwrap_or_default().to_owned()
}
