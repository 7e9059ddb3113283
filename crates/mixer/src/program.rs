//! What a random program consists of.

use serde::{Deserialize, Serialize};

/// A program: its pools, and the steps of each thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The pools.
    pub pools: Vec<PoolSpec>,
    /// The steps of each thread.
    pub threads: Vec<Vec<Step>>,
}

/// How a pool is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpec {
    /// Which kind of pool.
    pub kind: Kind,
    /// The smallest number of workers.
    pub min: usize,
    /// The largest number of workers.
    pub max: usize,
    /// How many tasks may wait.
    pub capacity: Option<usize>,
    /// How much tasks with a weight may weigh together.
    pub budget: Option<u64>,
}

/// The two kinds of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Push,
    Pull,
}

/// What happens to the handle of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Then {
    Join,
    JoinTimeout,
    Await,
    Cancel,
    Drop,
}

/// How a set of queued tasks is ended before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum EndBy {
    Handle,
    Token,
    Group,
    Deadline,
}

/// How a pool is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Shutdown {
    Drain,
    Now,
    Timeout,
}

/// One step of a thread or of a task. `pool` is the number of a pool, `body` has the steps of the task or of
/// each task.
#[allow(missing_docs, reason = "the fields are those of the call that the variant names")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A task with a handle, which is then treated as said.
    Submit { pool: usize, then: Then, body: Vec<Step> },
    /// A task with a handle, by asynchronous code.
    SubmitAsync { pool: usize, body: Vec<Step> },
    /// A task without a handle.
    Execute { pool: usize, body: Vec<Step> },
    /// A task that may be refused at once.
    TryExecute { pool: usize, body: Vec<Step> },
    /// Tasks that are submitted together and joined, the last first.
    Batch { pool: usize, tasks: usize, body: Vec<Step> },
    /// A task with conditions; `micros` is the time to its latest start.
    Conditions { pool: usize, weight: u64, micros: Option<u64>, cancels: bool, then: Then, body: Vec<Step> },
    /// A group that is joined.
    Group { pool: usize, tasks: usize, cancels: bool, body: Vec<Step> },
    /// Tasks of the lane of a pool, which are joined.
    Lane { pool: usize, tasks: usize, body: Vec<Step> },
    /// Tasks of pools, or of their lanes, in turn. Each runs the body, and then waits for the task before it,
    /// which another thread may have submitted as well as this one. The last is joined.
    Chain { pools: Vec<usize>, in_lanes: bool, tasks: usize, body: Vec<Step> },
    /// Two closures, possibly at the same time.
    Join { pool: usize, left: Vec<Step>, right: Vec<Step> },
    /// A scope with tasks.
    Scope { pool: usize, tasks: usize, body: Vec<Step> },
    /// A loop.
    ForEach { pool: usize, items: usize, body: Vec<Step> },
    /// A stream of results, of which `taken` are taken.
    Stream { pool: usize, items: usize, taken: usize, body: Vec<Step> },
    /// A stream whose first result one task takes, and whose rest another.
    StreamHandedOn { pool: usize, items: usize },
    /// A task on each worker.
    Broadcast { pool: usize },
    /// Runs another task of the pool, on top of this one.
    Yield,
    /// Many tasks that each run another one on top.
    YieldStorm { pool: usize, tasks: usize },
    /// Blocks, while a stand-in works.
    Blocking { body: Vec<Step> },
    /// Changes the number of workers.
    SetWorkers { pool: usize, workers: usize },
    /// Pauses the pool. Another thread resumes all pools from time to time.
    Pause { pool: usize },
    /// Discards the queued tasks.
    Purge { pool: usize },
    /// Panics.
    Panic,
    /// Uses the value of the worker.
    Local { pool: usize },
    /// Shuts the pool down.
    Shutdown { pool: usize, how: Shutdown },
    /// Fills a pool of one blocked worker, ends the queued tasks, and demands that nothing is left of them.
    EndQueued { kind: Kind, tasks: usize, by: EndBy },
}

impl Step {
    /// The name of its kind.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    /// The steps inside this one.
    pub fn bodies_mut(&mut self) -> Vec<&mut Vec<Step>> {
        match self {
            Step::Submit { body, .. }
            | Step::SubmitAsync { body, .. }
            | Step::Execute { body, .. }
            | Step::TryExecute { body, .. }
            | Step::Batch { body, .. }
            | Step::Conditions { body, .. }
            | Step::Group { body, .. }
            | Step::Lane { body, .. }
            | Step::Chain { body, .. }
            | Step::Scope { body, .. }
            | Step::ForEach { body, .. }
            | Step::Stream { body, .. }
            | Step::Blocking { body } => vec![body],
            Step::Join { left, right, .. } => vec![left, right],
            _ => Vec::new(),
        }
    }

    /// How many tasks or items there are, if there may be several.
    pub fn amount_mut(&mut self) -> Option<&mut usize> {
        match self {
            Step::Batch { tasks, .. }
            | Step::Group { tasks, .. }
            | Step::Lane { tasks, .. }
            | Step::Chain { tasks, .. }
            | Step::Scope { tasks, .. }
            | Step::YieldStorm { tasks, .. }
            | Step::EndQueued { tasks, .. }
            | Step::ForEach { items: tasks, .. }
            | Step::Stream { items: tasks, .. }
            | Step::StreamHandedOn { items: tasks, .. } => Some(tasks),
            _ => None,
        }
    }
}

impl Program {
    /// Removes all steps whose kind has one of these names, and the ends of handles with such a name.
    pub fn remove_kinds(&mut self, kinds: &[String]) {
        fn remove(steps: &mut Vec<Step>, kinds: &[String]) {
            steps.retain(|step| !kinds.contains(&step.kind()));
            for step in steps {
                if let Step::Submit { then, .. } | Step::Conditions { then, .. } = step
                    && kinds.contains(&format!("{then:?}"))
                {
                    *then = Then::Join;
                }
                step.bodies_mut().into_iter().for_each(|body| remove(body, kinds));
            }
        }
        self.threads.iter_mut().for_each(|steps| remove(steps, kinds));
    }

    /// The number of steps.
    pub fn size(&self) -> usize {
        fn size(steps: &[Step]) -> usize {
            steps
                .iter()
                .map(|step| 1 + step.clone().bodies_mut().iter().map(|body| size(body)).sum::<usize>())
                .sum()
        }
        self.threads.iter().map(|steps| size(steps)).sum()
    }
}
