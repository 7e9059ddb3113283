//! Pushes tasks to workers: the only code that puts anything into an inbox.
//!
//! A task submitted by a task goes to the deque of the worker it runs on. One from outside goes to a worker that is
//! idle, if there is one, else to the *home* of the submitting thread: an inbox it keeps to while that has room, so
//! that its tasks stay together in one core's cache. `policy::placement` says when a producer moves.

use crate::runtime::intake::{Intake, Rejected, Route, SUBMIT_PORTION, in_portions};
use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;

use crate::push::shared::{InFlight, PushShared, TaskBatch};
use crate::push::worker::PushWorker;
use crate::runtime::control::{Phase, Request};
use crossbeam_deque::Injector;

use crate::base::error::SubmitErrorKind;
use crate::base::rng::{Draws, Rng};
use crate::policy::placement::{self, Placement, PlacementView, REVIEW_INTERVAL};
use crate::queue::batch::BATCH_CAPACITY;
use crate::queue::inbox::{Refusal, Reserved, Taken};
use crate::task::erased::Task;

/// How many tasks a full inbox gives to the injector at once, the oldest ones: an eighth of it. One trip to the injector then
/// makes room for as many pushes.
const SPILL: usize = 32;

const _: () =
    assert!(SPILL <= BATCH_CAPACITY && SUBMIT_PORTION <= BATCH_CAPACITY, "they travel as one batch");

/// What a thread remembers of the pool that it last submitted to from outside.
struct Home {
    pool: Cell<u32>,
    worker: Cell<u32>,
    /// Pushes left until the next review. With another rule than homes, pushes so far.
    countdown: Cell<u32>,
    /// For rules that draw lots.
    draws: Draws,
}

thread_local! {
    // Constant and without a destructor: one instruction to reach, and usable while other thread-locals die.
    static HOME: Home = const {
        Home { pool: Cell::new(0), worker: Cell::new(0), countdown: Cell::new(0), draws: Draws::new() }
    };
}

impl Intake for PushShared {
    #[inline]
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => {
                // In the phase after the last task only exit hooks run, and nobody would run what they submit.
                if self.phase() >= Phase::Ended {
                    return Err((closure, SubmitErrorKind::Closed));
                }
                let mut task = MaybeUninit::uninit();
                pack(&mut task, closure);
                // SAFETY: the caller says that `pack` has initialised it.
                worker.push_local(unsafe { task.assume_init() });
                Ok(())
            }
            _ => {
                match self.reserve() {
                    // SAFETY: as above.
                    Ok(Reservation::Inbox(reserved)) => unsafe {
                        reserved.fill_in_place(|place| pack(place, closure));
                    },
                    Ok(Reservation::Injector(in_flight)) => {
                        let mut task = MaybeUninit::uninit();
                        pack(&mut task, closure);
                        let mut alone = TaskBatch::new();
                        // SAFETY: as above.
                        alone.push(unsafe { task.assume_init() });
                        self.metrics.injected.add_shared(1);
                        in_flight.inject(alone);
                    }
                    Err(kind) => return Err((closure, kind)),
                }
                self.idle.notify();
                Ok(())
            }
        })
    }

    unsafe fn dispatch_by<F>(
        &self,
        route: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if let Err(kind) = self.check(route) {
            return Err((closure, kind));
        }
        match route {
            Route::Priority(priority) if let Some(queue) = self.priorities.queue(priority) => {
                // SAFETY: the caller's promise.
                unsafe { self.push_by_priority(queue, closure, pack) }
            }
            // SAFETY: the caller's promise.
            Route::Worker(worker) => unsafe { self.send_to(worker, closure, pack) },
            // SAFETY: the caller's promise.
            Route::Key(key) => unsafe { self.send_to(self.worker_for(key), closure, pack) },
            // SAFETY: the caller's promise.
            Route::Priority(_) | Route::Any => unsafe { self.dispatch(closure, pack) },
        }
    }

    fn dispatch_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        if self.is_forked() {
            return Err(Rejected { accepted: 0, returned: Vec::new(), kind: SubmitErrorKind::Forked });
        }
        PushWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => worker.push_local_batch(closures, pack),
            _ => self.push_batch_from_outside(closures, pack),
        })
    }
}

