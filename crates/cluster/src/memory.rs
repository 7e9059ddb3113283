//! The engine in memory: for tests, and for a program that runs the same batch on one machine.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::{
    Counts, Delivery, Engine, EngineError, EngineErrorKind, Entry, NewJob, Place, Rule, Settings, Settlement,
    Stored, Table, Ticket, Verb,
};
use crate::id::JobId;

/// A broker within this process. Clones share one queue, so that several workers can take from it.
///
/// ```
/// use std::time::Duration;
///
/// use longshore_cluster::{Engine, Memory, Settings};
///
/// let engine = Memory::new();
/// assert_eq!(engine.settings()?, None);
/// engine.create(&Settings::default())?;
/// assert!(engine.fetch(1, Duration::ZERO)?.is_empty());
/// # Ok::<(), longshore_cluster::EngineError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    broker: Mutex<Broker>,
    /// Notified when a job enters the queue.
    queued: Condvar,
}

#[derive(Debug, Default)]
struct Broker {
    settings: Option<Settings>,
    /// Never given out.
    waiting: VecDeque<u64>,
    /// All jobs that are not settled, by their number.
    jobs: HashMap<u64, Queued>,
    marks: HashSet<String>,
    tables: BTreeMap<(Table, String), Entry>,
    next: u64,
    revision: u64,
}

#[derive(Debug)]
struct Queued {
    key: String,
    message: Vec<u8>,
    delivered: u64,
    /// When it is given out again; `None` if it was never given out.
    until: Option<Instant>,
}

