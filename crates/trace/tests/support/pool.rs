//! The simulated pool: a deque, an inbox and an offer for each worker, stealing, sleeping, waking, waiting.
//!
//! Workers take turns: the one whose clock is behind makes the next step.

use std::collections::VecDeque;
use std::rc::Rc;

use longshore_trace::format::Facts;
use longshore_trace::record::{Outcome, Rest, Source, WaitFor, Wake};
use longshore_trace::recorder::{Begun, Manual, Precision, Recorder, Settings, Track};

use super::script::{Random, Script, Step};

/// What the pool's own work costs, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Costs {
    pub steal: u64,
    pub wake: u64,
    /// How long a worker searches before it sleeps.
    pub spin: u64,
    pub precision: Precision,
    pub ring_bytes: usize,
    /// Between two submissions from outside.
    pub submit: u64,
    /// The thread from outside submits so many in a row, and then pauses for so long.
    pub batch: (usize, u64),
    /// It waits for the pool in its pauses, and says so.
    pub waits_in_pauses: bool,
}

impl Default for Costs {
    fn default() -> Self {
        Costs {
            steal: 300,
            wake: 5_000,
            spin: 20_000,
            precision: Precision::Adaptive,
            ring_bytes: 1 << 22,
            submit: 50,
            batch: (usize::MAX, 0),
            waits_in_pauses: false,
        }
    }
}

impl Costs {
    /// When the thread from outside submits its task number `index`.
    fn submission(&self, index: usize) -> u64 {
        let (length, pause) = self.batch;
        index as u64 * self.submit + (index / length) as u64 * pause
    }
}

/// A task that was submitted.
#[derive(Debug)]
struct Instance {
    script: Rc<Script>,
    parent: Option<usize>,
    children: u32,
    /// The worker that waits for its children.
    waiter: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForkState {
    Private,
    Offered,
    Taken,
    Done,
}

#[derive(Debug)]
struct Fork {
    script: Rc<Script>,
    number: u32,
    state: ForkState,
    owner: usize,
}

#[derive(Debug)]
enum Level {
    Task(Option<Begun>, usize),
    Stolen(Option<Begun>, usize),
    Inline,
}

/// A script that runs.
#[derive(Debug)]
struct Frame {
    script: Rc<Script>,
    at: usize,
    level: Level,
    /// The instance whose children count.
    instance: usize,
    /// In a join: the fork, and how far it has come.
    join: Option<(usize, u8)>,
    is_waiting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Awake,
    Searching(u64),
    Parked,
    Blocked,
}

#[derive(Debug)]
struct Worker {
    track: Track<Manual>,
    time: u64,
    deque: VecDeque<usize>,
    inbox: VecDeque<(u64, usize)>,
    positions: u64,
    forks: Vec<usize>,
    frames: Vec<Frame>,
    state: State,
}

/// See the file's text.
#[derive(Debug)]
pub struct Pool {
    costs: Costs,
    pub recorder: Recorder,
    workers: Vec<Worker>,
    instances: Vec<Instance>,
    forks: Vec<Fork>,
    random: Random,
    ended: u64,
    alive: u64,
}

const TICKS: fn(u64) -> u64 = |nanos| nanos * 5 / 2 + 1_000_000;

impl Worker {
    fn track(&self) -> &Track<Manual> {
        self.track.clock().set(TICKS(self.time));
        &self.track
    }
}

impl Pool {
    pub fn new(workers: usize, costs: Costs) -> Pool {
        let facts =
            [("name", "simulated"), ("cores", &workers.to_string()), ("workers", &workers.to_string())];
        let facts: Facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = Settings {
            ring_bytes: costs.ring_bytes / workers.max(1),
            precision: costs.precision,
            file: None,
        };
        let recorder = Recorder::new(facts, settings).expect("no file");
        recorder.set_clock(&[(TICKS(0), 0), (TICKS(1_000_000_000), 1_000_000_000)]);
        let worker = |index| {
            let clock = Manual::default();
            clock.set(TICKS(0));
            Worker {
                track: recorder.worker_with(index, clock),
                time: 0,
                deque: VecDeque::new(),
                inbox: VecDeque::new(),
                positions: 8_100,
                forks: Vec::new(),
                frames: Vec::new(),
                state: State::Awake,
            }
        };
        let workers: Vec<_> = (0..workers).map(worker).collect();
        for (i, worker) in workers.iter().enumerate() {
            worker.track().starts(recorder.label(&format!("sim-{i}")), Some(i));
        }
        let (instances, forks) = (Vec::new(), Vec::new());
        Pool {
            costs,
            recorder,
            workers,
            instances,
            forks,
            random: Random(88172645463325252),
            ended: 0,
            alive: 0,
        }
    }

