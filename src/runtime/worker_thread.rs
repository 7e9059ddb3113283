//! The life of a worker's thread, and who joins and leaves a pool while it works: by order, by load, in the place of one
//! that blocks. The numbers and counts behind that are in `roster`; the same for every [`Model`].
//!
//! # How a worker leaves
//! It decides between two tasks, under the lock of the roster ([`Core::resign`]); from then on it does not count. Its exit
//! hook runs while it is still a full worker, so that what that submits goes the usual way. Then no new task can reach it
//! ([`Model::withdraw`]): a dispatcher with an old snapshot of the set is refused and chooses another. What is left in its
//! queues goes to everyone ([`Model::hand_over`]), and whoever is needed for it is woken. Only then the pool may end without
//! it ([`Idle::dismiss`](crate::workers::idle::Idle::dismiss)), and at last its number is free for another.
//!
//! What was in its queues is handed on after they refuse, so nothing stays behind; a wake-up that counted on it is passed on
//! when it stops searching, as by any searcher (`docs/idle.md`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::base::span;
use crate::base::unwind::{self, Payload};
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::PinStatus;
use crate::runtime::model::Doors;
use crate::runtime::model::Model;
use crate::runtime::model::Owner;
use crate::runtime::model::Parting;
use crate::runtime::thread_role;
use crate::runtime::threads::Ticket;
use crate::sys::{affinity, stack};
use crate::workers::roster::{Hiring, Next, Purpose, Reason, Vacancy};

/// Tells whoever builds the pool that a worker is ready, or what its start hook panicked with.
pub type Ready = mpsc::Sender<Result<(), (usize, Payload)>>;

/// Takes on one more worker, or spare thread, if there is room for that purpose; whether there was.
pub fn take_on<M: Model>(shared: &Arc<M>, purpose: Purpose, ready: Option<Ready>) -> io::Result<bool> {
    let Some(Vacancy { number, spare }) = enter(&**shared, purpose) else { return Ok(false) };
    if let Some(thread) = spare {
        thread.unpark();
    } else {
        let thread = shared.config.thread(number);
        let begin = if purpose == Purpose::Spare { Begin::AsSpare } else { Begin::AsWorker(ready) };
        let for_thread = shared.clone();
        let life = move |ticket| live(&for_thread, number, ticket, begin);
        if let Err(error) = shared.threads.start(thread, life) {
            undo(&**shared, purpose, number);
            return Err(error);
        }
    }
    Ok(true)
}

/// Gives a number, and makes its worker known.
fn enter<M: Model>(shared: &M, purpose: Purpose) -> Option<Vacancy> {
    let mut roster = shared.roster.lock();
    let vacancy = roster.take(shared.roster.limits(), purpose)?;
    let record = shared.make_record(vacancy.number);
    if purpose != Purpose::Spare {
        // Whoever closes the pool takes the lock first, and who takes on a stand-in is a worker that does not rest: the
        // pool does not end meanwhile.
        shared.idle.enlist();
        let doors = if roster.hiring() == Hiring::Open { Doors::Open } else { Doors::Closed };
        shared.admit(vacancy.number, doors);
        record.is_member.store(true, Ordering::Relaxed); // see `Core::is_member`
        record.orders.reopen(); // whether orders are accepted at all is decided elsewhere
        shared.publish(&roster);
    }
    Some(vacancy)
}

/// There is no thread for that number.
fn undo<M: Model>(shared: &M, purpose: Purpose, number: usize) {
    if purpose == Purpose::Spare {
        shared.roster.lock().vacate(number);
    } else {
        shared.resign(number, Reason::Unfit);
        // There is nobody to run those that came meanwhile: their handles say that they never will.
        shared.record(number).orders.close();
        while let Some(order) = shared.take_order(number) {
            shared.throw_away(order);
        }
        discharge(shared, number, None);
    }
}

