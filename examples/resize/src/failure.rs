//! Why an image is not resized.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// Why an image is not resized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of it.
    pub kind: Kind,
    /// A sentence for the user that names what is wrong.
    pub text: String,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The source cannot be read.
    Unreadable,
    /// The source is no image, or one of a format that is not read.
    Unsupported,
    /// The source is damaged.
    Damaged,
    /// The image is larger than a limit allows.
    TooLarge,
    /// The output cannot be written.
    Unwritable,
    /// The job contradicts itself: an output that two sources have, or that is a source.
    Conflict,
    /// A codec has failed in a way that it should not.
    Internal,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, text: impl Into<String>) -> Failure {
        Failure { kind, text: text.into() }
    }

    /// The source cannot be read.
    pub fn unreadable(error: &io::Error) -> Failure {
        Failure::new(Kind::Unreadable, error.to_string())
    }

    /// A codec refuses the source.
    pub fn damaged(error: impl fmt::Display) -> Failure {
        Failure::new(Kind::Damaged, error.to_string())
    }

    /// The source uses something that is not supported.
    pub fn unsupported(what: impl Into<String>) -> Failure {
        Failure::new(Kind::Unsupported, what)
    }

    /// A codec fails on what this program has made itself.
    pub fn internal(error: impl fmt::Display) -> Failure {
        Failure::new(Kind::Internal, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
