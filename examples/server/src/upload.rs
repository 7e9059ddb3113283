//! One upload on its way from the request to its row.

use bytes::Bytes;
use tokio::sync::oneshot;

/// What names a content.
pub type Hash = [u8; blake3::OUT_LEN];

/// What becomes of an upload that was accepted: the number of its row, or what the database said.
pub type Stored = Result<i64, String>;

/// An upload with the place where its request waits for the answer.
#[derive(Debug)]
pub struct Upload {
    pub name: String,
    pub body: Bytes,
    pub reply: oneshot::Sender<Stored>,
}

/// An upload that only has to be written.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    pub body: Bytes,
    pub hash: Hash,
    pub reply: oneshot::Sender<Stored>,
}

impl Upload {
    /// The part of the work that keeps a processor busy.
    pub fn digest(self, rounds: u32) -> Row {
        let hash = digest(&self.body, rounds);
        Row { name: self.name, body: self.body, hash, reply: self.reply }
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
