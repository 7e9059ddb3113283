//! Interprets the records of each track: tasks, gaps, waits, and what was put into and taken from queues.
//!
//! A task that begins right where the one before ended has no record of its begin, and small tasks share a
//! time. So there are tasks whose begin is known (on the stack), tasks that have ended at an unknown time
//! (*pending*), and at most one of which only the effects are known yet (*forming*). The next record with a
//! time settles them.

use super::decode::{Event, Item, Open, Scale, decode, is_stamped};
use super::draft::{Draft, From, Log, Offer, Op, Put, SpawnTime, Submit, Take};
use super::{Activity, Awaited, Cpu, Gap, Nanos, Parent, Task, Track, Wait};
use crate::format::{ReadError, Recording, TrackKind};
use crate::record::{EndArg, InboxArg, Kind, Outcome, Place, PlaceArg, Rest, Source, TaskRef, WaitFor};

/// What is on a track, from the bottom up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame {
    /// A task that goes on running (if nothing is above it) since some time.
    Task(u32, Nanos),
    Wait(u32),
    Block,
}

/// A task that has ended at an unknown time; since when it runs, if that is known.
#[derive(Debug, Clone, Copy)]
struct Pending(u32, Option<Nanos>);

/// About how long a small task takes, if nothing else is known.
const SMALL: Nanos = 100;
/// Small tasks that share a look at the clock take at most this, each.
const LARGE: Nanos = 4_000;

/// Interprets all tracks.
pub fn interpret(recording: &Recording) -> Result<Draft, ReadError> {
    let mut draft = Draft::default();
    let run = &mut draft.run;
    (run.pool, run.stats, run.notes) =
        (recording.pool.clone(), recording.stats.clone(), recording.notes.clone());
    let most = recording.labels.keys().copied().max().unwrap_or(0);
    run.labels = (0..=most).map(|i| recording.labels.get(&i).cloned().unwrap_or_default()).collect();
    let (mut first, mut last) = (u64::MAX, 0);
    for track in &recording.tracks {
        decode(track, |item| {
            let (Item::Begin { ticks, .. } | Item::Event(Event { ticks, .. })) = item;
            (first, last) = (first.min(ticks), last.max(ticks));
            Ok(())
        })?;
    }
    let scale = Scale::new(&recording.clock, first);
    let end = scale.nanos(last);
    for track in &recording.tracks {
        let index = draft.run.tracks.len() as u32;
        draft.run.tracks.push(empty_track(track.number, track.kind));
        draft.logs.push(Log::default());
        let mut interpreter = Interpreter::new(&mut draft, index, scale);
        decode(track, |item| interpreter.take(item))?;
        interpreter.close_at(end);
    }
    draft.run.duration = end;
    Ok(draft)
}

fn empty_track(number: u32, kind: TrackKind) -> Track {
    Track {
        number,
        kind,
        name: match kind {
            TrackKind::Worker(index) => format!("worker {index}"),
            TrackKind::Outside => format!("thread {number}"),
        },
        begin: 0,
        end: 0,
        gaps: Vec::new(),
        cpu: Vec::new(),
        submitted: 0,
        submitting: (0, 0),
        lost_words: 0,
        stolen: 0,
        stolen_forks: 0,
        forks: 0,
        core: None,
    }
}

/// One track, being interpreted.
pub(super) struct Interpreter<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) track: u32,
    scale: Scale,
    is_worker: bool,
    /// The last record with a time.
    pub(super) now: Nanos,
    pub(super) stack: Vec<Frame>,
    /// What it does if nothing is on the stack.
    doing: Activity,
    forming: Option<u32>,
    pending: Vec<Pending>,
    /// About how long tasks took that shared the last look at the clock.
    typical: Nanos,
    /// The last take, until a task has come of it.
    last_take: Option<u32>,
    /// Submissions without a time.
    untimed: Vec<u32>,
    /// Steps of the deque without a time, since the last record that has one.
    untimed_spawns: Vec<usize>,
    last_wait: Option<u32>,
    ended: u64,
    cpu: Option<(Nanos, u64)>,
    /// Forks so far.
    forks: u64,
}

impl<'a> Interpreter<'a> {
    fn new(draft: &'a mut Draft, track: u32, scale: Scale) -> Self {
        let is_worker = draft.run.tracks[track as usize].worker().is_some();
        Interpreter {
            draft,
            track,
            scale,
            is_worker,
            now: 0,
            stack: Vec::new(),
            doing: Activity::Gone,
            forming: None,
            pending: Vec::new(),
            typical: SMALL,
            last_take: None,
            untimed: Vec::new(),
            untimed_spawns: Vec::new(),
            last_wait: None,
            ended: 0,
            cpu: None,
            forks: 0,
        }
    }

