//! One upload on its way from the request to its row.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::store::{WriteError, Written};

/// What names a content.
pub type Hash = [u8; blake3::OUT_LEN];

/// What becomes of an upload that was accepted.
pub type Answer = Result<Written, WriteError>;

/// What an upload takes of a server of bounded capacity, until it is stored.
pub type Place = Option<OwnedSemaphorePermit>;

/// An upload with the place where its request waits for the answer.
#[derive(Debug)]
pub struct Upload {
    pub name: String,
    /// Two uploads with the same key are one.
    pub key: Option<String>,
    pub body: Bytes,
    pub reply: oneshot::Sender<Answer>,
    pub place: Place,
}

/// An upload that only has to be written.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub key: Option<String>,
    pub body: Bytes,
    pub hash: Hash,
    pub reply: oneshot::Sender<Answer>,
    pub place: Place,
}

impl Upload {
    /// The part of the work that keeps a processor busy.
    pub fn digest(self, rounds: u32) -> Row {
        let hash = digest(&self.body, rounds);
        let Upload { name, key, body, reply, place } = self;
        Row { name, key, body, hash, reply, place }
    }
}

/// Hashes the content so many times, each time together with the hash before.
pub fn digest(body: &[u8], rounds: u32) -> Hash {
    let mut hash = Hash::default();
    for _ in 0..rounds {
        hash = *blake3::Hasher::new().update(&hash).update(body).finalize().as_bytes();
    }
    hash
}
