//! Work and span of a parallel run.
//!
//! The run is a graph: tasks, with edges from a submission to the task that was submitted, and from the end
//! of a task to the task that waited for it. *Work* is what all tasks took. *Span* is the longest chain
//! through the graph; no number of workers makes the run shorter (Blumofe and Leiserson, "Scheduling
//! Multithreaded Computations by Work Stealing", 1999). A thread from outside is part of a chain while it
//! submits, because the pool cannot be faster than that; it is not part of the work.
//!
//! # Forks that no thief took
//! They are counted, not recorded. A stretch of `w` nanoseconds with `n` of them is taken to be a balanced
//! tree of `2n + 1` equal nodes, whose longest path has `log2(n + 1) + 1` of them. [`Span::at_most`] takes
//! them to be one after the other.

use std::collections::HashMap;

use crate::run::{Awaited, Nanos, Parent, Run, WaitFor};
use crate::sorted;

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// T1: what all tasks took.
    pub work: Nanos,
    /// T-infinity: the longest chain.
    pub span: Nanos,
    /// The longest chain if forks that no thief took are no parallelism.
    pub at_most: Nanos,
    /// The longest chain with the burden at each step from one task to another.
    pub burdened: Nanos,
    /// The longest chain by label, those that take most first.
    pub path: Vec<PathPart>,
    /// Its tasks in order, the last first: places in [`Run::tasks`], and how much of the chain each is. At
    /// most 10,000.
    pub steps: Vec<(u32, Nanos)>,
}

/// What a label, or a thread from outside, has in the longest chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathPart {
    /// The label; empty for tasks without. A thread's name in brackets.
    pub label: String,
    /// How many tasks.
    pub tasks: u64,
    /// How long.
    pub time: Nanos,
}

/// Steps of the longest chain that are kept.
pub const MOST_STEPS: usize = 10_000;

impl Span {
    /// T1 / T-infinity.
    pub fn parallelism(&self) -> f64 {
        self.work as f64 / self.span.max(1) as f64
    }

    /// T1 / burdened T-infinity.
    pub fn burdened_parallelism(&self) -> f64 {
        self.work as f64 / self.burdened.max(1) as f64
    }

    /// Measures them.
    pub fn measure(run: &Run, burden: Nanos) -> Span {
        let work = run.tasks.iter().filter(|task| task.has_run()).map(|task| task.own).sum();
        let steps = Step::all(run);
        let mut chains = Chains::new(run, Forks::Balanced, 0);
        let last = chains.follow(&steps);
        let (path, tasks) = chains.path(last);
        let span = chains.end[last.unwrap_or(0) as usize];
        let has_forks = run.tasks.iter().any(|task| task.forks > 0);
        let at_most = if has_forks { Chains::longest(run, &steps, Forks::Serial, 0) } else { span };
        let burdened = Chains::longest(run, &steps, Forks::Balanced, burden);
        Span { work, span, at_most: at_most.max(span), burdened: burdened.max(span), path, steps: tasks }
    }
}

/// What forks that no thief took are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forks {
    Balanced,
    Serial,
}

impl Forks {
    /// The longest path through a stretch.
    fn path(self, nanos: Nanos, forks: f64) -> Nanos {
        if self == Forks::Serial || forks < 1.0 {
            return nanos;
        }
        let part = ((forks + 1.0).log2() + 1.0) / (2.0 * forks + 1.0);
        (nanos as f64 * part.min(1.0)) as Nanos
    }
}

/// What happens to a node at some time; in this order if at the same time.
#[derive(Debug, Clone, Copy)]
enum Step {
    End(u32),
    Resume(u32),
    Begin(u32),
}

impl Step {
    fn all(run: &Run) -> Vec<(Nanos, Step)> {
        let mut steps = Vec::with_capacity(run.tasks.len() * 2 + run.waits.len());
        for (i, task) in run.tasks.iter().enumerate() {
            steps.push((task.begin, Step::Begin(i as u32)));
            if task.end > task.begin {
                steps.push((task.end, Step::End(i as u32)));
            }
        }
        steps.extend(run.waits.iter().enumerate().map(|(i, wait)| (wait.end, Step::Resume(i as u32))));
        // Of tasks that end at the same time the younger may be what the older has waited for.
        let order = |step: Step| match step {
            Step::End(task) => END - run.tasks[task as usize].begin,
            Step::Resume(_) => END + 1,
            Step::Begin(_) => END + 2,
        };
        sorted::by_key(&steps, |(time, step)| (*time, order(*step)))
    }
}