    fn this(&mut self) -> &mut Track {
        &mut self.draft.run.tracks[self.track as usize]
    }

    fn log(&mut self) -> &mut Log {
        &mut self.draft.logs[self.track as usize]
    }

    fn task(&mut self, task: u32) -> &mut Task {
        &mut self.draft.run.tasks[task as usize]
    }

    fn take(&mut self, item: Item) -> Result<(), &'static str> {
        match item {
            Item::Begin { ticks, lost, ended, open } => {
                self.begin_anew(self.scale.nanos(ticks).max(self.now), lost, ended, open);
                Ok(())
            }
            Item::Event(event) => {
                let time = self.scale.nanos(event.ticks).max(self.now);
                self.event(event, time)?;
                if is_stamped(event.kind) {
                    self.now = time;
                    self.note_forks();
                }
                Ok(())
            }
        }
    }

    /// Notes how many forks there were until now.
    fn note_forks(&mut self) {
        let (now, forks) = (self.now, self.forks);
        let points = &mut self.log().forks;
        if points.last().is_none_or(|(_, before)| *before != forks) {
            points.push((now, forks));
        }
    }

    fn begin_anew(&mut self, time: Nanos, lost: u64, ended: u64, open: Open) {
        let is_first = self.log().ops.is_empty() && self.now == 0;
        self.close();
        if is_first {
            self.this().begin = time;
        } else {
            self.gap(Activity::Gone, time);
        }
        if lost > 0 {
            self.this().lost_words += lost;
            self.log().ops.push(Op::Lost);
        }
        (self.now, self.ended) = (time, ended);
        self.doing = if self.is_worker { Activity::Own } else { Activity::Gone };
        let tasks = open.tasks(self.is_worker);
        for (i, waits) in tasks.iter().enumerate() {
            let task = self.new_task(time);
            self.task(task).is_cut = true;
            self.stack.push(Frame::Task(task, time));
            if *waits || i + 1 < tasks.len() {
                self.run_until(task, time, time, true); // it is not what runs now
            }
            if *waits {
                self.open_wait(Some(task), time, None);
            }
        }
    }

    /// Something that is on the stack waits from now on.
    pub(super) fn open_wait(&mut self, task: Option<u32>, begin: Nanos, what: Option<WaitFor>) -> u32 {
        let on = match what {
            Some(WaitFor::Scope | WaitFor::Group) => Awaited::Children,
            _ => Awaited::Unknown,
        };
        let wait = self.draft.run.waits.len() as u32;
        self.draft.run.waits.push(Wait { track: self.track, task, begin, end: begin, what, on });
        self.stack.push(Frame::Wait(wait));
        wait
    }

    /// The recording ends: what a worker did last goes on until then.
    fn close_at(&mut self, end: Nanos) {
        let is_open = !self.stack.is_empty() || self.doing != Activity::Gone;
        let some = self.now + self.typical * self.pending.len() as u64;
        if !self.pending.is_empty() {
            self.settle(some.min(end), false);
            self.now = some.min(end);
        }
        if self.is_worker && is_open && end > self.now {
            self.advance(end);
            self.now = end;
        }
        self.close();
    }

    /// Ends what is open, at the last known time.
    fn close(&mut self) {
        let now = self.now;
        self.settle(now, false);
        if let Some(task) = self.forming.take() {
            self.task(task).begin = now;
            self.cut(task);
        }
        self.advance(now);
        if let Some(Frame::Task(task, since)) = self.stack.last().copied() {
            self.run_until(task, since, now, false);
        }
        while let Some(frame) = self.stack.pop() {
            match frame {
                Frame::Task(task, _) => self.cut(task),
                Frame::Wait(wait) => self.draft.run.waits[wait as usize].end = now,
                Frame::Block => {}
            }
        }
        (self.last_take, self.last_wait, self.cpu) = (None, None, None);
        self.this().end = now;
    }

    fn cut(&mut self, task: u32) {
        let now = self.now;
        let task = self.task(task);
        (task.end, task.is_cut, task.is_exact) = (now, true, false);
    }

    /// A task of which nothing is known but perhaps its begin.
    pub(super) fn new_task(&mut self, begin: Nanos) -> u32 {
        let task = Task {
            track: self.track,
            number: u64::MAX,
            begin,
            end: begin,
            own: 0,
            label: 0,
            source: Source::Unknown,
            outcome: Outcome::Completed,
            depth: self.stack.iter().filter(|frame| matches!(frame, Frame::Task(..))).count() as u16,
            parent: self.beneath(),
            submitted: begin,
            is_submission_exact: true,
            is_exact: true,
            is_cut: false,
            is_bound: false,
            victim: None,
            forks: 0,
            fragments: (0, 0),
        };
        self.draft.run.tasks.push(task);
        let index = self.draft.run.tasks.len() as u32 - 1;
        self.log().ops.push(Op::Begin(index));
        if let Some(take) = self.last_take {
            self.draft.heads.push((index, take));
        }
        index
    }

    /// Nothing runs until `time`.
    pub(super) fn gap(&mut self, activity: Activity, time: Nanos) {
        let begin = self.now;
        if time <= begin {
            return;
        }
        let gaps = &mut self.this().gaps;
        match gaps.last_mut() {
            Some(last) if last.activity == activity && last.end == begin => last.end = time,
            _ => gaps.push(Gap { activity, begin, end: time }),
        }
    }

    /// Accounts for the time until `time`, if no task runs.
    pub(super) fn advance(&mut self, time: Nanos) {
        match self.stack.last() {
            Some(Frame::Task(..)) => {}
            Some(Frame::Wait(_)) => self.gap(Activity::Wait, time),
            Some(Frame::Block) => self.gap(Activity::Block, time),
            None => self.gap(self.doing, time),
        }
    }

    /// A task ran from `since` until `time`; then it is interrupted, or ends.
    pub(super) fn run_until(&mut self, task: u32, since: Nanos, time: Nanos, is_interrupted: bool) {
        let this = self.task(task);
        this.own += time - since;
        if is_interrupted || this.fragments.1 > 0 {
            this.fragments.1 += 1;
            self.draft.run.fragments.push(super::Fragment { task, begin: since, end: time });
        }
    }

    /// Gives the time since the last look at the clock to the tasks that share it: those that are pending,
    /// and the present one if it is among them. Returns the begin of the present one.
    fn settle(&mut self, time: Nanos, with_current: bool) -> Nanos {
        let count = self.pending.len() as u64 + u64::from(with_current);
        let (mut cursor, total) = (self.now, time - self.now);
        if self.pending.is_empty() {
            return cursor;
        }
        let even = total / count;
        let each = if even <= LARGE { even } else { self.typical.min(even) };
        let pending = std::mem::take(&mut self.pending);
        let last = pending.len() - 1;
        for (i, Pending(task, since)) in pending.into_iter().enumerate() {
            let end = if i == last && !with_current { time } else { cursor + each };
            self.end_at(task, since, cursor, end);
            cursor = end;
        }
        self.typical = each.max(1);
        cursor
    }

    fn end_at(&mut self, task: u32, since: Option<Nanos>, cursor: Nanos, end: Nanos) {
        let this = self.task(task);
        (this.end, this.is_exact) = (end, false);
        match since {
            Some(since) => self.run_until(task, since, end, false),
            None => {
                this.begin = cursor;
                this.own = end - cursor;
                this.submitted = cursor;
            }
        }
    }

    /// Whether a task may run here of which no record says that it has begun.
    pub(super) fn may_form(&self) -> bool {
        match self.stack.last() {
            None => self.is_worker,
            Some(frame) => matches!(frame, Frame::Wait(_)),
        }
    }

    /// What is on the track: the topmost task, or the thread.
    pub(super) fn beneath(&self) -> Parent {
        let task = |frame: &Frame| if let Frame::Task(task, _) = frame { Some(*task) } else { None };
        match self.stack.iter().rev().find_map(task) {
            Some(task) => Parent::Task(task),
            None if self.is_worker => Parent::Unknown,
            None => Parent::Thread(self.track),
        }
    }

    /// The task at hand, which may only now be seen to run, or the thread.
    pub(super) fn current(&mut self, time: Nanos) -> Parent {
        if !self.may_form() {
            return self.beneath();
        }
        let is_exact = self.pending.is_empty();
        let begin = self.settle(time, true);
        let task = self.formed();
        let this = self.task(task);
        (this.begin, this.end, this.submitted, this.is_exact) = (begin, begin, begin, is_exact);
        self.stack.push(Frame::Task(task, begin));
        Parent::Task(task)
    }

    /// The task that is forming, which is no longer, or a new one.
    pub(super) fn formed(&mut self) -> u32 {
        let now = self.now;
        let task = self.forming.take().unwrap_or_else(|| self.new_task(now));
        self.last_take = None;
        task
    }

    /// The task at hand, as the parent of what it submits, before the next look at the clock.
    fn parent(&mut self) -> Parent {
        if !self.may_form() {
            return self.beneath();
        }
        let task = self.formed();
        self.forming = Some(task);
        Parent::Task(task)
    }
}

#[path = "tracks_events.rs"]
mod events;

#[cfg(test)]
pub(super) fn test_task(source: Source) -> Task {
    let mut draft = Draft::default();
    draft.run.tracks.push(empty_track(0, TrackKind::Worker(0)));
    draft.logs.push(Log::default());
    let task = Interpreter::new(&mut draft, 0, Scale::new(&[], 0)).new_task(0);
    Task { source, ..draft.run.tasks[task as usize] }
}
