//! The thread that has a pool grow, and that lets workers go if the user wants that decided in one place. There is one for
//! each pool whose size is a range, and none for others.
//!
//! It sleeps, without a timer, until a push finds nobody idle and calls it (`idle`). Then it looks at the pool every period,
//! has `policy::scaling` decide, and does what that says, until there is nothing to see any more: no task waits or comes, no
//! worker is missing, and nobody is to be let go.
//!
//! # No call is lost
//! Before it sleeps it asks to be called, by a bit in the word that every push looks at; a sequentially consistent fence
//! follows, and then it looks at every source of work once more. A push publishes its task, and looks at that word after a
//! fence. So either the push sees the bit, or the supervisor sees its task. The bit goes out with the first call.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::policy::scaling::{Decision, LoadView, Release, Scaler};
use crate::runtime::control::{Phase, Request};
use crate::runtime::metrics::LoadSample;
use crate::runtime::model::Model;
use crate::runtime::worker_thread;
use crate::workers::roster::{SpawnPolicy, SpawnReason};

/// When a worker could not be added, the next attempt comes no sooner: what it has none of will not be there a
/// moment later, and each attempt costs both of us.
const RETRY: Duration = Duration::from_millis(100);

/// Starts the supervisor, unless there is one or the pool closes.
pub fn ensure<M: Model>(shared: &Arc<M>) -> io::Result<()> {
    // The lock is held while the thread starts, so that the pool does not end without it; this happens once.
    let mut roster = shared.roster.lock();
    if roster.spawn_policy() == SpawnPolicy::Open && !roster.has_autoscaler {
        let supervised = shared.clone();
        shared.threads.start(shared.config.autoscaler_thread(), move |_| {
            Autoscaler::new(&supervised).run();
            supervised.idle.set_autoscaler(None);
            supervised.threads.gone();
        })?;
        roster.has_autoscaler = true;
    }
    Ok(())
}

struct Autoscaler<'a, M: Model> {
    shared: &'a Arc<M>,
    scaler: Scaler,
    /// The look before, and when that was.
    before: LoadSample,
    looked: Instant,
    /// Workers that could not be added so far.
    failures: u64,
    /// No thread is asked for before.
    not_before: Option<Instant>,
}

/// When the next look is due.
enum PauseSince {
    /// When somebody calls.
    UntilCalled,
    /// After so much time.
    For(Duration),
}

impl<'a, M: Model> Autoscaler<'a, M> {
    fn new(shared: &'a Arc<M>) -> Self {
        shared.config.mask.apply_to_current_thread(); // as for a worker: a pinned thread may have built the pool
        let (before, looked) = (shared.read(), Instant::now());
        Autoscaler { shared, scaler: Scaler::default(), before, looked, failures: 0, not_before: None }
    }

    fn run(mut self) {
        let scaling = &self.shared.config.scaling;
        self.shared.idle.set_autoscaler(Some(thread::current()));
        loop {
            let pause = self.pause();
            // A pool that closes calls the supervisor that it knows. One that was registered later sees the phase here, for
            // the lock of the list orders the two.
            if self.shared.phase() != Phase::Open {
                return;
            }
            match pause {
                PauseSince::UntilCalled => {
                    thread::park();
                    self.begin_anew();
                    sleep_for(scaling.first_look(), &**self.shared);
                }
                PauseSince::For(time) => sleep_for(time, &**self.shared),
            }
            if self.shared.phase() != Phase::Open {
                return;
            }
            self.look();
        }
    }

    /// Asks for calls, and looks whether there is a reason not to wait for one.
    fn pause(&mut self) -> PauseSince {
        let shared = self.shared;
        let (missing, above_floor) = {
            let roster = shared.roster.lock();
            if roster.headroom() > 0 {
                shared.idle.arm_autoscaler();
            }
            let missing = roster.missing() > 0;
            (missing, roster.live() > roster.range().0 + roster.blocked())
        };
        let scaling = &shared.config.scaling;
        if shared.control().asks(Request::Pause) {
            return PauseSince::UntilCalled; // whoever ends that calls
        }
        let now = shared.read();
        let is_moving = now.submitted != self.before.submitted || now.started != self.before.started;
        let releases = above_floor && scaling.releases() == Release::Together;
        if shared.has_work() || is_moving || releases || missing {
            return PauseSince::For(scaling.look_every());
        }
        PauseSince::UntilCalled
    }

    fn begin_anew(&mut self) {
        self.scaler.begin_anew();
        self.before = self.shared.read();
        self.looked = Instant::now();
    }

    fn look(&mut self) {
        let shared = self.shared;
        let (now, reading) = (Instant::now(), shared.read());
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
            // What has been forked is no task, and worth a worker all the same.
            waiting: reading.waiting.max(u64::from(shared.has_work())),
            arrivals: reading.submitted.saturating_sub(self.before.submitted),
            starts: reading.started.saturating_sub(self.before.started),
            elapsed: now - self.looked,
        };
        (self.before, self.looked) = (reading, now);
        if shared.control().asks(Request::Pause) {
            return;
        }
        match self.scaler.decide(&shared.config.scaling, &view) {
            Decision::Stay => self.grow(0, now),
            Decision::Grow(n) => {
                worker_thread::release_idle(&**shared, 0); // those that were to go are needed after all
                self.grow(n, now);
            }
            Decision::Shrink(n) => worker_thread::release_idle(&**shared, n),
        }
    }

    /// Adds `n` workers, those who are missing, and the spare threads that have been used up.
    fn grow(&mut self, n: usize, now: Instant) {
        if self.not_before.is_some_and(|time| now < time) {
            return;
        }
        self.not_before = None;
        // Those whose start hook has panicked since the last attempt are among them.
        let failures = self.shared.metrics.failed_starts.get();
        if failures > self.failures {
            self.failures = failures;
            self.not_before = now.checked_add(RETRY);
            return;
        }
        let added = worker_thread::fill_up(self.shared)
            .and_then(|()| worker_thread::add(self.shared, SpawnReason::Load, n));
        if added.is_ok() {
            worker_thread::prestart_spares(self.shared); // else the failure is counted, and found above by the next look
        }
    }
}

/// Sleeps until the time is over, or the pool closes.
fn sleep_for<M: Model>(time: Duration, shared: &M) {
    let Some(until) = Instant::now().checked_add(time) else { return thread::park() };
    while shared.phase() == Phase::Open {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}
