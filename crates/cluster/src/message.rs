//! What is stored at the broker: jobs, records of what became of them, notes about attempts, and what
//! workers say about themselves.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::JobId;

/// The version of all messages. A worker passes messages of another version to the dead letters.
pub const VERSION: u32 = 1;

/// The largest message of a job in bytes: messages carry references, never contents.
pub const LARGEST: usize = 64 << 10;

/// The longest error text that is stored, in characters.
const LONGEST_TEXT: usize = 2_000;

/// A unit of work that can be sent to another machine: any value that serde can write and read, with a name.
///
/// Doing a job twice must be the same as doing it once, because a worker that is cut off may have finished.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The job's name within its batch. [`JobId::of`] makes one of what the job does.
    fn id(&self) -> JobId;
}

/// A job on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope<J> {
    /// The version.
    pub v: u32,
    pub id: JobId,
    pub job: J,
}

/// The part of an envelope that every version has.
#[derive(Debug, Deserialize)]
struct Version {
    v: u32,
}

/// Reads the message of a job.
pub(crate) fn open<J: Job>(payload: &[u8]) -> Result<Envelope<J>, String> {
    if payload.len() > LARGEST {
        return Err(format!("the message has {} bytes, more than {LARGEST}", payload.len()));
    }
    let Version { v } = serde_json::from_slice(payload).map_err(|error| format!("no message: {error}"))?;
    if v != VERSION {
        return Err(format!("a message of version {v}, which this program does not know"));
    }
    serde_json::from_slice(payload).map_err(|error| format!("a message without a job: {error}"))
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is done.
    Done,
    /// It cannot be done: it is a dead letter.
    Dead,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the record.
    pub v: u32,
    /// The job's name.
    pub id: String,
    /// How it ended.
    pub state: State,
    /// Why it is a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The worker that ended it.
    pub worker: String,
    /// The thread of that worker, from 0.
    #[serde(default)]
    pub thread: usize,
    /// Seconds for which it ran. The broker's clock tells when it ended; the clock of a worker may be wrong.
    pub seconds: f64,
    /// Seconds between its arrival at the worker and its start.
    #[serde(default)]
    pub waited: f64,
    /// Bytes that it made, as its handler says.
    #[serde(default)]
    pub bytes: u64,
    /// How often it was begun.
    pub attempts: u32,
    /// The message of a dead letter, so that it can be sent again; text that JSON can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What is known about the attempts at a job that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// How often it was begun.
    pub attempts: u32,
    /// How often a worker refused it: too heavy, a full disk.
    #[serde(default)]
    pub refusals: u32,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The worker that wrote the note.
    pub worker: String,
    /// Seconds until the broker gives it out again, from the moment of the note.
    #[serde(default)]
    pub delay: f64,
}

/// What a worker says about itself every few seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// Its name.
    pub worker: String,
    /// Threads of its pool.
    pub threads: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait in its pool.
    pub waiting: usize,
    /// Jobs that it has done.
    pub done: u64,
    /// Jobs that it has made dead letters.
    pub dead: u64,
    /// Jobs that it has given back, to be tried again.
    pub returned: u64,
    /// Jobs whose lease it has lost.
    pub lost: u64,
    /// Bytes that its jobs have made.
    pub bytes: u64,
    /// Seconds since its start.
    pub up: f64,
    /// Seconds for which its threads were busy with jobs that have ended, added up.
    pub busy: f64,
    /// Bytes of jobs that it takes at a time; `None` if it has no budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Why it takes no jobs at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Whether it has ended in good order.
    #[serde(default)]
    pub has_ended: bool,
    /// Some of the jobs that it has, with the seconds for which they run; 0 for those that wait.
    #[serde(default)]
    pub jobs: Vec<(String, f64)>,
}

/// What is stored about a batch as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Info {
    pub v: u32,
    /// Jobs that were published.
    pub total: u64,
    /// Whether all of them were.
    pub is_published: bool,
    /// Counts the calls that publish: part of the mark by which the broker knows a repeated message.
    pub generation: u32,
}

/// A text short enough to be stored.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// The delay before the next attempt: 1 s, 2 s, 4 s and so on, at most one minute.
pub(crate) fn delay(first: Duration, attempts: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(60);
    first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page(u32);

    impl Job for Page {
        fn id(&self) -> JobId {
            JobId::of(&self.0.to_le_bytes())
        }
    }

    #[test]
    fn messages_that_cannot_be_read_say_why() {
        let whole =
            serde_json::to_vec(&Envelope { v: VERSION, id: Page(7).id(), job: Page(7) }).expect("JSON");
        assert_eq!(open::<Page>(&whole).expect("a message").job, Page(7));
        let large = vec![b' '; LARGEST + 1];
        let cases: [(&[u8], &str); 6] = [
            (b"", "no message"),
            (b"\xff\x00garbage", "no message"),
            (b"{\"v\":2,\"id\":\"a\",\"job\":7}", "version 2"),
            (b"{\"v\":1,\"id\":\"a\",\"job\":\"text\"}", "without a job"),
            (b"{\"v\":1,\"id\":\"../a\",\"job\":7}", "../a"),
            (&large, "65537 bytes"),
        ];
        for (message, text) in cases {
            let error = open::<Page>(message).expect_err("it cannot be read");
            assert!(error.contains(text), "{error}");
        }
        // Nested beyond what the reader allows: an error, no overflow of the stack.
        assert!(open::<Page>("[".repeat(LARGEST).as_bytes()).is_err());
    }

    #[test]
    fn delays_grow_to_a_limit() {
        let first = Duration::from_secs(1);
        let all: Vec<_> = (1..9).map(|attempts| delay(first, attempts).as_secs()).collect();
        assert_eq!(all, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(delay(first, u32::MAX).as_secs(), 60);
    }
}