/// As what a thread begins.
enum Begin {
    AsWorker(Option<Ready>),
    AsSpare,
}

/// The life of one thread.
fn live<M: Model>(shared: &Arc<M>, number: usize, ticket: Ticket, begin: Begin) {
    thread_role::hire(shared.id);
    stack::begin(shared.config.stack_size);
    pin(shared, number);
    let mut fate = match begin {
        Begin::AsWorker(ready) => serve(shared, number, ready),
        Begin::AsSpare if shared.roster.lock().keep(number, thread::current()) => Fate::Spare,
        Begin::AsSpare => Fate::Gone,
    };
    while fate == Fate::Spare {
        fate = match shared.roster.wait_as_spare(number) {
            Next::Serve => serve(shared, number, None),
            Next::End => Fate::Gone,
        };
    }
    match fate {
        Fate::PoolEnd => shared.threads.gone(),
        Fate::Gone | Fate::Spare => shared.threads.gone_early(ticket),
    }
}

/// What becomes of a thread that works no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It goes with the pool.
    PoolEnd,
    /// It goes, and its number may be another's already.
    Gone,
    /// It is kept, with its number.
    Spare,
}

/// Works as worker `number`, from the start hook to the exit hook.
fn serve<M: Model>(shared: &Arc<M>, number: usize, ready: Option<Ready>) -> Fate {
    let worker = M::worker(shared.clone(), number);
    shared.record(number).metrics.alive.begin(shared.nanos(Instant::now()));
    span::worker_started(&shared.config.name, number);
    let started = match &shared.config.hooks.start {
        Some(hook) => unwind::catch(|| worker.as_current(|| hook(number))),
        None => Ok(()),
    };
    let is_fit = started.is_ok();
    match (ready, started) {
        // The receiver is gone if another worker failed first; then the phase says so.
        (Some(ready), started) => _ = ready.send(started.map_err(|payload| (number, payload))),
        (None, Ok(())) => {}
        (None, Err(payload)) => {
            shared.metrics.failed_starts.add_shared(1);
            shared.metrics.hook_panics.add_shared(1);
            unwind::drop_silently(payload);
        }
    }
    let mut parting = Parting::Resigned;
    if is_fit {
        parting = worker.run();
        if parting == Parting::Resigned {
            // No more come, and nobody else may run those that are there.
            shared.record(number).orders.close();
            worker.run_orders();
        }
        if let Some(hook) = &shared.config.hooks.exit {
            worker.as_current(|| shared.run_hook(|| hook(number)));
        }
    } else {
        shared.resign(number, Reason::Unfit);
        shared.record(number).orders.close();
        worker.run_orders();
    }
    worker.as_current(|| shared.forget_per_worker(number));
    worker.put_down();
    shared.record(number).metrics.alive.end(shared.nanos(Instant::now()));
    span::worker_ended(&shared.config.name, number);
    match parting {
        Parting::PoolEnd => Fate::PoolEnd,
        Parting::Resigned => {
            let fate = discharge(&**shared, number, is_fit.then(thread::current));
            if is_fit {
                // A number may be free now that was missing. If there is no thread to be had, that is counted.
                let _ = fill_up(shared);
            }
            fate
        }
    }
}

/// The end of a worker that has resigned and runs no more: see the module's text. Its thread, if there is one, may be kept.
fn discharge<M: Model>(shared: &M, number: usize, thread: Option<thread::Thread>) -> Fate {
    {
        let _roster = shared.roster.lock();
        shared.record(number).is_member.store(false, Ordering::Relaxed); // see `Core::is_member`
        shared.withdraw(number);
    }
    let moved = shared.hand_over(number);
    if moved > 0 {
        shared.idle.notify_many(moved);
    }
    shared.idle.dismiss();
    let is_kept = shared.roster.lock().leave(shared.roster.limits(), number, thread);
    if shared.phase() != Phase::Open {
        shared.idle.wake_all(); // those who wait for the end of the pool may have waited for this worker alone
    }
    if shared.has_work() {
        shared.idle.notify();
    }
    if is_kept { Fate::Spare } else { Fate::Gone }
}

