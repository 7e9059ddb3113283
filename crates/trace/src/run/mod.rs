//! A run: what a recording says, put together. Tasks with their times, parents and waits; what each track did
//! in between.

mod decode;
mod deque;
mod draft;
mod edges;
mod inbox;
mod mend;
mod tracks;
mod waiting;

use crate::format::{Damage, Facts, ReadError, Recording, TrackKind};
pub use crate::record::{Outcome, Source, WaitFor};

/// Nanoseconds since the first record.
pub type Nanos = u64;

/// A recording, put together.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// From the first record to the last.
    pub duration: Nanos,
    /// What the recording says of the pool.
    pub pool: Facts,
    /// The pool's statistics at the end.
    pub stats: Facts,
    /// Notes of the recorder.
    pub notes: Vec<String>,
    /// Texts of labels; place 0 is for tasks without.
    pub labels: Vec<String>,
    /// The tracks.
    pub tracks: Vec<Track>,
    /// All tasks; those of one track are in the order in which they began.
    pub tasks: Vec<Task>,
    /// Stretches of time in which interrupted tasks ran, in order for each task.
    pub fragments: Vec<Fragment>,
    /// Waits inside of tasks, in the order of their ends for each track.
    pub waits: Vec<Wait>,
    /// How many tasks waited in queues, whenever that changed.
    pub waiting: Vec<(Nanos, u32)>,
    /// How exact all this is.
    pub exactness: Exactness,
    /// Of which stretch of time this is, if it is only a part ([`part`](crate::analysis::part)).
    pub part: Option<(Nanos, Nanos)>,
}

/// What one thread did.
#[derive(Debug, Clone)]
pub struct Track {
    /// Its number in the recording.
    pub number: u32,
    /// Worker or outside.
    pub kind: TrackKind,
    /// Its name.
    pub name: String,
    /// From when on it is recorded.
    pub begin: Nanos,
    /// The last record.
    pub end: Nanos,
    /// What it did when no task ran, in order.
    pub gaps: Vec<Gap>,
    /// Samples of processor time, in order.
    pub cpu: Vec<Cpu>,
    /// Tasks that it submitted to the pool from outside.
    pub submitted: u64,
    /// From the first of these to the last.
    pub submitting: (Nanos, Nanos),
    /// Words that were overwritten or lost before they were written to the file.
    pub lost_words: u64,
    /// Tasks that it took from other workers.
    pub stolen: u64,
    /// Forks likewise.
    pub stolen_forks: u64,
    /// Forks that it made and that no other worker took.
    pub forks: u64,
    /// The core that the thread is pinned to.
    pub core: Option<u32>,
}

impl Track {
    /// The worker's number, if it is one.
    pub fn worker(&self) -> Option<u32> {
        match self.kind {
            TrackKind::Worker(index) => Some(index),
            TrackKind::Outside => None,
        }
    }
}

/// What a track does when no task runs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activity {
    /// The pool's own work: queues, joins.
    Own,
    /// Looking for a task, successfully.
    SearchFound,
    /// Looking for a task in vain.
    SearchNothing,
    /// Asleep for want of a task.
    Parked,
    /// Asleep because the pool is paused, or another thread acts in its place.
    Away,
    /// A task waits for a fork that another worker has taken, or for another task.
    Wait,
    /// A task blocks.
    Block,
    /// No thread, or nothing is known.
    Gone,
}

/// A stretch of time without a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// What the track did.
    pub activity: Activity,
    /// Its begin.
    pub begin: Nanos,
    /// Its end.
    pub end: Nanos,
}

/// A stretch of time in which an interrupted task ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The task.
    pub task: u32,
    /// Its begin.
    pub begin: Nanos,
    /// Its end.
    pub end: Nanos,
}

/// Processor time of a thread between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// The sample before.
    pub begin: Nanos,
    /// This sample.
    pub end: Nanos,
    /// Processor time between the two.
    pub used: Nanos,
    /// How often the thread gave the processor up.
    pub voluntary: u32,
    /// How often the kernel took it away.
    pub involuntary: u32,
}

/// Where a task comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parent {
    /// That is not known.
    Unknown,
    /// A task, by its place in [`Run::tasks`].
    Task(u32),
    /// A thread from outside, by its place in [`Run::tracks`].
    Thread(u32),
}

/// A task, or the second half of a join that another worker took.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The track that ran it, by its place in [`Run::tracks`].
    pub track: u32,
    /// Its place among the tasks that ended on the track.
    pub number: u64,
    /// Its begin.
    pub begin: Nanos,
    /// Its end.
    pub end: Nanos,
    /// How long it ran itself: without its waits, and what ran on top of it.
    pub own: Nanos,
    /// Its label, a place in [`Run::labels`].
    pub label: u16,
    /// How it came to be run.
    pub source: Source,
    /// How it ended.
    pub outcome: Outcome,
    /// How many tasks it interrupted.
    pub depth: u16,
    /// Where it comes from.
    pub parent: Parent,
    /// When it was submitted or forked; about then, if `is_submission_exact` is not set. Without a parent it
    /// is the begin.
    pub submitted: Nanos,
    /// Whether that time was recorded.
    pub is_submission_exact: bool,
    /// Whether its begin and end were recorded. Small tasks share looks at the clock.
    pub is_exact: bool,
    /// Whether the recording begins or ends within it.
    pub is_cut: bool,
    /// Whether no other worker may run it, as the tasks of a broadcast.
    pub is_bound: bool,
    /// The track from which it was stolen.
    pub victim: Option<u32>,
    /// Forks in it that no other worker took.
    pub forks: u32,
    /// Its first fragment in [`Run::fragments`] and how many there are; (0, 0) if it ran without
    /// interruption.
    pub fragments: (u32, u32),
}

