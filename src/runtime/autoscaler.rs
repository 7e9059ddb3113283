//! The thread that sizes an elastic pool: it adds workers, and releases them if the user wants that decided
//! in one place. A pool whose size is a range has one, other pools have none.
//!
//! It sleeps without a timer until a push finds no idle worker and wakes it (`workers/idle.rs`). Then it
//! looks at the pool every period, lets `policy/scaling.rs` decide, and carries the decision out. It sleeps
//! again when there is nothing to see: no task waits or arrives, no worker is missing, and no worker is to be
//! released.
//!
//! # No call is lost
//! Before it sleeps it arms a bit in the word that every push reads; then follow a sequentially consistent
//! fence and a look at every source of work. A push publishes its task, and reads that word after a fence. So
//! either the push sees the bit, or the autoscaler sees its task. The push that wakes the autoscaler clears
//! the bit.
//!
//! Model: `growing`. Tests: `tests/elastic/following.rs`, `tests/process_growth.rs`; the decisions in
//! `policy/scaling.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::policy::scaling::{Decision, LoadView, Release, Scaler};
use crate::runtime::control::{Phase, Request};
use crate::runtime::metrics::LoadSample;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::threads::ThreadExit;
use crate::runtime::worker_thread;
use crate::sys::signals;
use crate::workers::roster::{SpawnPolicy, SpawnReason};

/// The time between a failed start of a worker and the next attempt: a system that has just refused a thread
/// will probably refuse the next one, and each attempt costs the system and this thread.
const RETRY: Duration = Duration::from_millis(100);

/// Starts the autoscaler, unless the pool has one or closes.
pub fn ensure<M: PoolKind>(shared: &Arc<M>) -> io::Result<()> {
    // The lock is held while the thread starts, so that the pool does not end without it. This happens once.
    let mut roster = shared.roster.lock();
    if roster.spawn_policy() == SpawnPolicy::Open && !roster.has_autoscaler {
        let scaled = shared.clone();
        let life = move || {
            Autoscaler::new(&scaled).run();
            scaled.idle.set_autoscaler(None);
            ThreadExit::WithPool
        };
        signals::with_all_blocked(|| shared.threads.start(shared.config.autoscaler_thread(), life))?;
        roster.has_autoscaler = true;
    }
    Ok(())
}

struct Autoscaler<'a, M: PoolKind> {
    shared: &'a Arc<M>,
    scaler: Scaler,
    /// The sample of the previous look, and its time.
    before: LoadSample,
    looked: Instant,
    /// Failed starts of workers so far.
    failures: u64,
    /// No worker is added before this time.
    not_before: Option<Instant>,
}

/// When the next look is due.
enum NextLook {
    /// When a push wakes the autoscaler.
    WhenWoken,
    /// After this time.
    After(Duration),
}

impl<'a, M: PoolKind> Autoscaler<'a, M> {
    fn new(shared: &'a Arc<M>) -> Self {
        shared.config.mask.undo_inherited_pin(); // a pinned thread may have built the pool
        let (before, looked) = (shared.read(), Instant::now());
        Autoscaler { shared, scaler: Scaler::default(), before, looked, failures: 0, not_before: None }
    }

    fn run(mut self) {
        let scaling = &self.shared.config.scaling;
        self.shared.idle.set_autoscaler(Some(thread::current()));
        loop {
            let next = self.next_look();
            // A pool that closes wakes the autoscaler that is set. An autoscaler that was set later sees the
            // phase here, because the lock of the list orders the two.
            if self.shared.phase() != Phase::Open {
                return;
            }
            match next {
                NextLook::WhenWoken => {
                    thread::park();
                    self.begin_anew();
                    self.sleep_for(scaling.first_look());
                }
                NextLook::After(time) => self.sleep_for(time),
            }
            if self.shared.phase() != Phase::Open {
                return;
            }
            self.look();
        }
    }

    /// Arms the autoscaler, and then looks whether there is a reason not to wait for a push.
    fn next_look(&mut self) -> NextLook {
        let shared = self.shared;
        let (is_missing, is_above_floor) = {
            let roster = shared.roster.lock();
            if roster.headroom() > 0 {
                shared.idle.arm_autoscaler();
            }
            (roster.missing() > 0, roster.live() > roster.range().0 + roster.blocked())
        };
        let scaling = &shared.config.scaling;
        if shared.control().asks(Request::Pause) {
            return NextLook::WhenWoken; // `lifecycle::resume` wakes it
        }
        let now = shared.read();
        let is_moving = now.submitted != self.before.submitted || now.started != self.before.started;
        let releases = is_above_floor && scaling.releases() == Release::Together;
        if shared.has_work() || is_moving || releases || is_missing {
            return NextLook::After(scaling.look_every());
        }
        NextLook::WhenWoken
    }

    fn begin_anew(&mut self) {
        self.scaler.begin_anew();
        self.before = self.shared.read();
        self.looked = Instant::now();
    }

    fn look(&mut self) {
        let shared = self.shared;
        let (now, sample) = (Instant::now(), shared.read());
        let (workers, (floor, ceiling)) = {
            let roster = shared.roster.lock();
            (roster.live().saturating_sub(roster.blocked()), roster.range())
        };
        let counts = shared.idle.counts();
        let view = LoadView {
            workers,
            floor,
            ceiling,
            idle: (counts.searching() + counts.parked() - counts.waiting()) as usize,
            // Forked work is no task, but is worth a worker.
            waiting: sample.waiting.max(u64::from(shared.has_work())),
            arrivals: sample.submitted.saturating_sub(self.before.submitted),
            starts: sample.started.saturating_sub(self.before.started),
            elapsed: now - self.looked,
        };
        (self.before, self.looked) = (sample, now);
        if shared.control().asks(Request::Pause) {
            return;
        }
        match self.scaler.decide(&shared.config.scaling, &view) {
            Decision::Stay => self.grow(0, now),
            Decision::Grow(n) => {
                worker_thread::release_idle(&**shared, 0); // released workers are needed after all
                self.grow(n, now);
            }
            Decision::Shrink(n) => worker_thread::release_idle(&**shared, n),
        }
    }

    /// Adds `n` workers, the missing workers, and the spare threads that have been used up.
    fn grow(&mut self, n: usize, now: Instant) {
        if self.not_before.is_some_and(|time| now < time) {
            return;
        }
        self.not_before = None;
        // Includes workers whose start hook has panicked since the last attempt.
        let failures = self.shared.metrics.failed_starts.get();
        if failures > self.failures {
            self.failures = failures;
            self.not_before = now.checked_add(RETRY);
            return;
        }
        let added = worker_thread::fill_up(self.shared)
            .and_then(|()| worker_thread::add(self.shared, SpawnReason::Load, n));
        if added.is_ok() {
            worker_thread::prestart_spares(self.shared); // a failure is counted, and the next look finds it
        }
    }

    /// Sleeps until the time is over, or the pool closes.
    fn sleep_for(&self, time: Duration) {
        let Some(until) = Instant::now().checked_add(time) else { return thread::park() };
        while self.shared.phase() == Phase::Open {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}