impl PushShared {
    /// A place for a task from outside.
    #[inline]
    fn reserve(&self) -> Result<Reservation<'_>, SubmitErrorKind> {
        let target = self.target();
        match self.remote(target).inbox.reserve() {
            Ok(reserved) => Ok(Reservation::Inbox(reserved)),
            Err(Refusal::Full) => self.push_overflow(target),
            Err(Refusal::Closed) => self.reserve_elsewhere(),
        }
    }

    /// A place when the worker that was chosen takes nothing: it has left the pool, or the pool closes.
    #[cold]
    fn reserve_elsewhere(&self) -> Result<Reservation<'_>, SubmitErrorKind> {
        // Says whether the pool is open; and if it is, the injector takes what the next worker, gone as well, does not.
        let in_flight = self.start_push().ok_or(SubmitErrorKind::Closed)?;
        let worker = HOME.with(|home| self.move_to_next(home));
        self.idle.correct_hint(worker);
        match self.remote(worker).inbox.reserve() {
            Ok(reserved) => Ok(Reservation::Inbox(reserved)),
            Err(Refusal::Full | Refusal::Closed) => Ok(Reservation::Injector(in_flight)),
        }
    }

    /// Gives a producer the next home in turn, wherever it was.
    fn move_to_next(&self, home: &Home) -> usize {
        let turn = self.metrics.homes_given.add_shared(1) as usize;
        let worker = self.members.read(|members| members[turn % members.len()]);
        if matches!(self.config.placement, Placement::Home) {
            home.pool.set(self.id);
            home.worker.set(worker as u32);
            home.countdown.set(REVIEW_INTERVAL);
        }
        worker
    }

    /// Accepts a task of another priority than normal.
    ///
    /// # Safety
    /// As [`Intake::dispatch`].
    unsafe fn push_by_priority<F>(
        &self,
        queue: &Injector<Task>,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        self.request(Request::PriorityQueues); // in a pool that drains, workers find it when they look everywhere
        PushWorker::with_current(|worker| {
            let own = worker.filter(|worker| worker.belongs_to(self));
            // A worker's task keeps the pool from ending; from outside a in_flight does.
            let in_flight = match own {
                Some(_) if self.phase() < Phase::Ended => None,
                None if let Some(in_flight) = self.start_push() => Some(in_flight),
                _ => return Err((closure, SubmitErrorKind::Closed)),
            };
            let mut task = MaybeUninit::uninit();
            pack(&mut task, closure);
            // Counted first: a snapshot reads starts before submissions.
            match own {
                Some(worker) => worker.count_submitted(),
                None => _ = self.metrics.injected.add_shared(1),
            }
            // SAFETY: the caller says that `pack` has initialised it.
            queue.push(unsafe { task.assume_init() });
            drop(in_flight);
            self.idle.notify();
            Ok(())
        })
    }

    /// The worker that the next task from outside goes to.
    #[inline]
    fn target(&self) -> usize {
        if !matches!(self.config.placement, Placement::Home) {
            return self.placed();
        }
        HOME.with(|home| {
            if home.pool.get() != self.id || home.countdown.get() == 0 {
                self.review(home);
            }
            if self.idle.counts().any_idle() {
                return self.idle.hint();
            }
            home.countdown.set(home.countdown.get() - 1);
            home.worker.get() as usize
        })
    }

    /// The worker that the next task from outside goes to by another rule than homes.
    #[inline(never)]
    fn placed(&self) -> usize {
        let in_turn = HOME.with(|home| {
            if home.pool.get() != self.id {
                let start = self.metrics.homes_given.add_shared(1); // each producer starts elsewhere
                home.pool.set(self.id);
                home.countdown.set(start as u32);
                home.draws.seed(self.config.seed, start);
            }
            home.countdown.replace(home.countdown.get().wrapping_add(1)) as usize
        });
        let choose = |members: &[usize], draws: &Draws| {
            let view = PlacementView {
                members,
                depth: &|worker| self.depth(worker),
                is_parked: &|worker| self.idle.is_parked(worker),
                draws,
            };
            let mut place = in_turn % members.len();
            match &self.config.placement {
                Placement::Home | Placement::RoundRobin => {}
                Placement::LeastOfTwo => place = placement::least_of_two(&view),
                Placement::Custom(rule) => self.run_hook(|| {
                    let answer = rule.place(&view);
                    place = if answer < members.len() { answer } else { place };
                }),
            }
            members[place]
        };
        HOME.with(|home| self.members.read(|members| choose(members, &home.draws)))
    }

    /// Gives a producer its first home, or a better one if its own is overloaded.
    #[cold]
    fn review(&self, home: &Home) {
        let turn = self.metrics.homes_given.add_shared(1);
        let worker = self.members.read(|members| {
            if home.pool.get() != self.id {
                return members[turn as usize % members.len()]; // each producer starts elsewhere
            }
            let here = members.iter().position(|&m| m == home.worker.get() as usize).unwrap_or(0);
            let depth = |i: usize| self.remote(members[i]).inbox.len();
            let rng = Rng::new(self.config.seed, turn);
            members[placement::review_home(here, members.len(), depth, &rng)]
        });
        home.pool.set(self.id);
        home.worker.set(worker as u32);
        home.countdown.set(REVIEW_INTERVAL);
    }

    /// A place when an inbox is full: the injector takes the inbox's oldest batch, and the new task its room. Moving
    /// the oldest keeps the order of arrival, and one trip to the injector serves a whole batch of pushes.
    ///
    /// That does not help while a taker is between claim and hand-over (preempted there, perhaps): the oldest places
    /// are then neither full nor free. So it is tried once; after that the task goes to the injector itself.
    #[cold]
    fn push_overflow(&self, target: usize) -> Result<Reservation<'_>, SubmitErrorKind> {
        HOME.with(|home| home.countdown.set(0)); // time for a review
        let in_flight = self.start_push().ok_or(SubmitErrorKind::Closed)?;
        let inbox = &self.remote(target).inbox;
        let mut oldest = TaskBatch::new();
        if inbox.take(SPILL, &mut oldest) == Taken::Some {
            in_flight.inject(oldest);
        }
        match inbox.reserve() {
            Ok(reserved) => Ok(Reservation::Inbox(reserved)),
            // It has left the pool meanwhile, or the pool closes: not yet, as far as the in_flight goes.
            Err(Refusal::Full | Refusal::Closed) => Ok(Reservation::Injector(in_flight)),
        }
    }
}

