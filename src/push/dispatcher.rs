//! The dispatcher pushes tasks to workers. No other code puts a task into an inbox.
//!
//! A task that is submitted by a task is pushed to the deque of the worker that runs the submitting task. A
//! task from outside is pushed to the inbox of an idle worker, if there is one, else to that of the *home* of
//! the submitting thread: the worker whose inbox the thread uses while it has free places, so that the tasks
//! of one producer stay in one core's cache. `policy::placement` decides when a producer changes its home.
//!
//! Called by threads that submit; the thread-local `HOME` belongs to each of them. Guarded by
//! `tests/it/behaviour/dispatch.rs`, `behaviour/placement.rs` and the models `parking` and `members`.

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;

use crossbeam_deque::Injector;
use longshore_trace::record::Place;

use crate::base::error::SubmitErrorKind;
use crate::base::rng::{Draws, Rng};
use crate::policy::placement::{self, Placement, PlacementView, REVIEW_INTERVAL};
use crate::push::shared::{InFlight, PushShared, TaskBatch};
use crate::push::worker::PushWorker;
use crate::queue::batch::BATCH_CAPACITY;
use crate::queue::inbox::{Refusal, Reserved, Taken};
use crate::runtime::control::Request;
use crate::runtime::intake::{Intake, Rejected, Route, SUBMIT_PORTION, in_portions};
use crate::task::erased::Task;

/// How many tasks a full inbox spills into the injector at once, the oldest first: an eighth of the inbox.
/// One access to the injector then frees places for as many pushes.
const SPILL: usize = 32;

const _: () =
    assert!(SPILL <= BATCH_CAPACITY && SUBMIT_PORTION <= BATCH_CAPACITY, "each is moved as one batch");

/// What a thread remembers about the pool to which it last submitted from outside.
struct Home {
    pool: Cell<u32>,
    worker: Cell<u32>,
    /// Pushes left until the next review.
    until_review: Cell<u32>,
    /// With a placement other than [`Placement::Home`]: pushes so far, from a start of its own.
    turn: Cell<u32>,
    /// Random numbers for placements that draw them.
    draws: Draws,
}

impl Home {
    /// Makes `worker` of pool `pool` the home, until the next review.
    fn move_to(&self, pool: u32, worker: usize) {
        self.pool.set(pool);
        self.worker.set(worker as u32);
        self.until_review.set(REVIEW_INTERVAL);
    }
}