fn pin(shared: &Core, number: usize) {
    let status = match &shared.config.cores {
        None => {
            // A worker that is started by a pinned thread (a task of another pool) would inherit its single core.
            shared.config.mask.apply_to_current_thread();
            PinStatus::Unpinned
        }
        Some(cores) => {
            let core = cores[number % cores.len()];
            if affinity::pin_current_thread(core) {
                PinStatus::Pinned(core)
            } else {
                PinStatus::Refused(core)
            }
        }
    };
    shared.record(number).pin.set(status);
}

/// Takes on the workers that are missing now, each once, for one whose start hook panics is missing again at once. An error
/// says that there was no thread for one of them.
pub fn fill_up<M: Model>(shared: &Arc<M>) -> io::Result<()> {
    let missing = shared.roster.lock().missing();
    add(shared, Purpose::Floor, missing)
}

/// Takes on up to `most` workers, as far as there is room.
pub fn add<M: Model>(shared: &Arc<M>, purpose: Purpose, most: usize) -> io::Result<()> {
    for _ in 0..most {
        match take_on(shared, purpose, None) {
            Ok(true) => _ = shared.metrics.grown.add_shared(1),
            Ok(false) => break,
            Err(error) => {
                shared.metrics.failed_starts.add_shared(1);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Sees to it that there are as many spare threads as the user wants, or as can be had.
pub fn keep_warm<M: Model>(shared: &Arc<M>) {
    loop {
        match take_on(shared, Purpose::Spare, None) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => {
                shared.metrics.failed_starts.add_shared(1);
                return;
            }
        }
    }
}

/// Lets up to `most` workers go that the pool does not need.
pub fn release<M: Model>(shared: &M, most: usize) {
    {
        let mut roster = shared.roster.lock();
        roster.release(most);
        shared.publish(&roster);
    }
    shared.idle.summon(most, |_| true);
}

/// A worker whose task blocks, in whose place another one works meanwhile.
#[must_use]
pub struct Absence<M: Model> {
    shared: Arc<M>,
}

impl<M: Model> Absence<M> {
    /// Of one of the workers of `shared`. Nothing, if so many are absent that nobody may stand in any more.
    pub fn begin(shared: &Arc<M>) -> Option<Self> {
        if shared.is_forked() {
            return None;
        }
        let needs_one = {
            let mut roster = shared.roster.lock();
            if roster.blocked() >= shared.roster.limits().stand_ins {
                return None;
            }
            roster.block();
            shared.publish(&roster);
            // Where all that there should be are there, one is missing now; in between, only if nobody is idle. When the next
            // task finds nobody, the supervisor hears of it.
            roster.missing() > 0 || (roster.room() > 0 && !shared.idle.counts().any_idle())
        };
        if needs_one {
            match take_on(shared, Purpose::StandIn, None) {
                Ok(true) => {
                    shared.metrics.grown.add_shared(1);
                    shared.metrics.stand_ins.add_shared(1);
                }
                Ok(false) => {}
                Err(_) => _ = shared.metrics.failed_starts.add_shared(1),
            }
        }
        shared.widen(1);
        Some(Absence { shared: shared.clone() })
    }
}

impl<M: Model> Drop for Absence<M> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if shared.is_forked() {
            return; // nobody stands in here, and the locks may be held by threads that do not exist
        }
        let max = shared.roster.limits().max;
        {
            let mut roster = shared.roster.lock();
            roster.unblock();
            shared.publish(&roster);
        }
        shared.narrow(1);
        // One that rests goes at once; another one between two tasks.
        if shared.roster.is_to_leave(max) {
            shared.idle.summon(1, |number| number >= max);
        }
    }
}
