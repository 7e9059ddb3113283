//! The jobs that a worker has, under one lock. The puller adds them, the tasks of the pool begin and end
//! them, the keeper renews their leases, the settler takes what was decided about them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use longshore::CancelToken;

use crate::batch::note_key;
use crate::engine::{Delivery, Rule, Settlement, Stored, Table, Ticket, Verb};
use crate::handler::{Fault, Finished};
use crate::message::{Beat, LARGEST, Note, Record, State, VERSION};
use crate::worker::verdict::{Rules, Verdict};

/// Settlements that the settler takes at a time: a round trip for each alone would be the limit of the rate.
pub(crate) const BLOCK: usize = 64;
/// The longest pause after a fault of the machine.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Jobs that a worker names when it says how it does.
const MOST_NAMES: usize = 100;

/// The jobs of a worker.
#[derive(Debug)]
pub(crate) struct Desk {
    rules: Rules,
    lease: Duration,
    state: Mutex<Held>,
    /// Notified at every change.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    jobs: BTreeMap<u64, InHand>,
    next: u64,
    decided: VecDeque<u64>,
    sums: Sums,
    pause: Option<Pause>,
    /// Jobs that ran beyond the limit, and whose handlers have not returned.
    stuck: usize,
    is_closed: bool,
}

/// Sums over the jobs that have left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub done: u64,
    pub dead: u64,
    pub returned: u64,
    pub lost: u64,
    pub bytes: u64,
    pub busy: f64,
    /// Jobs whose ends the broker has refused to take.
    pub refused: usize,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    reason: String,
    faults: u32,
}

#[derive(Debug)]
struct InHand {
    ticket: Ticket,
    key: String,
    message: Vec<u8>,
    weight: u64,
    note: Note,
    token: CancelToken,
    arrived: Instant,
    /// When the lease was begun the last time, as far as it is certain.
    renewed: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    Running {
        since: Instant,
    },
    /// Decided, and not yet known to the broker.
    Decided(Box<Settlement>),
}

/// How many jobs a worker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub waiting: usize,
    pub running: usize,
    pub decided: usize,
    /// Of those that wait and run.
    pub weight: u64,
    pub stuck: usize,
}