thread_local! {
    // Constant and without a destructor: one instruction to reach, usable while thread-locals are destroyed.
    static HOME: Home = const {
        Home {
            pool: Cell::new(0),
            worker: Cell::new(0),
            until_review: Cell::new(0),
            turn: Cell::new(0),
            draws: Draws::new(),
        }
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
                if !self.accepts_from_inside() {
                    return Err((closure, SubmitErrorKind::Closed));
                }
                let mut task = MaybeUninit::uninit();
                pack(&mut task, closure);
                // SAFETY: `pack` has initialised `task`; the caller promises that.
                worker.push_local(unsafe { task.assume_init() });
                Ok(())
            }
            _ => {
                match self.reserve() {
                    // SAFETY: `pack` initialises the place and does not panic; the caller promises both.
                    Ok(Reservation::Inbox(reserved)) => unsafe {
                        reserved.fill_in_place(|place| pack(place, closure));
                    },
                    Ok(Reservation::Injector(in_flight)) => {
                        let mut task = MaybeUninit::uninit();
                        pack(&mut task, closure);
                        let mut single = TaskBatch::new();
                        // SAFETY: `pack` has initialised `task`; the caller promises that.
                        single.push(unsafe { task.assume_init() });
                        self.metrics.injected.add_shared(1);
                        in_flight.inject(single);
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
            Route::Priority(priority) => match self.priorities.queue(priority) {
                // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
                Some(queue) => unsafe { self.push_by_priority(queue, closure, pack) },
                // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
                None => unsafe { self.dispatch(closure, pack) },
            },
            // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
            Route::Worker(worker) => unsafe { self.send_to(worker, closure, pack) },
            // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
            Route::Key(key) => unsafe { self.send_to(self.worker_for(key), closure, pack) },
            // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
            Route::Any => unsafe { self.dispatch(closure, pack) },
        }
    }

    unsafe fn dispatch_apart<F>(
        &self,
        route: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if route != Route::Any || self.is_forked() {
            // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
            return unsafe { self.dispatch_by(route, closure, pack) };
        }
        PushWorker::with_current(|worker| match worker {
            // Not into the deque of the worker, whose newest tasks are the children of its task.
            Some(worker) if worker.belongs_to(self) => {
                if !self.accepts_from_inside() {
                    return Err((closure, SubmitErrorKind::Closed));
                }
                let mut task = MaybeUninit::uninit();
                pack(&mut task, closure);
                worker.count_submitted();
                // SAFETY: `pack` has initialised `task`; the caller promises that.
                self.inject(unsafe { task.assume_init() });
                Ok(())
            }
            // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
            _ => unsafe { self.dispatch(closure, pack) },
        })
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
    /// Reserves a place for a task from outside.
    #[inline]
    fn reserve(&self) -> Result<Reservation<'_>, SubmitErrorKind> {
        match self.target_unless_recorded() {
            Some(target) => self.reserve_at(target),
            None => self.reserve_recorded(),
        }
    }

    #[inline]
    fn reserve_at(&self, target: usize) -> Result<Reservation<'_>, SubmitErrorKind> {
        match self.remote(target).inbox.reserve() {
            Ok(reserved) => Ok(Reservation::Inbox(reserved)),
            Err(Refusal::Full) => self.push_overflow(target),
            Err(Refusal::Closed) => self.reserve_elsewhere().map(|(_, reservation)| reservation),
        }
    }

    /// Reserves a place, and records which one. Before the place is filled, so that the submission has an
    /// earlier time than what is done with the task.
    #[cold]
    #[inline(never)]
    fn reserve_recorded(&self) -> Result<Reservation<'_>, SubmitErrorKind> {
        self.note(|_| ()); // makes the track of this thread, if it has none: not while a place is reserved
        let target = self.target();
        let (worker, reservation) = match self.remote(target).inbox.reserve() {
            Ok(reserved) => (target, Reservation::Inbox(reserved)),
            Err(Refusal::Full) => (target, self.push_overflow(target)?),
            Err(Refusal::Closed) => self.reserve_elsewhere()?,
        };
        if let Reservation::Inbox(reserved) = &reservation {
            self.note(|track| track.submitted(worker, reserved.position()));
        }
        Ok(reservation)
    }

    /// Reserves a place if the inbox of the chosen worker is closed: the worker has left, or the pool closes.
    #[cold]
    fn reserve_elsewhere(&self) -> Result<(usize, Reservation<'_>), SubmitErrorKind> {
        // Tells the two cases apart. In an open pool the injector takes the task if the next worker has left
        // too.
        let in_flight = self.start_push().ok_or(SubmitErrorKind::Closed)?;
        let worker = HOME.with(|home| self.move_to_next(home));
        self.idle.correct_hint(worker);
        let reserved = self.remote(worker).inbox.reserve();
        Ok((worker, reserved.map_or(Reservation::Injector(in_flight), Reservation::Inbox)))
    }

    /// Chooses the next worker in turn, and makes it the producer's home.
    fn move_to_next(&self, home: &Home) -> usize {
        let turn = self.metrics.homes_given.add_shared(1) as usize;
        let worker = self.members.read(|members| members[turn % members.len()]);
        if matches!(self.config.placement, Placement::Home) {
            home.move_to(self.id, worker);
        }
        worker
    }

    /// Accepts a task of high or low priority into `queue`.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
    unsafe fn push_by_priority<F>(
        &self,
        queue: &Injector<Task>,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        // Refused by a pool that drains; its workers find the task when they search all queues.
        self.request(Request::PriorityQueues);
        PushWorker::with_current(|worker| {
            let own = worker.filter(|worker| worker.belongs_to(self));
            // The pool does not end while a worker runs a task, or while `in_flight` exists.
            let in_flight = match own {
                Some(_) if self.accepts_from_inside() => None,
                Some(_) => return Err((closure, SubmitErrorKind::Closed)),
                None => match self.start_push() {
                    Some(in_flight) => Some(in_flight),
                    None => return Err((closure, SubmitErrorKind::Closed)),
                },
            };
            let mut task = MaybeUninit::uninit();
            pack(&mut task, closure);
            if self.is_recorded() {
                let place = if std::ptr::eq(queue, &self.priorities.high) { Place::High } else { Place::Low };
                self.note(|track| {
                    track.puts(place, 0, 1);
                    track.skips_submissions(u64::from(own.is_some()));
                });
            }
            // Counted first: a snapshot reads starts before submissions.
            match own {
                Some(worker) => worker.count_submitted(),
                None => _ = self.metrics.injected.add_shared(1),
            }
            // SAFETY: `pack` has initialised `task`; the caller promises that.
            queue.push(unsafe { task.assume_init() });
            drop(in_flight);
            self.idle.notify();
            Ok(())
        })
    }

    /// The worker for the next task from outside. `None` if the pool is recorded.
    #[inline]
    fn target_unless_recorded(&self) -> Option<usize> {
        if !matches!(self.config.placement, Placement::Home) {
            return (!self.is_recorded()).then(|| self.placed());
        }
        HOME.with(|home| {
            // While the pool is recorded it has another number here than its own. So what it costs to find
            // that out is no instruction more.
            if home.pool.get() != self.recorder.home_id() || home.until_review.get() == 0 {
                if self.is_recorded() {
                    return None;
                }
                self.review(home);
            }
            Some(self.target_of(home))
        })
    }

    /// The worker for the next task from outside.
    fn target(&self) -> usize {
        if !matches!(self.config.placement, Placement::Home) {
            return self.placed();
        }
        HOME.with(|home| {
            if home.pool.get() != self.id || home.until_review.get() == 0 {
                self.review(home);
            }
            self.target_of(home)
        })
    }

    /// The worker for the next task of a thread with this home, which needs no review.
    #[inline(always)]
    fn target_of(&self, home: &Home) -> usize {
        if self.idle.counts().any_idle() {
            return self.idle.hint();
        }
        home.until_review.set(home.until_review.get() - 1);
        home.worker.get() as usize
    }

    /// The worker for the next task from outside, by a placement other than [`Placement::Home`].
    #[inline(never)]
    fn placed(&self) -> usize {
        let in_turn = HOME.with(|home| {
            if home.pool.get() != self.id {
                let start = self.metrics.homes_given.add_shared(1); // producers start at different workers
                home.pool.set(self.id);
                home.turn.set(start as u32);
                home.draws.seed(self.config.seed, start);
            }
            home.turn.replace(home.turn.get().wrapping_add(1)) as usize
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

    /// Gives a producer its first home, or another one if its home is overloaded.
    #[cold]
    fn review(&self, home: &Home) {
        let turn = self.metrics.homes_given.add_shared(1);
        let worker = self.members.read(|members| {
            if home.pool.get() != self.id {
                return members[turn as usize % members.len()]; // producers start at different workers
            }
            let here = members.iter().position(|&m| m == home.worker.get() as usize).unwrap_or(0);
            let depth = |i: usize| self.remote(members[i]).inbox.len();
            let rng = Rng::new(self.config.seed, turn);
            members[placement::review_home(here, members.len(), depth, &rng)]
        });
        home.move_to(self.id, worker);
    }

    /// Reserves a place if the inbox is full: spills the oldest tasks of the inbox into the injector and uses
    /// one of their places. Moving the oldest tasks keeps the order of arrival, roughly, and one access to
    /// the injector frees places for a batch of pushes.
    ///
    /// The spill frees no place while a taker is preempted between claiming places and freeing them. So it is
    /// tried once; after that the task itself is pushed to the injector.
    #[cold]
    fn push_overflow(&self, target: usize) -> Result<Reservation<'_>, SubmitErrorKind> {
        HOME.with(|home| home.until_review.set(0)); // time for a review
        let in_flight = self.start_push().ok_or(SubmitErrorKind::Closed)?;
        let inbox = &self.remote(target).inbox;
        let mut oldest = TaskBatch::new();
        let mut first = 0;
        if inbox.take_noting(SPILL, &mut oldest, |position| first = position) == Taken::Some {
            if self.is_recorded() {
                self.note(|track| track.took(target, first, oldest.len()));
            }
            in_flight.inject(oldest);
        }
        // The inbox may be closed by now: the worker has left, or the pool closes; it does not end while
        // `in_flight` exists.
        Ok(inbox.reserve().map_or(Reservation::Injector(in_flight), Reservation::Inbox))
    }
}

/// Where a task from outside will be queued.
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
        // A small batch is spread over all workers; a large one is pushed in full portions.
        let share = closures.size_hint().0.div_ceil(workers).clamp(1, SUBMIT_PORTION);
        let mut target = self.target();
        in_portions(&self.idle, closures, share, |portion| {
            self.push_portion(target, portion, &mut pack)?;
            target = match self.config.placement {
                Placement::Home => self.members.read(|members| {
                    let here = members.iter().position(|&m| m == target).unwrap_or(0);
                    members[(here + 1) % members.len()]
                }),
                _ => self.placed(),
            };
            Ok(())
        })
    }

    /// Pushes `portion` to the inbox of `target`, and to the injector what exceeds the free places there.
    /// Closures that are refused stay in `portion`.
    fn push_portion<F>(
        &self,
        target: usize,
        portion: &mut VecDeque<F>,
        pack: &mut impl FnMut(F) -> Task,
    ) -> Result<(), SubmitErrorKind> {
        let drawn = portion.len();
        let next = || pack(portion.pop_front().expect("as many as were counted"));
        // It may be full, or closed: the worker has left, or the pool closes. `start_push` tells the last two
        // apart.
        if self.is_recorded() {
            self.note(|_| ()); // makes the track of this thread, if it has none
        }
        let note = |position, count| {
            if self.is_recorded() {
                self.note(|track| track.submitted_batch(target, position, count));
            }
        };
        let _ = self.remote(target).inbox.push_batch_noting(drawn, next, note);
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
