//! Pulls jobs from the broker and hands them to the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore::{AnyPool, OnFull, SubmitErrorKind};

use super::{End, Ended, Worker};
use crate::batch::{Batch, json, note_key, read};
use crate::engine::{Delivery, EngineError, EngineErrorKind, Table};
use crate::handler::{Context, Fault, Finished};
use crate::id::JobId;
use crate::message::{self, Envelope, Job, Note};
use crate::worker::desk::{BLOCK, Desk};
use crate::worker::verdict::Verdict;

/// How long the broker is asked to wait for a job if there is none.
const WAIT: Duration = Duration::from_millis(500);
/// How long the puller waits for a change at its own desk.
const TURN: Duration = Duration::from_millis(100);

pub(super) struct Puller<'a, 'p, J, P, H> {
    pub worker: &'a Worker<'p, J, P, H>,
    pub batch: &'a Batch<J>,
    pub desk: &'a Arc<Desk>,
    /// Whether the user was told that the broker is out of reach.
    pub complained: bool,
    /// Shared with every job in the pool.
    pub in_pool: Arc<()>,
}

/// What is to be done with a job before it is begun.
enum Entry<J> {
    Begin {
        job: J,
        weight: u64,
        /// No other job is to begin before it ends.
        alone: bool,
    },
    Verdict(Verdict),
}

