//! Renews leases, ends jobs that run beyond the limit, and says how the worker does.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use longshore::CancelToken;

use crate::batch::{BatchError, json, worker_key};
use crate::engine::{Engine, Table, Ticket};
use crate::message::Beat;
use crate::worker::desk::Desk;
use crate::worker::spawn;

/// How often a worker says how it does.
const BEAT: Duration = Duration::from_secs(2);
/// How often jobs are looked at that may have run beyond the limit.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct Keeper {
    pub desk: Arc<Desk>,
    pub engine: Arc<dyn Engine>,
    pub lease: Duration,
    pub limit: Option<Duration>,
    pub budget: Option<u64>,
    pub threads: usize,
    pub end: CancelToken,
}

/// The thread of a keeper.
pub(super) struct Keeping {
    end: CancelToken,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub fn start(self) -> Result<Keeping, BatchError> {
        let end = self.end.clone();
        Ok(Keeping { end, thread: spawn("keeper", move || self.keep())? })
    }

    fn keep(self) {
        let start = Instant::now();
        let (mut renewed, mut said) = (start, None::<Instant>);
        // Two attempts may fail before a lease runs out.
        let third = self.lease / 3;
        loop {
            let has_ended = self.end.is_cancelled();
            if let Some(limit) = self.limit {
                self.desk.end_overdue(limit);
            }
            if renewed.elapsed() >= third {
                renewed = Instant::now();
                self.renew();
            }
            if has_ended || said.is_none_or(|said| said.elapsed() >= BEAT) {
                said = Some(Instant::now());
                self.say(start.elapsed(), has_ended);
            }
            if has_ended {
                return;
            }
            self.desk.wait_unless(LOOK.min(third), &self.end);
        }
    }

    fn renew(&self) {
        let asked = Instant::now();
        let (serials, tickets): (Vec<u64>, Vec<Ticket>) = self.desk.tickets().into_iter().unzip();
        if tickets.is_empty() {
            return;
        }
        let results = self.engine.renew(&tickets);
        let confirmed = serials.into_iter().zip(results).filter(|(_, result)| result.is_ok());
        self.desk.renewed(confirmed.map(|(serial, _)| serial), asked);
    }

    fn say(&self, up: Duration, has_ended: bool) {
        let (threads, budget, up) = (self.threads, self.budget, up.as_secs_f64());
        let beat = Beat { threads, budget, up, has_ended, ..self.desk.beat() };
        if let Ok(value) = json(&beat) {
            // If the broker is out of reach, the worker is silent, which is the truth.
            let _ = self.engine.put(Table::Meta, &worker_key(&beat.worker), &value);
        }
    }
}

impl Keeping {
    pub fn finish(self) {
        self.end.cancel();
        // It waits for the broker at most, which every call does for a few seconds only.
        let _ = self.thread.join();
    }
}
