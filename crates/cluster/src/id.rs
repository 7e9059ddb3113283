//! The name of a job: text that can be part of a subject and a key of a table of the broker.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in bytes. Subjects of a broker are bounded, and the name is one part of a subject.
const LONGEST: usize = 64;

/// Names a job within its batch, or a batch on its broker: 1 to 64 letters, digits, `-` and `_`.
///
/// Two jobs with the same name are the same job: it is done once.
///
/// ```
/// use longshore_cluster::JobId;
///
/// let id: JobId = "page-7".parse()?;
/// assert_eq!(id.as_str(), "page-7");
/// assert!("page 7".parse::<JobId>().is_err());
/// assert_eq!(JobId::of(b"the same job"), JobId::of(b"the same job"));
/// # Ok::<(), longshore_cluster::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Why a text is no name. The message names the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError(String);

impl JobId {
    /// A name made of everything that decides what the job does, for example its source and its options: 32
    /// hexadecimal digits (FNV-1a of 128 bits, the same on every machine and in every version).
    pub fn of(content: &[u8]) -> JobId {
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let hash = content.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
        JobId(format!("{hash:032x}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<JobId, IdError> {
        JobId::try_from(text.to_owned())
    }
}

impl TryFrom<String> for JobId {
    type Error = IdError;

    fn try_from(text: String) -> Result<JobId, IdError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain) {
            true => Ok(JobId(text)),
            false => Err(IdError(text.chars().take(2 * LONGEST).collect())),
        }
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> String {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no name: 1 to {LONGEST} letters, digits, '-' and '_'", self.0)
    }
}

impl Error for IdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for text in ["a", "A-b_9", &"x".repeat(64)] {
            assert_eq!(text.parse::<JobId>().expect("a name").as_str(), text);
        }
        for text in ["", "a.b", "a b", "*", ">", "ä", "a/b", &"x".repeat(65)] {
            let error = text.parse::<JobId>().expect_err("no name");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert!(serde_json::from_str::<JobId>("\"a.b\"").is_err());
    }

    #[test]
    fn names_of_contents_are_the_same_everywhere() {
        // The test vectors of the algorithm.
        assert_eq!(JobId::of(b"").as_str(), "6c62272e07bb014262b821756295c58d");
        assert_eq!(JobId::of(b"a").as_str(), "d228cb696f1a8caf78912b704e4a8964");
        assert_ne!(JobId::of(b"ab"), JobId::of(b"ba"));
    }
}
