//! The life of a worker's thread, and who joins and leaves a pool while it works: by order, by load, in the place of one
//! that blocks. The numbers and counts behind that are in `roster`; the same for every [`Model`].
//!
//! # How a worker leaves
//! It decides between two tasks, under the lock of the roster ([`Core::retire`]); from then on it does not count. Its exit
//! hook runs while it is still a full worker, so that what that submits goes the usual way. Then no new task can reach it
//! ([`Model::withdraw`]): a dispatcher with an old snapshot of the set is refused and chooses another. What is left in its
//! queues goes to everyone ([`Model::redistribute`]), and whoever is needed for it is woken. Only then the pool may end without
//! it ([`Idle::dismiss`](crate::workers::idle::Idle::dismiss)), and at last its number is free for another.
//!
//! What was in its queues is handed on after they refuse, so nothing stays behind; a wake-up that counted on it is passed on
//! when it stops searching, as by any searcher (`docs/idle.md`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use std::{io, thread};

use crate::base::span;
use crate::base::unwind::{self, Payload};
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::PinStatus;
use crate::runtime::model::{ExitReason, Model, OutsideWork, Owner};
use crate::runtime::thread_role;
use crate::runtime::threads::ThreadKey;
use crate::sys::{affinity, stack};
use crate::workers::roster::{AssignedNumber, Next, RetireReason, SpawnPolicy, SpawnReason};

/// Tells whoever builds the pool that a worker is ready, or what its start hook panicked with.
pub type Ready = mpsc::Sender<Result<(), (usize, Payload)>>;

/// Takes on one more worker, or spare thread, if there is room for that purpose; whether there was.
pub fn add_worker<M: Model>(shared: &Arc<M>, purpose: SpawnReason, ready: Option<Ready>) -> io::Result<bool> {
    let Some(AssignedNumber { number, spare }) = assign_number(&**shared, purpose) else { return Ok(false) };
    if let Some(thread) = spare {
        thread.unpark();
    } else {
        let thread = shared.config.thread(number);
        let begin =
            if purpose == SpawnReason::Spare { ThreadStart::AsSpare } else { ThreadStart::AsWorker(ready) };
        let for_thread = shared.clone();
        let life = move |key| thread_main(&for_thread, number, key, begin);
        if let Err(error) = shared.threads.start(thread, life) {
            roll_back(&**shared, purpose, number);
            return Err(error);
        }
    }
    Ok(true)
}

/// Gives a number, and makes its worker known.
fn assign_number<M: Model>(shared: &M, purpose: SpawnReason) -> Option<AssignedNumber> {
    let mut roster = shared.roster.lock();
    let assigned = roster.assign(shared.roster.limits(), purpose)?;
    let record = shared.make_record(assigned.number);
    if purpose != SpawnReason::Spare {
        // Whoever closes the pool takes the lock first, and who takes on a stand-in is a worker that does not rest: the
        // pool does not end meanwhile.
        shared.idle.register();
        let outside_work =
            if roster.spawn_policy() == SpawnPolicy::Open { OutsideWork::Open } else { OutsideWork::Closed };
        shared.admit(assigned.number, outside_work);
        record.is_member.store(true, Ordering::Relaxed); // see `Core::is_member`
        record.broadcasts.reopen(); // whether orders are accepted at all is decided elsewhere
        shared.publish(&roster);
    }
    Some(assigned)
}

/// There is no thread for that number.
fn roll_back<M: Model>(shared: &M, purpose: SpawnReason, number: usize) {
    if purpose == SpawnReason::Spare {
        shared.roster.lock().free_spare(number);
    } else {
        shared.retire(number, RetireReason::Unfit);
        // There is nobody to run those that came meanwhile: their handles say that they never will.
        shared.record(number).broadcasts.close();
        while let Some(order) = shared.take_broadcast(number) {
            shared.discard(order);
        }
        deregister_worker(shared, number, None);
    }
}

/// As what a thread begins.
enum ThreadStart {
    AsWorker(Option<Ready>),
    AsSpare,
}

/// The life of one thread.
fn thread_main<M: Model>(shared: &Arc<M>, number: usize, key: ThreadKey, begin: ThreadStart) {
    thread_role::enter_pool(shared.id);
    stack::begin(shared.config.stack_size);
    pin(shared, number);
    let mut end = match begin {
        ThreadStart::AsWorker(ready) => run_worker(shared, number, ready),
        ThreadStart::AsSpare if shared.roster.lock().keep_spare(number, thread::current()) => {
            ThreadEnd::Spare
        }
        ThreadStart::AsSpare => ThreadEnd::Gone,
    };
    while end == ThreadEnd::Spare {
        end = match shared.roster.wait_as_spare(number) {
            Next::Serve => run_worker(shared, number, None),
            Next::End => ThreadEnd::Gone,
        };
    }
    match end {
        ThreadEnd::PoolEnd => shared.threads.gone(),
        ThreadEnd::Gone | ThreadEnd::Spare => shared.threads.gone_early(key),
    }
}