impl Memory {
    /// An empty broker.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Queues a message that need not be a job, as any other program could.
    ///
    /// # Errors
    /// There is no queue.
    pub fn publish_raw(&self, key: &str, message: &[u8]) -> Result<(), EngineError> {
        let mut broker = self.lock();
        broker.lease()?;
        broker.queue(key, message);
        self.shared.queued.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Broker> {
        // No code of a user runs under the lock.
        self.shared.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    fn lease(&self) -> Result<Duration, EngineError> {
        let none = || EngineError::new(EngineErrorKind::NoBatch, "there is no such batch");
        self.settings.map(|settings| settings.lease).ok_or_else(none)
    }

    fn queue(&mut self, key: &str, message: &[u8]) {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(number);
        let job = Queued { key: key.into(), message: message.into(), delivered: 0, until: None };
        self.jobs.insert(number, job);
    }

    /// Gives out what there is: jobs whose time has come again, then new ones.
    fn give_out(&mut self, most: usize, lease: Duration) -> Vec<Delivery> {
        let now = Instant::now();
        let mut due: Vec<_> =
            self.jobs.iter().filter(|(_, job)| job.until.is_some_and(|until| until <= now)).collect();
        due.sort_by_key(|(number, job)| (job.until, **number));
        let due: Vec<_> = due.into_iter().take(most).map(|(number, _)| *number).collect();
        let new = most - due.len();
        let new: Vec<_> = self.waiting.drain(..new.min(self.waiting.len())).collect();
        let mut deliveries = Vec::new();
        for number in due.into_iter().chain(new) {
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            job.delivered += 1;
            job.until = Some(now + lease);
            deliveries.push(Delivery {
                ticket: Ticket(number.to_string()),
                key: job.key.clone(),
                message: job.message.clone(),
                delivered: job.delivered,
            });
        }
        deliveries
    }

    fn store(&mut self, Stored { table, key, value, rule }: &Stored) {
        let place = (*table, key.clone());
        if *rule == Rule::KeepFirst && self.tables.contains_key(&place) {
            return;
        }
        self.revision += 1;
        let entry = Entry { key: key.clone(), value: value.clone(), revision: self.revision, time: time() };
        self.tables.insert(place, entry);
    }

    fn job(&mut self, ticket: &Ticket) -> Option<(u64, &mut Queued)> {
        let number = ticket.0.parse().ok()?;
        Some((number, self.jobs.get_mut(&number)?))
    }

    fn count(&self, table: Table) -> u64 {
        self.tables.keys().filter(|(of, _)| *of == table).count() as u64
    }
}

/// The broker's clock.
#[allow(clippy::disallowed_types, reason = "times of records are for people, and no decision reads them")]
fn time() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl Engine for Memory {
    fn create(&self, settings: &Settings) -> Result<(), EngineError> {
        self.lock().settings.get_or_insert(*settings);
        Ok(())
    }

    fn settings(&self) -> Result<Option<Settings>, EngineError> {
        Ok(self.lock().settings)
    }

    fn delete(&self) -> Result<(), EngineError> {
        *self.lock() = Broker::default();
        Ok(())
    }

    fn publish(&self, jobs: &[NewJob]) -> Result<u64, EngineError> {
        let mut broker = self.lock();
        broker.lease()?;
        let mut new = 0;
        for job in jobs {
            if broker.marks.insert(job.mark.clone()) {
                broker.queue(job.id.as_str(), &job.message);
                new += 1;
            }
        }
        self.shared.queued.notify_all();
        Ok(new)
    }

    fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, EngineError> {
        let deadline = Instant::now() + wait;
        let mut broker = self.lock();
        loop {
            let lease = broker.lease()?;
            let deliveries = broker.give_out(most, lease);
            let now = Instant::now();
            if !deliveries.is_empty() || now >= deadline {
                return Ok(deliveries);
            }
            // The next job whose time comes again, or the deadline.
            let due = broker.jobs.values().filter_map(|job| job.until).min();
            let until = due.map_or(deadline, |due| due.min(deadline));
            let left = until.saturating_duration_since(now);
            broker = self.shared.queued.wait_timeout(broker, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn renew(&self, tickets: &[Ticket]) -> Vec<Result<(), EngineError>> {
        let mut broker = self.lock();
        let renew = |ticket: &Ticket| {
            let lease = broker.lease()?;
            if let Some((_, job)) = broker.job(ticket) {
                job.until = Some(Instant::now() + lease);
            }
            Ok(())
        };
        tickets.iter().map(renew).collect()
    }

    fn settle(&self, settlements: &[Settlement]) -> Vec<Result<(), EngineError>> {
        let mut broker = self.lock();
        let settle = |settlement: &Settlement| {
            broker.lease()?;
            if let Some(stored) = &settlement.record {
                broker.store(stored);
            }
            match (settlement.verb, broker.job(&settlement.ticket)) {
                (_, None) => {}
                (Verb::Remove, Some((number, _))) => _ = broker.jobs.remove(&number),
                (Verb::Return(delay), Some((_, job))) => job.until = Some(Instant::now() + delay),
            }
            Ok(())
        };
        let results = settlements.iter().map(settle).collect();
        self.shared.queued.notify_all();
        results
    }

    fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<(), EngineError> {
        let stored = Stored { table, key: key.into(), value: value.into(), rule: Rule::Replace };
        self.lock().store(&stored);
        Ok(())
    }

    fn get(&self, table: Table, keys: &[String]) -> Result<Vec<Option<Entry>>, EngineError> {
        let broker = self.lock();
        Ok(keys.iter().map(|key| broker.tables.get(&(table, key.clone())).cloned()).collect())
    }

    fn remove(&self, table: Table, key: &str, revision: u64) -> Result<bool, EngineError> {
        let mut broker = self.lock();
        let place = (table, key.to_owned());
        let is_same = broker.tables.get(&place).is_some_and(|entry| entry.revision == revision);
        if is_same {
            broker.tables.remove(&place);
        }
        Ok(is_same)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &str,
        each: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<(), EngineError> {
        let of_table = |((of, key), entry): (&(Table, String), &Entry)| {
            (*of == table && key.starts_with(prefix)).then(|| entry.clone())
        };
        // Copied, because `each` may call the engine.
        let entries: Vec<_> = self.lock().tables.iter().filter_map(of_table).collect();
        entries.into_iter().all(each);
        Ok(())
    }

    fn find(&self, ids: &[JobId]) -> Result<Vec<Option<Place>>, EngineError> {
        let broker = self.lock();
        let find = |id: &JobId| {
            let (number, job) = broker.jobs.iter().find(|(_, job)| job.key == id.as_str())?;
            let ahead = || broker.waiting.iter().position(|waiting| waiting == number).unwrap_or(0) as u64;
            Some(if job.until.is_some() { Place::GivenOut } else { Place::Waiting(ahead()) })
        };
        Ok(ids.iter().map(find).collect())
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        let broker = self.lock();
        broker.lease()?;
        let waiting = broker.waiting.len() as u64;
        Ok(Counts {
            waiting,
            given_out: broker.jobs.len() as u64 - waiting,
            done: broker.count(Table::Done),
            dead: broker.count(Table::Dead),
            time: time(),
        })
    }
}
