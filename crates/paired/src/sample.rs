//! How one measurement ended, and the line of JSON in which a child tells its parent.

use longshore_rivals::outcome::{Failure, Outcome, Values};
use serde::{Deserialize, Serialize};

/// How one measurement ended, as the parent records it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum Sample {
    /// It ran, and every result was right.
    Ok {
        /// The figures.
        values: Values,
    },
    /// The competitor does not offer this.
    NotOffered,
    /// A task was lost, doubled or returned the wrong value.
    Wrong {
        /// What was wrong.
        message: String,
    },
    /// The child panicked, was killed by a signal or said nothing.
    Failed {
        /// Its exit status and the end of its standard error.
        message: String,
    },
    /// The child was still running at its deadline and was killed.
    Hung {
        /// The deadline.
        seconds: u64,
    },
}

impl From<Outcome> for Sample {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(pass) => Self::Ok { values: pass.values },
            Err(Failure::NotOffered) => Self::NotOffered,
            Err(Failure::Wrong(message)) => Self::Wrong { message },
        }
    }
}

impl Sample {
    /// The figure of one metric, if there is one.
    pub fn value(&self, key: &str) -> Option<f64> {
        match self {
            Self::Ok { values } => values.get(key).copied(),
            _ => None,
        }
    }

    /// One word for a table's cell, if there are no figures.
    pub fn trouble(&self) -> Option<&'static str> {
        match self {
            Self::Ok { .. } => None,
            Self::NotOffered => Some("-"),
            Self::Wrong { .. } => Some("WRONG"),
            Self::Failed { .. } => Some("failed"),
            Self::Hung { .. } => Some("hung"),
        }
    }
}