/// What becomes of a thread that works no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThreadEnd {
    /// It goes with the pool.
    PoolEnd,
    /// It goes, and its number may be another's already.
    Gone,
    /// It is kept, with its number.
    Spare,
}

/// Works as worker `number`, from the start hook to the exit hook.
fn run_worker<M: Model>(shared: &Arc<M>, number: usize, ready: Option<Ready>) -> ThreadEnd {
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
    let mut exit_reason = ExitReason::Retired;
    if is_fit {
        exit_reason = worker.run();
        if exit_reason == ExitReason::Retired {
            // No more come, and nobody else may run those that are there.
            shared.record(number).broadcasts.close();
            worker.run_broadcasts();
        }
        if let Some(hook) = &shared.config.hooks.exit {
            worker.as_current(|| shared.run_hook(|| hook(number)));
        }
    } else {
        shared.retire(number, RetireReason::Unfit);
        shared.record(number).broadcasts.close();
        worker.run_broadcasts();
    }
    worker.as_current(|| shared.forget_per_worker(number));
    worker.release_deque();
    shared.record(number).metrics.alive.end(shared.nanos(Instant::now()));
    span::worker_ended(&shared.config.name, number);
    match exit_reason {
        ExitReason::PoolEnd => ThreadEnd::PoolEnd,
        ExitReason::Retired => {
            let end = deregister_worker(&**shared, number, is_fit.then(thread::current));
            if is_fit {
                // A number may be free now that was missing. If there is no thread to be had, that is counted.
                let _ = fill_up(shared);
            }
            end
        }
    }
}

/// The end of a worker that has resigned and runs no more: see the module's text. Its thread, if there is one, may be kept.
fn deregister_worker<M: Model>(shared: &M, number: usize, thread: Option<thread::Thread>) -> ThreadEnd {
    {
        let _roster = shared.roster.lock();
        shared.record(number).is_member.store(false, Ordering::Relaxed); // see `Core::is_member`
        shared.withdraw(number);
    }
    let moved = shared.redistribute(number);
    if moved > 0 {
        shared.idle.notify_many(moved);
    }
    shared.idle.deregister();
    let is_kept = shared.roster.lock().free_number(shared.roster.limits(), number, thread);
    if shared.phase() != Phase::Open {
        shared.idle.wake_all(); // those who wait for the end of the pool may have waited for this worker alone
    }
    if shared.has_work() {
        shared.idle.notify();
    }
    if is_kept { ThreadEnd::Spare } else { ThreadEnd::Gone }
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
    add(shared, SpawnReason::Floor, missing)
}

/// Takes on up to `most` workers, as far as there is room.
pub fn add<M: Model>(shared: &Arc<M>, purpose: SpawnReason, most: usize) -> io::Result<()> {
    for _ in 0..most {
        match add_worker(shared, purpose, None) {
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
pub fn prestart_spares<M: Model>(shared: &Arc<M>) {
    loop {
        match add_worker(shared, SpawnReason::Spare, None) {
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
pub fn release_idle<M: Model>(shared: &M, most: usize) {
    {
        let mut roster = shared.roster.lock();
        roster.release(most);
        shared.publish(&roster);
    }
    shared.idle.wake_where(most, |_| true);
}

/// A worker whose task blocks, in whose place another one works meanwhile.
#[must_use]
pub struct Compensation<M: Model> {
    shared: Arc<M>,
}

impl<M: Model> Compensation<M> {
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
            roster.missing() > 0 || (roster.headroom() > 0 && !shared.idle.counts().any_idle())
        };
        if needs_one {
            match add_worker(shared, SpawnReason::StandIn, None) {
                Ok(true) => {
                    shared.metrics.grown.add_shared(1);
                    shared.metrics.stand_ins.add_shared(1);
                }
                Ok(false) => {}
                Err(_) => _ = shared.metrics.failed_starts.add_shared(1),
            }
        }
        shared.add_permits(1);
        Some(Compensation { shared: shared.clone() })
    }
}

impl<M: Model> Drop for Compensation<M> {
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
        shared.reduce_permits(1);
        // One that rests goes at once; another one between two tasks.
        if shared.roster.must_retire(max) {
            shared.idle.wake_where(1, |number| number >= max);
        }
    }
}