    /// Runs one script, submitted from outside at the beginning.
    pub fn run_one(self, script: &Rc<Script>) -> Vec<u8> {
        self.run_all(std::slice::from_ref(script))
    }

    /// Runs scripts that a thread from outside submits in turn to the inboxes. Returns the recording.
    pub fn run_all(mut self, scripts: &[Rc<Script>]) -> Vec<u8> {
        self.play(scripts);
        self.finish()
    }

    /// As `run_all`, but leaves the recording to the caller.
    pub fn play(&mut self, scripts: &[Rc<Script>]) {
        let clock = Manual::default();
        clock.set(TICKS(0));
        let track = self.recorder.outside_with(clock).expect("the first");
        track.starts(self.recorder.label("main"), None);
        let mut next = 0;
        loop {
            let submits_at = (next < scripts.len()).then(|| self.costs.submission(next));
            let runnable = |worker: &&Worker| !matches!(worker.state, State::Parked | State::Blocked);
            let first = self.workers.iter().filter(runnable).map(|worker| worker.time).min();
            match (submits_at, first) {
                (Some(time), first) if first.is_none_or(|first| time <= first) => {
                    if next > 0 && next % self.costs.batch.0 == 0 && self.costs.waits_in_pauses {
                        track.clock().set(TICKS(self.costs.submission(next - 1) + 10));
                        track.waits(WaitFor::Group);
                        track.clock().set(TICKS(time - 10));
                        track.resumed();
                    }
                    track.clock().set(TICKS(time));
                    self.submit(&track, &scripts[next], time);
                    next += 1;
                }
                (_, Some(time)) if self.alive > 0 || submits_at.is_some() => {
                    let index =
                        self.workers.iter().position(|w| w.time == time && runnable(&w)).expect("the first");
                    self.step(index);
                }
                (Some(_), None) => unreachable!("the first arm submits"),
                _ => break,
            }
        }
        assert_eq!(self.alive, 0, "all tasks end");
        for worker in self.workers.iter_mut().filter(|worker| worker.state == State::Awake) {
            worker.track().searches();
        }
    }

    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let stats = Facts::from([("ended".to_owned(), self.ended.to_string())]);
        self.recorder.write(&mut bytes, &stats).expect("memory");
        bytes
    }

    fn instance(&mut self, script: &Rc<Script>, parent: Option<usize>) -> usize {
        self.alive += 1;
        self.instances.push(Instance { script: script.clone(), parent, children: 0, waiter: None });
        if let Some(parent) = parent {
            self.instances[parent].children += 1;
        }
        self.instances.len() - 1
    }

    fn submit(&mut self, track: &Track<Manual>, script: &Rc<Script>, time: u64) {
        let instance = self.instance(script, None);
        let target = self.random.below(self.workers.len() as u64) as usize;
        let worker = &mut self.workers[target];
        track.submitted(target, worker.positions);
        worker.inbox.push_back((worker.positions, instance));
        worker.positions += 1;
        self.wake_one(time);
    }

    fn wake_one(&mut self, time: u64) {
        let is_idle = |worker: &&mut Worker| worker.state == State::Parked && worker.frames.is_empty();
        if self.workers.iter().any(|worker| matches!(worker.state, State::Searching(_))) {
            return;
        }
        if let Some(worker) = self.workers.iter_mut().find(is_idle) {
            worker.time = worker.time.max(time + self.costs.wake);
            worker.track().unparked(Wake::Chosen);
            worker.track().searches();
            worker.state = State::Searching(worker.time);
        }
    }

    fn begin(&mut self, index: usize, instance: usize, source: Source) {
        let worker = &mut self.workers[index];
        let begun = worker.track().begin(source);
        let script = self.instances[instance].script.clone();
        if !script.label.is_empty() {
            worker.track.label(self.recorder.label(script.label));
        }
        let level = Level::Task(Some(begun), instance);
        worker.frames.push(Frame { script, at: 0, level, instance, join: None, is_waiting: false });
        worker.state = State::Awake;
    }