impl Desk {
    pub fn new(rules: Rules, lease: Duration) -> Desk {
        Desk { rules, lease, state: Mutex::default(), changed: Condvar::new() }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No code of a user runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for at most `time`.
    pub fn wait(&self, time: Duration) {
        let held = self.lock();
        drop(self.changed.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the token is cancelled or the time has passed; returns whether it was cancelled.
    pub fn wait_unless(&self, time: Duration, token: &CancelToken) -> bool {
        let deadline = Instant::now() + time;
        let mut held = self.lock();
        while !token.is_cancelled() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            held = self.changed.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Adds a job that was asked for at `asked`, which is when its lease began at the earliest.
    pub fn add(&self, delivery: Delivery, asked: Instant) -> u64 {
        let Delivery { ticket, key, message, .. } = delivery;
        let job = InHand {
            ticket,
            key,
            message,
            weight: 0,
            note: Note::default(),
            token: CancelToken::new(),
            arrived: Instant::now(),
            renewed: asked,
            stage: Stage::Waiting,
        };
        let mut held = self.lock();
        let serial = held.next;
        held.next += 1;
        held.jobs.insert(serial, job);
        serial
    }

    /// What is known about a job before it is begun. The name is that of its message.
    pub fn describe(&self, serial: u64, key: &str, weight: u64, note: Note) {
        if let Some(job) = self.lock().jobs.get_mut(&serial) {
            (job.key, job.weight, job.note) = (key.into(), weight, note);
        }
    }

    pub fn is_held(&self, serial: u64) -> bool {
        self.lock().jobs.get(&serial).is_some_and(|job| job.is_held(self.lease))
    }

    /// Begins a job; the number of the attempt and the token of the job. `None` if it has gone meanwhile.
    pub fn begin(&self, serial: u64) -> Option<(u32, CancelToken)> {
        let mut held = self.lock();
        let job = held.jobs.get_mut(&serial)?;
        if !matches!(job.stage, Stage::Waiting) {
            return None;
        }
        if !job.is_held(self.lease) {
            held.jobs.remove(&serial);
            held.sums.lost += 1;
            self.changed.notify_all();
            return None;
        }
        job.stage = Stage::Running { since: Instant::now() };
        job.note.attempts += 1;
        Some((job.note.attempts, job.token.clone()))
    }

    /// Ends a job that was begun.
    pub fn end(&self, serial: u64, thread: usize, result: Result<Finished, Fault>) {
        let mut held = self.lock();
        let running = held.jobs.get(&serial).filter(|job| matches!(job.stage, Stage::Running { .. }));
        match running.map(|job| job.note.clone()) {
            Some(note) => {
                held.blame_the_machine(&result, self.rules.delay);
                held.decide(serial, thread, self.rules.after(result, &note), &self.rules);
            }
            // It ran beyond the limit, which was decided about.
            _ => held.stuck = held.stuck.saturating_sub(1),
        }
        self.changed.notify_all();
    }

    /// Decides about a job that was not begun.
    pub fn decide(&self, serial: u64, verdict: Verdict) {
        let mut held = self.lock();
        if held.jobs.get(&serial).is_some_and(|job| matches!(job.stage, Stage::Waiting)) {
            held.decide(serial, 0, verdict, &self.rules);
        }
        self.changed.notify_all();
    }

    /// Hands a job back if it was not begun.
    pub fn hand_back(&self, serial: u64) {
        let note = match self.lock().jobs.get(&serial) {
            Some(job) if matches!(job.stage, Stage::Waiting) => job.note.clone(),
            _ => return,
        };
        self.decide(serial, self.rules.handed_back(&note));
    }

    /// Hands back everything that was not begun.
    pub fn hand_all_back(&self) {
        let all: Vec<_> = self.lock().jobs.keys().copied().collect();
        all.into_iter().for_each(|serial| self.hand_back(serial));
    }

    /// Makes dead letters of the jobs that have run for longer than the limit.
    pub fn end_overdue(&self, limit: Duration) {
        let mut held = self.lock();
        let is_overdue = |job: &InHand| match job.stage {
            Stage::Running { since } => since.elapsed() > limit,
            _ => false,
        };
        let overdue: Vec<_> =
            held.jobs.iter().filter(|(_, job)| is_overdue(job)).map(|(serial, _)| *serial).collect();
        for serial in overdue {
            let text =
                format!("it ran for longer than {:.1} s, the limit of this worker", limit.as_secs_f64());
            let token = held.jobs[&serial].token.clone();
            held.decide(serial, 0, Verdict::Dead(text), &self.rules);
            held.stuck += 1;
            token.cancel();
        }
        self.changed.notify_all();
    }

    /// The tickets of all leases.
    pub fn tickets(&self) -> Vec<(u64, Ticket)> {
        self.lock().jobs.iter().map(|(serial, job)| (*serial, job.ticket.clone())).collect()
    }

    /// The leases of these jobs were begun anew at `since` at the earliest.
    pub fn renewed(&self, serials: impl Iterator<Item = u64>, since: Instant) {
        let mut held = self.lock();
        for serial in serials {
            if let Some(job) = held.jobs.get_mut(&serial)
                // A lease that has run out may be another worker's: nothing brings it back.
                && job.is_held(self.lease)
            {
                job.renewed = since;
            }
        }
    }

    pub fn load(&self) -> Load {
        let held = self.lock();
        let mut load = Load { stuck: held.stuck, ..Load::default() };
        for job in held.jobs.values() {
            match job.stage {
                Stage::Waiting => load.waiting += 1,
                Stage::Running { .. } => load.running += 1,
                Stage::Decided(_) => load.decided += 1,
            }
            load.weight += if matches!(job.stage, Stage::Decided(_)) { 0 } else { job.weight };
        }
        load
    }

    /// How long the worker takes no jobs, and how many it may take then: one, after a fault of the machine.
    pub fn pause(&self) -> (Duration, usize) {
        match &self.lock().pause {
            Some(pause) => (pause.until.saturating_duration_since(Instant::now()), 1),
            None => (Duration::ZERO, usize::MAX),
        }
    }

    pub fn sums(&self) -> Sums {
        self.lock().sums
    }

    /// What is decided and not yet known to the broker; waits for it for at most `time`. `None` when the desk
    /// is closed and nothing is left.
    pub fn decided(&self, time: Duration) -> Option<Vec<(u64, Settlement)>> {
        let mut held = self.lock();
        if held.decided.is_empty() && !held.is_closed {
            held = self.changed.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner).0;
        }
        if held.decided.is_empty() && held.is_closed {
            return None;
        }
        let count = held.decided.len().min(BLOCK);
        let serials: Vec<_> = held.decided.drain(..count).collect();
        let mut block = Vec::with_capacity(count);
        for serial in serials {
            let Some(InHand { stage: Stage::Decided(settlement), .. }) = held.jobs.get(&serial) else {
                continue;
            };
            // What another worker may have meanwhile is its to decide; only that it is done stays true.
            let is_done = settlement.verb == Verb::Remove
                && settlement.record.as_ref().is_some_and(|stored| stored.table == Table::Done);
            if is_done || held.jobs[&serial].is_held(self.lease) {
                block.push((serial, (**settlement).clone()));
            } else {
                held.jobs.remove(&serial);
                held.sums.lost += 1;
            }
        }
        Some(block)
    }

    /// The broker knows what was decided about these jobs.
    pub fn settled(&self, serials: impl Iterator<Item = u64>) {
        let mut held = self.lock();
        serials.for_each(|serial| _ = held.jobs.remove(&serial));
        self.changed.notify_all();
    }

    /// The broker refuses to hear of the ends of these jobs, and would refuse again.
    pub fn refused(&self, serials: impl Iterator<Item = u64>) {
        let mut held = self.lock();
        serials.for_each(|serial| held.sums.refused += usize::from(held.jobs.remove(&serial).is_some()));
        self.changed.notify_all();
    }

    /// The broker does not know it yet.
    pub fn unsettled(&self, serials: impl Iterator<Item = u64>) {
        self.lock().decided.extend(serials);
    }

    /// No job comes any more. The settler ends when all are settled.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// What the worker says about itself.
    pub fn beat(&self) -> Beat {
        let load = self.load();
        let held = self.lock();
        let seconds = |job: &InHand| match job.stage {
            Stage::Running { since } => since.elapsed().as_secs_f64(),
            _ => 0.0,
        };
        let jobs = held.jobs.values().filter(|job| !matches!(job.stage, Stage::Decided(_)));
        let Sums { done, dead, returned, lost, bytes, busy, .. } = held.sums;
        Beat {
            worker: self.rules.worker.clone(),
            running: load.running,
            waiting: load.waiting,
            done,
            dead,
            returned,
            lost,
            bytes,
            busy,
            paused: held.pause.as_ref().map(|pause| pause.reason.clone()),
            jobs: jobs.take(MOST_NAMES).map(|job| (job.key.clone(), seconds(job))).collect(),
            ..Beat::default()
        }
    }
}

impl InHand {
    fn is_held(&self, lease: Duration) -> bool {
        self.renewed.elapsed() < lease
    }
}

impl Held {
    /// A fault of the machine begins a pause, longer each time; a success ends it.
    fn blame_the_machine(&mut self, result: &Result<Finished, Fault>, first: Duration) {
        match result {
            Err(Fault::Machine(reason)) => {
                let faults = self.pause.as_ref().map_or(1, |pause| pause.faults.saturating_add(1));
                let time = first.saturating_mul(1 << (faults - 1).min(16)).min(LONGEST_PAUSE);
                self.pause = Some(Pause { until: Instant::now() + time, reason: reason.clone(), faults });
            }
            Ok(_) => self.pause = None,
            Err(_) => {}
        }
    }

    fn decide(&mut self, serial: u64, thread: usize, verdict: Verdict, rules: &Rules) {
        let Some(job) = self.jobs.get_mut(&serial) else { return };
        let seconds = match job.stage {
            Stage::Running { since } => since.elapsed().as_secs_f64(),
            _ => 0.0,
        };
        self.sums.busy += seconds;
        let record = Record {
            v: VERSION,
            id: job.key.clone(),
            state: State::Done,
            error: None,
            worker: rules.worker.clone(),
            thread,
            seconds,
            waited: (job.arrived.elapsed().as_secs_f64() - seconds).max(0.0),
            bytes: 0,
            attempts: job.note.attempts,
            message: None,
        };
        let (table, key, value, verb) = match verdict {
            Verdict::Leave => {
                self.sums.lost += 1;
                self.jobs.remove(&serial);
                return;
            }
            Verdict::Done(Finished { bytes }) => {
                self.sums.done += 1;
                self.sums.bytes += bytes;
                let value = serde_json::to_vec(&Record { bytes, ..record });
                (Table::Done, job.key.clone(), value, Verb::Remove)
            }
            Verdict::Dead(error) => {
                self.sums.dead += 1;
                let message = std::mem::take(&mut job.message);
                let message = String::from_utf8(message).ok().filter(|message| message.len() <= LARGEST);
                let record = Record { state: State::Dead, error: Some(error), message, ..record };
                (Table::Dead, job.key.clone(), serde_json::to_vec(&record), Verb::Remove)
            }
            Verdict::Return(note, delay) => {
                self.sums.returned += 1;
                (Table::Meta, note_key(&job.key), serde_json::to_vec(&note), Verb::Return(delay))
            }
        };
        let rule = if table == Table::Done { Rule::KeepFirst } else { Rule::Replace };
        // Numbers, and texts that were made here: they can be written.
        let record = value.ok().map(|value| Stored { table, key, value, rule });
        job.stage = Stage::Decided(Box::new(Settlement { ticket: job.ticket.clone(), record, verb }));
        self.decided.push_back(serial);
    }
}