impl Task {
    /// Whether it is a task that ran: not the place of another in a queue, nor one that never began.
    pub fn has_run(&self) -> bool {
        matches!(self.outcome, Outcome::Completed | Outcome::Failed | Outcome::Panicked)
    }

    /// Whether it is the second half of a join, or what a thread from outside does as a worker: neither is a
    /// task in the pool's statistics.
    pub fn is_fork(&self) -> bool {
        matches!(self.source, Source::Fork | Source::Lease)
    }

    /// From its begin to its end.
    pub fn duration(&self) -> Nanos {
        self.end - self.begin
    }
}

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// One task, by its place in [`Run::tasks`].
    Task(u32),
    /// All tasks that the waiting one has submitted.
    Children,
    /// That is not known.
    Unknown,
}

/// A wait.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// The track.
    pub track: u32,
    /// The task that waits; `None` for a thread from outside.
    pub task: Option<u32>,
    /// Its begin.
    pub begin: Nanos,
    /// Its end.
    pub end: Nanos,
    /// What kind of wait; `None` for the join of a fork.
    pub what: Option<WaitFor>,
    /// For what.
    pub on: Awaited,
}

/// How exact a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exactness {
    /// Tasks whose times were recorded.
    pub exact_times: u64,
    /// Tasks that share looks at the clock with others.
    pub shared_times: u64,
    /// Tasks whose parent is known.
    pub known_parents: u64,
    /// Tasks whose parent is not known.
    pub unknown_parents: u64,
    /// Tasks whose submission was recorded, among those with a known parent.
    pub exact_submissions: u64,
    /// Records that were overwritten or lost.
    pub lost_words: u64,
    /// Of that many tasks a part is outside of the recording.
    pub cut_tasks: u64,
    /// Edges that contradict their times; they were dropped.
    pub contradictions: u64,
}

impl Run {
    /// Puts a recording together.
    ///
    /// # Errors
    /// If a word of a track is no record: with its place in the file.
    pub fn new(recording: &Recording) -> Result<Run, ReadError> {
        let mut run = tracks::interpret(recording)?;
        edges::connect(&mut run);
        let mut run = run.run;
        run.waiting = waiting::depths(&run);
        run.measure_exactness();
        Ok(run)
    }

    /// Counts anew how exact the tasks are.
    pub(crate) fn measure_exactness(&mut self) {
        let exactness = &mut self.exactness;
        for task in self.tasks.iter().filter(|task| task.outcome != Outcome::Empty) {
            *(if task.is_exact { &mut exactness.exact_times } else { &mut exactness.shared_times }) += 1;
            match task.parent {
                Parent::Unknown => exactness.unknown_parents += 1,
                _ => {
                    exactness.known_parents += 1;
                    exactness.exact_submissions += u64::from(task.is_submission_exact);
                }
            }
            exactness.cut_tasks += u64::from(task.is_cut);
        }
        exactness.lost_words = self.tracks.iter().map(|track| track.lost_words).sum();
    }

    /// The workers' tracks, with their places.
    pub fn workers(&self) -> impl Iterator<Item = (usize, &Track)> {
        self.tracks.iter().enumerate().filter(|(_, track)| track.worker().is_some())
    }

    /// The text of a label.
    pub fn label(&self, label: u16) -> &str {
        self.labels.get(usize::from(label)).map_or("", String::as_str)
    }

    /// The stretches of time in which a task ran itself.
    pub fn fragments_of(&self, task: u32) -> impl Iterator<Item = (Nanos, Nanos)> + '_ {
        let this = &self.tasks[task as usize];
        let (first, count) = this.fragments;
        let whole = (count == 0).then_some((this.begin, this.end));
        let parts = &self.fragments[first as usize..(first + count) as usize];
        whole.into_iter().chain(parts.iter().map(|part| (part.begin, part.end)))
    }

    /// How long a task had run itself at some time.
    pub fn own_until(&self, task: u32, time: Nanos) -> Nanos {
        self.fragments_of(task).map(|(begin, end)| time.clamp(begin, end) - begin).sum()
    }

    /// From the first submission or begin of a task to the last end of one: what is called the run in
    /// reports. Of a part it is the part.
    pub fn window(&self) -> (Nanos, Nanos) {
        if let Some(part) = self.part {
            return part;
        }
        let begin = self.tasks.iter().map(|task| task.begin.min(task.submitted)).min();
        let end = self.tasks.iter().map(|task| task.end).max();
        (begin.unwrap_or(0), end.unwrap_or(self.duration))
    }

    fn word_error(track: u32, number: u64, offset: u64, why: &'static str) -> ReadError {
        ReadError::Damaged { offset, damage: Damage::Word { track, number, why } }
    }
}