impl<J, P, H> Puller<'_, '_, J, P, H>
where
    J: Job,
    P: AnyPool,
    H: Fn(J, &Context) -> Result<Finished, Fault> + Send + Sync + 'static,
{
    /// Pulls until the batch is complete or the worker is to stop.
    pub fn pull(mut self) -> Ended {
        loop {
            if self.is_stopped() {
                return Ended::Stopped;
            }
            if self.desk.load().stuck >= self.worker.pool.workers() {
                return Ended::Stuck;
            }
            match self.wanted() {
                0 => self.desk.wait(TURN),
                wanted => {
                    let asked = Instant::now();
                    let fetched = self.batch.engine().fetch(wanted, WAIT);
                    if let Some(ended) = self.take(fetched, asked) {
                        return ended;
                    }
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.worker.options.stop.is_cancelled()
    }

    /// As many jobs as there are free threads, and one more.
    fn wanted(&self) -> usize {
        let load = self.desk.load();
        let (pause, most) = self.desk.pause();
        // Ends that the broker does not know yet: it is slow, and more jobs would be more of them.
        if load.decided >= BLOCK || !pause.is_zero() {
            return 0;
        }
        let places = self.worker.pool.workers() + 1;
        let taken = load.waiting + load.running + load.stuck;
        let places = if most == 1 { 1 } else { places };
        places.saturating_sub(taken)
    }

    fn take(&mut self, fetched: Result<Vec<Delivery>, EngineError>, asked: Instant) -> Option<Ended> {
        let deliveries = match fetched {
            Ok(deliveries) => deliveries,
            Err(error) if error.kind() == EngineErrorKind::Denied => {
                (self.worker.tell)(&error.to_string());
                return Some(Ended::Denied);
            }
            Err(error) => {
                if !self.complained {
                    (self.worker.tell)(&format!("{error}; trying again"));
                    self.complained = true;
                }
                self.desk.wait_unless(TURN, &self.worker.options.stop);
                return self.ended();
            }
        };
        if self.complained {
            (self.worker.tell)("the broker answers again");
            self.complained = false;
        }
        if deliveries.is_empty() {
            return self.ended();
        }
        // All of them first: from then on their leases are renewed.
        let added: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| (self.desk.add(delivery.clone(), asked), delivery))
            .collect();
        for (serial, delivery) in added {
            self.enter(serial, delivery);
        }
        None
    }

    /// Whether there is nothing more to do.
    fn ended(&self) -> Option<Ended> {
        let load = self.desk.load();
        let is_idle = load.waiting + load.running + load.decided == 0;
        let may_end = self.worker.options.end == End::WithBatch && is_idle;
        (may_end && self.batch.is_complete() == Ok(true)).then_some(Ended::Complete)
    }

    /// Takes one job to the pool, or decides about it.
    fn enter(&self, serial: u64, delivery: Delivery) {
        let entry = loop {
            match self.look(serial, &delivery) {
                Ok(entry) => break entry,
                Err(error) if error.kind() == EngineErrorKind::Unreachable && !self.is_stopped() => {
                    self.desk.wait_unless(TURN, &self.worker.options.stop);
                    if !self.desk.is_held(serial) {
                        // Found out when it is to begin, and counted.
                        _ = self.desk.begin(serial);
                        return;
                    }
                }
                Err(_) => return self.desk.hand_back(serial),
            }
        };
        match entry {
            Entry::Verdict(verdict) => {
                if let Verdict::Dead(error) = &verdict {
                    (self.worker.tell)(&format!("job {} is a dead letter: {error}", delivery.key));
                }
                self.desk.decide(serial, verdict);
            }
            Entry::Begin { job, weight, alone } => {
                self.wait_for_budget(weight);
                self.submit(serial, job, weight);
                if alone {
                    self.wait_until_alone();
                }
            }
        }
    }

    /// Reads the message and what is known about the job.
    fn look(&self, serial: u64, delivery: &Delivery) -> Result<Entry<J>, EngineError> {
        let rules = self.desk.rules();
        let Envelope { id, job, .. } = match message::open::<J>(&delivery.message) {
            Ok(envelope) => envelope,
            Err(error) => {
                // The subject may be anything as well.
                let key = delivery.key.parse().unwrap_or_else(|_| JobId::of(delivery.key.as_bytes()));
                self.desk.describe(serial, key.as_str(), 0, Note::default());
                return Ok(Entry::Verdict(Verdict::Dead(error)));
            }
        };
        let weight = (self.worker.weight)(&job);
        let mut note = Note::default();
        if delivery.delivered > 1 {
            if self.get(Table::Done, id.as_str())?.is_some() {
                // A broker that was killed may have forgotten that it knew.
                self.desk.describe(serial, id.as_str(), 0, note);
                return Ok(Entry::Verdict(Verdict::Done(Finished::default())));
            }
            // Without a note: begun once, and its worker has not come to telling so.
            let begun_once = Note { attempts: 1, ..Note::default() };
            note = self
                .get(Table::Meta, &note_key(id.as_str()))?
                .and_then(|entry| read(&entry))
                .unwrap_or(begun_once);
        }
        self.desk.describe(serial, id.as_str(), weight, note.clone());
        if let Some(verdict) = rules.before(&note) {
            return Ok(Entry::Verdict(verdict));
        }
        if let Some(budget) = self.worker.options.budget.filter(|budget| *budget < weight) {
            let text = format!("it weighs {weight}, and this worker has {budget} for all jobs");
            return Ok(Entry::Verdict(rules.refused(&text, &note)));
        }
        let alone = delivery.delivered > 1 && rules.runs_alone(&note);
        if alone && !self.wait_until_alone() {
            return Ok(Entry::Verdict(rules.handed_back(&note)));
        }
        if delivery.delivered > 1 {
            // Before it begins: if it ends this process, the next worker knows.
            let begun = Note { attempts: note.attempts + 1, worker: rules.worker.clone(), ..note };
            let value = json(&begun)
                .map_err(|error| EngineError::new(EngineErrorKind::Refused, error.to_string()))?;
            self.batch.engine().put(Table::Meta, &note_key(id.as_str()), &value)?;
        }
        Ok(Entry::Begin { job, weight, alone })
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<crate::engine::Entry>, EngineError> {
        Ok(self.batch.engine().get(table, &[key.to_owned()])?.pop().flatten())
    }

    /// Waits until the job fits beside those that have begun; its own weight is counted already.
    fn wait_for_budget(&self, weight: u64) {
        let Some(budget) = self.worker.options.budget else { return };
        while !self.is_stopped() {
            let load = self.desk.load();
            let others = load.weight.saturating_sub(weight);
            if others.saturating_add(weight) <= budget || load.running == 0 && others == 0 {
                return;
            }
            self.desk.wait(TURN);
        }
    }

    /// Waits until no job is in the pool, but for those that have run beyond the limit. Returns whether it is
    /// so; if not, the worker is to stop.
    fn wait_until_alone(&self) -> bool {
        while Arc::strong_count(&self.in_pool) - 1 > self.desk.load().stuck {
            if self.is_stopped() {
                return false;
            }
            self.desk.wait(TURN);
        }
        true
    }

    fn submit(&self, serial: u64, job: J, weight: u64) {
        let seat = Seat { desk: Arc::clone(self.desk), serial, _in_pool: Arc::clone(&self.in_pool) };
        let handler = Arc::clone(&self.worker.handler);
        let tell = Arc::clone(&self.worker.tell);
        let task = move || {
            let Some((attempt, token)) = seat.desk.begin(seat.serial) else { return };
            let thread = longshore::current_worker().unwrap_or(0);
            let context = Context { desk: Arc::clone(&seat.desk), serial, attempt, token };
            let result = catch_unwind(AssertUnwindSafe(|| handler(job, &context)));
            let result = result.unwrap_or_else(|panic| Err(Fault::Attempt(panic_text(&*panic))));
            if let Err(fault) = &result {
                tell(&format!("attempt {attempt} at a job has failed: {fault}"));
            }
            seat.desk.end(seat.serial, thread, result);
        };
        let options = self.worker.pool.task().weight(weight).on_full(OnFull::Block);
        let Err(refused) = options.execute(task) else { return };
        if let SubmitErrorKind::Overweight { budget, .. } = refused.kind {
            let text = format!("it weighs {weight}, more than the budget of this worker's pool, {budget}");
            self.desk.decide(serial, self.desk.rules().refused(&text, &Note::default()));
        }
        // Any other refusal hands the job back, with the closure's drop.
    }
}

/// A job's place in the pool. If its task is dropped unrun, the job goes back.
struct Seat {
    desk: Arc<Desk>,
    serial: u64,
    _in_pool: Arc<()>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.hand_back(self.serial);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("its handler panicked: {}", text.unwrap_or_else(|| "with a value that is no text".into()))
}
