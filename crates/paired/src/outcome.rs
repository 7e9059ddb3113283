//! What one measurement ends in, and the line of JSON in which a child tells its parent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The figures of one measurement by the key of their metric.
pub type Values = BTreeMap<String, f64>;

/// Why a measurement has no figures.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The competitor does not offer what the row measures.
    NotOffered,
    /// A task was lost, ran twice or returned something else than it should.
    Wrong(String),
}

/// What a row's function returns.
pub type Outcome = Result<Values, Failure>;

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
            Ok(values) => Self::Ok { values },
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

/// Figures from pairs of key and value.
pub fn values<const N: usize>(pairs: [(&str, f64); N]) -> Outcome {
    Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
