//! What one measurement ends in.

use std::collections::BTreeMap;
use std::time::Duration;

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

/// One pass over a workload, every result of which was right.
#[derive(Clone, Debug)]
pub struct Pass {
    /// How long the work took; without what only prepares or checks it.
    pub elapsed: Duration,
    /// What the row says of it.
    pub values: Values,
}

/// How a pass ended.
pub type Outcome = Result<Pass, Failure>;

/// A workload that is ready: the pool is there, and one pass over it has gone by untimed (threads started,
/// heap grown, code paged in).
pub struct Prepared {
    /// The tasks of a pass.
    pub tasks: u64,
    /// Does it once and measures.
    pub pass: Box<dyn FnMut() -> Outcome>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

/// A workload that is ready, or why it cannot be.
pub type Ready = Result<Prepared, Failure>;

/// Makes ready what warms itself up.
pub fn ready(tasks: u64, pass: impl FnMut() -> Outcome + 'static) -> Ready {
    Ok(Prepared { tasks, pass: Box::new(pass) })
}

/// Makes ready by a first pass whose figures are not used.
pub fn warmed(tasks: u64, mut pass: impl FnMut() -> Outcome + 'static) -> Ready {
    pass()?;
    ready(tasks, pass)
}

/// A pass of which the row says nothing but its time for each task, in nanoseconds, as `ns`.
pub fn per_task(elapsed: Duration, tasks: u64) -> Outcome {
    figures(elapsed, [("ns", elapsed.as_nanos() as f64 / tasks as f64)])
}

/// A pass with these figures by their keys.
pub fn figures<const N: usize>(elapsed: Duration, pairs: [(&str, f64); N]) -> Outcome {
    let values = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Pass { elapsed, values })
}