/// Where a task from outside will be put.
enum Reservation<'a> {
    Inbox(Reserved<'a, Task>),
    Injector(InFlight<'a>),
}

impl PushShared {
    fn push_batch_from_outside<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let workers = self.roster.live().max(1);
        // A small batch is spread over all workers; a large one goes out in full portions.
        let share = closures.size_hint().0.div_ceil(workers).clamp(1, SUBMIT_PORTION);
        let mut target = self.target();
        in_portions(&self.idle, closures, share, |portion| {
            self.push_portion(target, portion, &mut pack)?;
            if !matches!(self.config.placement, Placement::Home) {
                target = self.placed();
                return Ok(());
            }
            target = self.members.read(|members| {
                let here = members.iter().position(|&m| m == target).unwrap_or(0);
                members[(here + 1) % members.len()]
            });
            Ok(())
        })
    }

    /// Puts all of `portion` into the inbox of `target`, and what it has no room for into the injector. Leaves in
    /// `portion` what is refused.
    fn push_portion<F>(
        &self,
        target: usize,
        portion: &mut VecDeque<F>,
        pack: &mut impl FnMut(F) -> Task,
    ) -> Result<(), SubmitErrorKind> {
        let drawn = portion.len();
        let next = || pack(portion.pop_front().expect("as many as were counted"));
        match self.remote(target).inbox.push_batch(drawn, next) {
            // Closed: the worker has left the pool, or the pool closes. The in_flight will say.
            Ok(_) | Err(Refusal::Full | Refusal::Closed) => {}
        }
        if portion.is_empty() {
            return Ok(());
        }
        let in_flight = self.start_push().ok_or(SubmitErrorKind::Closed)?;
        let mut rest = TaskBatch::new();
        rest.extend(portion.drain(..).map(pack));
        self.metrics.injected.add_shared(rest.len() as u64);
        in_flight.inject(rest);
        Ok(())
    }
}
