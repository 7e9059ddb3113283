//! What a run says: where the time went, work and span, red flags, and how it differs from another.

mod burden;
mod curve;
mod diff;
mod flags;
mod labels;
mod parked;
mod parse;
mod part;
mod producer;
mod report;
mod span;
mod time;

use crate::run::{Nanos, Run};
use crate::sorted;

pub use burden::Burden;
pub use curve::{CORES, Curve, Point};
pub use diff::{Diff, LabelChange};
pub use flags::{Flag, FlagKind};
pub use labels::LabelTime;
pub use parked::{Sleep, sleeps};
pub use parse::{TimeError, TimeFault, parse_time};
pub use part::{PartError, part, part_window};
pub use report::{number, share, time as format_time};
pub use span::{PathPart, Span};
pub use time::{CLASSES, Class, Times, WorkerTimes};
pub(crate) use time::{is_blocked, missing};

/// All of it.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// From the first submission to the last end.
    pub window: (Nanos, Nanos),
    /// If it is only about a part: from the first submission to the last end of the whole run, and the part.
    pub part: Option<((Nanos, Nanos), (Nanos, Nanos))>,
    /// Workers that there were at a time, on average.
    pub workers: f64,
    /// Tasks that ran, halves of joins that other workers took among them.
    pub tasks: u64,
    /// Where the time of each worker went.
    pub times: Vec<WorkerTimes>,
    /// The same for all together.
    pub total: Times,
    /// When workers slept while tasks waited.
    pub sleeps: Vec<Sleep>,
    /// Work, span and the longest chain.
    pub span: Span,
    /// What it costs to have another worker run a task.
    pub burden: Burden,
    /// The expected speed-up.
    pub curve: Curve,
    /// The labels, by time.
    pub labels: Vec<LabelTime>,
    /// Tasks that took longest, the longest first: places in [`Run::tasks`].
    pub slowest: Vec<u32>,
    /// What is wrong.
    pub flags: Vec<Flag>,
}

/// Rows of the table of slowest tasks.
const SLOWEST: usize = 20;

impl Analysis {
    /// Looks at a run.
    pub fn new(run: &Run) -> Analysis {
        Analysis::of_part(run, run)
    }

    /// Looks at a [`part`] of a run. Which sleep was the pool's fault, and what a step to another worker
    /// costs, is seen from the whole run.
    pub fn of_part(whole: &Run, run: &Run) -> Analysis {
        let window = run.window();
        let sleeps = parked::within(sleeps(whole), window);
        let times = time::worker_times(run, &sleeps, window);
        let total = times.iter().fold(Times::default(), |sum, worker| sum.plus(&worker.times));
        let length = (window.1 - window.0).max(1);
        let workers = total.sum() as f64 / length as f64;
        let burden = Burden::measure(whole);
        let span = Span::measure(run, burden.nanos);
        let curve = Curve::new(&span, workers, length);
        let has_run = |i: &u32| run.tasks[*i as usize].has_run();
        let tasks = run.tasks.iter().filter(|task| task.has_run()).count() as u64;
        let order = sorted::order(run.tasks.len(), |i| (u64::MAX - run.tasks[i as usize].own, 0));
        let slowest = order.into_iter().filter(has_run).take(SLOWEST).collect();
        let labels = labels::labels(run);
        let mut analysis = Analysis {
            window,
            part: run.part.map(|part| (whole.window(), part)),
            workers,
            tasks,
            times,
            total,
            sleeps,
            span,
            burden,
            curve,
            labels,
            slowest,
            flags: Vec::new(),
        };
        analysis.flags = flags::flags(run, &analysis);
        analysis
    }

    /// The length of the run.
    pub fn length(&self) -> Nanos {
        self.window.1 - self.window.0
    }

    /// How long the run would have taken if no worker had ever been idle.
    pub fn without_idleness(&self) -> Nanos {
        let busy =
            self.total.get(Class::Running) + self.total.get(Class::Own) + self.total.get(Class::SearchFound);
        (busy as f64 / self.workers.max(1e-9)) as Nanos
    }
}