    fn step(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let Some(frame) = worker.frames.last_mut() else { return self.look(index) };
        if let Some((fork, phase)) = frame.join {
            return self.go_on_with_join(index, fork, phase);
        }
        let Some(step) = frame.script.steps.get(frame.at).cloned() else { return self.end(index) };
        if let Step::Sync = step {
            return self.sync(index);
        }
        frame.at += 1;
        let instance = frame.instance;
        match step {
            Step::Work(nanos) => worker.time += nanos,
            Step::Block(nanos) => {
                worker.track().blocks();
                worker.time += nanos;
                worker.track().unblocked();
            }
            Step::Spawn(script) => {
                worker.track().spawned();
                let child = self.instance(&script, Some(instance));
                self.workers[index].deque.push_back(child);
                self.wake_one(self.workers[index].time);
            }
            Step::Join(a, b) => {
                let number = worker.track.forked();
                let fork = self.forks.len();
                worker.forks.push(fork);
                frame.join = Some((fork, 0));
                self.forks.push(Fork { script: b, number, state: ForkState::Private, owner: index });
                worker.frames.push(Frame {
                    script: a,
                    at: 0,
                    level: Level::Inline,
                    instance,
                    join: None,
                    is_waiting: false,
                });
                self.offer(index);
            }
            Step::Sync => {}
        }
    }

    /// Puts the oldest private fork on offer, if nothing is.
    fn offer(&mut self, index: usize) {
        if self.workers.len() == 1 {
            return;
        }
        let worker = &self.workers[index];
        if worker.forks.iter().any(|fork| self.forks[*fork].state == ForkState::Offered) {
            return;
        }
        if let Some(fork) = worker.forks.iter().find(|fork| self.forks[**fork].state == ForkState::Private) {
            self.forks[*fork].state = ForkState::Offered;
            worker.track().offered(0x1000 + fork * 64, Some(self.forks[*fork].number));
            self.wake_one(self.workers[index].time);
        }
    }

    fn go_on_with_join(&mut self, index: usize, fork: usize, phase: u8) {
        if phase == 0 {
            // The first half has ended.
            self.workers[index].forks.retain(|other| *other != fork);
            let is_back = matches!(self.forks[fork].state, ForkState::Private | ForkState::Offered);
            let worker = &mut self.workers[index];
            let frame = worker.frames.last_mut().expect("the join's");
            frame.join = if is_back { None } else { Some((fork, 1)) };
            let instance = frame.instance;
            if is_back {
                let script = self.forks[fork].script.clone();
                worker.frames.push(Frame {
                    script,
                    at: 0,
                    level: Level::Inline,
                    instance,
                    join: None,
                    is_waiting: false,
                });
            } else {
                worker.track().waits_for_fork(0x1000 + fork * 64);
            }
            return self.offer(index);
        }
        let worker = &mut self.workers[index];
        if self.forks[fork].state == ForkState::Done {
            worker.track().resumed();
            worker.frames.last_mut().expect("the join's").join = None;
        } else {
            worker.state = State::Blocked;
        }
    }

    fn sync(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let frame = worker.frames.last_mut().expect("a task that waits");
        let instance = frame.instance;
        if self.instances[instance].children == 0 {
            frame.at += 1;
            if std::mem::take(&mut frame.is_waiting) {
                worker.track().resumed();
            }
            return;
        }
        if !frame.is_waiting {
            frame.is_waiting = true;
            worker.track().waits(WaitFor::Scope);
        }
        match worker.deque.pop_back() {
            Some(child) => self.begin(index, child, Source::Deque),
            None => {
                worker.track().searches();
                worker.state = State::Blocked;
                self.instances[instance].waiter = Some(index);
            }
        }
    }

    fn end(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let frame = worker.frames.pop().expect("a frame that ends");
        let time = worker.time;
        match frame.level {
            Level::Inline => {}
            Level::Task(begun, instance) => {
                worker.track().end(begun.expect("once"), Outcome::Completed);
                (self.ended, self.alive) = (self.ended + 1, self.alive - 1);
                let Some(parent) = self.instances[instance].parent else { return };
                self.instances[parent].children -= 1;
                if self.instances[parent].children == 0
                    && let Some(waiter) = self.instances[parent].waiter.take()
                {
                    self.unblock(waiter, time);
                }
            }
            Level::Stolen(begun, fork) => {
                worker.track().end(begun.expect("once"), Outcome::Completed);
                self.forks[fork].state = ForkState::Done;
                let owner = self.forks[fork].owner;
                if self.workers[owner].state == State::Blocked {
                    self.unblock(owner, time);
                }
            }
        }
    }

    fn unblock(&mut self, index: usize, time: u64) {
        let worker = &mut self.workers[index];
        worker.state = State::Awake;
        worker.time = worker.time.max(time + self.costs.wake);
    }
}

#[path = "pool_search.rs"]
mod search;