/// A point from which the chain of a node is known.
#[derive(Debug, Clone, Copy)]
struct Known {
    time: Nanos,
    chain: Nanos,
    via: Via,
}

/// Where a chain comes from.
#[derive(Debug, Clone, Copy)]
enum Via {
    /// This is the begin of the node.
    Begin,
    /// The node itself, which had waited from then on for what was there sooner.
    Itself(Nanos),
    /// The end of this task, which the node had waited for.
    End(u32),
}

/// Later than all times.
const END: u64 = 1 << 60;
/// So many ancestors may have begun too late.
const MOST_AHEAD: u32 = 16;
const NONE: u32 = u32::MAX;

/// The longest chains to each node. Nodes are the tasks, then the tracks (as threads from outside).
struct Chains<'a> {
    run: &'a Run,
    forks: Forks,
    burden: Nanos,
    begin: Vec<Nanos>,
    has_begun: Vec<bool>,
    end: Vec<Nanos>,
    /// After waits, by node and then by time: the first wait of each node, in `known`.
    waits: HashMap<u32, Vec<Known>>,
    has_resumed: Vec<bool>,
    /// Waits that end with their task.
    last_waits: HashMap<u32, Vec<u32>>,
    /// Of the children of each node that have ended, the one with the longest chain.
    child: Vec<u32>,
}

impl<'a> Chains<'a> {
    fn new(run: &'a Run, forks: Forks, burden: Nanos) -> Self {
        let nodes = run.tasks.len() + run.tracks.len();
        let mut last_waits: HashMap<u32, Vec<u32>> = HashMap::new();
        for (i, wait) in run.waits.iter().enumerate() {
            if let Some(task) = wait.task.filter(|task| run.tasks[*task as usize].end <= wait.end) {
                last_waits.entry(task).or_default().push(i as u32);
            }
        }
        Chains {
            run,
            forks,
            burden,
            begin: vec![0; nodes],
            has_begun: vec![false; nodes],
            end: vec![0; nodes.max(1)],
            waits: HashMap::new(),
            has_resumed: vec![false; run.waits.len()],
            last_waits,
            child: vec![NONE; nodes],
        }
    }

    fn longest(run: &'a Run, steps: &[(Nanos, Step)], forks: Forks, burden: Nanos) -> Nanos {
        let mut chains = Chains::new(run, forks, burden);
        let last = chains.follow(steps);
        last.map_or(0, |last| chains.end[last as usize])
    }

    fn thread(&self, track: u32) -> u32 {
        self.run.tasks.len() as u32 + track
    }

    /// The node that a task comes from, and when.
    fn origin(&self, task: u32) -> Option<(u32, Nanos)> {
        let this = &self.run.tasks[task as usize];
        match this.parent {
            Parent::Unknown => None,
            Parent::Task(parent) => Some((parent, this.submitted)),
            Parent::Thread(track) => Some((self.thread(track), this.submitted)),
        }
    }

    /// Goes through all steps. Returns the task at the end of the longest chain.
    fn follow(&mut self, steps: &[(Nanos, Step)]) -> Option<u32> {
        for (time, step) in steps {
            match *step {
                Step::Begin(task) => {
                    self.begins(task, MOST_AHEAD);
                    if self.run.tasks[task as usize].end <= *time {
                        self.ends(task);
                    }
                }
                Step::End(task) => self.ends(task),
                Step::Resume(wait) => self.resumes(wait),
            }
        }
        (0..self.run.tasks.len() as u32).max_by_key(|task| self.end[*task as usize])
    }

    /// A task begins; and so does its parent, should its begin have been estimated too late.
    fn begins(&mut self, task: u32, ahead: u32) {
        if std::mem::replace(&mut self.has_begun[task as usize], true) {
            return;
        }
        let origin = self.origin(task);
        if let Some((parent, _)) = origin {
            if (parent as usize) < self.run.tasks.len() && ahead > 0 {
                self.begins(parent, ahead - 1);
            }
        }
        let burden = self.burden;
        self.begin[task as usize] = origin.map_or(0, |(from, time)| self.chain(from, time) + burden);
    }

    fn ends(&mut self, task: u32) {
        for wait in self.last_waits.remove(&task).unwrap_or_default() {
            self.resumes(wait);
        }
        let chain = self.chain(task, self.run.tasks[task as usize].end);
        self.end[task as usize] = chain;
        if let Some((parent, _)) = self.origin(task) {
            let before = self.child[parent as usize];
            if before == NONE || self.end[before as usize] < chain {
                self.child[parent as usize] = task;
            }
        }
    }

    fn resumes(&mut self, wait: u32) {
        if std::mem::replace(&mut self.has_resumed[wait as usize], true) {
            return;
        }
        let wait = self.run.waits[wait as usize];
        let node = wait.task.unwrap_or(self.thread(wait.track));
        let own = self.chain(node, wait.begin);
        let child = Some(self.child[node as usize]).filter(|child| *child != NONE);
        let awaited = match (wait.on, wait.what) {
            (Awaited::Task(task), _) => Some(task),
            (_, Some(WaitFor::Permit | WaitFor::Other)) => None,
            (Awaited::Children | Awaited::Unknown, _) => child,
        };
        let through = awaited.map(|task| (task, self.end[task as usize] + self.burden));
        let known = match through {
            Some((task, chain)) if chain > own => Known { time: wait.end, chain, via: Via::End(task) },
            _ => Known {
                time: wait.end,
                chain: own,
                via: Via::Itself(wait.begin.min(wait.end.saturating_sub(1))),
            },
        };
        self.waits.entry(node).or_default().push(known);
    }

    /// The last point up to `time` from which the chain of a node is known.
    fn known(&self, node: u32, time: Nanos) -> Known {
        let after_wait = self.waits.get(&node).and_then(|waits| {
            let after = waits.partition_point(|known| known.time <= time);
            after.checked_sub(1).map(|last| waits[last])
        });
        after_wait.unwrap_or_else(|| {
            let begin = match self.run.tasks.get(node as usize) {
                Some(task) => task.begin,
                None => self.run.tracks[node as usize - self.run.tasks.len()].submitting.0,
            };
            Known { time: begin, chain: self.begin[node as usize], via: Via::Begin }
        })
    }

    /// The longest chain to a node at some time.
    fn chain(&self, node: u32, time: Nanos) -> Nanos {
        let known = self.known(node, time);
        known.chain + self.stretch(node, known.time, time)
    }

    /// How long a node has run itself between two times.
    fn stretch(&self, node: u32, from: Nanos, to: Nanos) -> Nanos {
        let to = to.max(from);
        let Some(task) = self.run.tasks.get(node as usize) else { return to - from };
        let own = if task.fragments.1 == 0 {
            to.clamp(task.begin, task.end) - from.clamp(task.begin, task.end)
        } else {
            self.run.own_until(node, to) - self.run.own_until(node, from)
        };
        if task.forks == 0 {
            return own;
        }
        self.forks.path(own, f64::from(task.forks) * own as f64 / task.own.max(1) as f64)
    }

    /// The longest chain backwards: by label, and its tasks.
    fn path(&self, last: Option<u32>) -> (Vec<PathPart>, Vec<(u32, Nanos)>) {
        let mut parts: std::collections::BTreeMap<String, PathPart> = std::collections::BTreeMap::new();
        let mut steps = Vec::new();
        let mut at = last.map(|task| (task, self.run.tasks[task as usize].end));
        // A chain visits a node again after each of its waits at most.
        let most = self.begin.len() + self.run.waits.len() + 1;
        for _ in 0..most {
            let Some((node, time)) = at else { break };
            let known = self.known(node, time);
            let spent = self.stretch(node, known.time, time);
            let name = match self.run.tasks.get(node as usize) {
                Some(task) => {
                    if steps.len() < MOST_STEPS {
                        steps.push((node, spent));
                    }
                    self.run.label(task.label).to_owned()
                }
                None => format!("[{}]", self.run.tracks[node as usize - self.run.tasks.len()].name),
            };
            let part = parts.entry(name.clone()).or_insert(PathPart { label: name, ..PathPart::default() });
            (part.tasks, part.time) = (part.tasks + 1, part.time + spent);
            at = match known.via {
                Via::End(task) => Some((task, self.run.tasks[task as usize].end)),
                Via::Itself(begin) => Some((node, begin)),
                Via::Begin if (node as usize) < self.run.tasks.len() => self.origin(node),
                Via::Begin => None,
            };
        }
        let parts: Vec<_> = parts.into_values().collect();
        (sorted::by_key(&parts, |part| (u64::MAX - part.time, 0)), steps)
    }
}
