//! The life of a worker's thread, and how workers join and leave a pool that goes on: by request, by load,
//! and as stand-ins. The numbers and counts behind that are in `workers/roster.rs`. The same for every
//! [`PoolKind`].
//!
//! Each function says on which thread it runs: that of the worker, or the one that adds workers (a caller of
//! the pool, the autoscaler, a worker that leaves or blocks). Models: `leaving`, `members`, `broadcasts` and
//! `rosters`. Tests: `tests/elastic`, `tests/it/behaviour/hooks.rs`, `tests/process_growth.rs`.
//!
//! # How a worker leaves
//! 1. It decides between two tasks, under the lock of the roster ([`Core::retire`]); from then on it is not
//!    counted.
//! 2. It refuses broadcasts and runs the broadcast tasks that it has. Then it runs its exit hook as a full
//!    worker, so the tasks that the hook submits are queued as usual.
//! 3. No new task can reach it ([`PoolKind::remove_member`]): a dispatcher with an old snapshot is refused,
//!    and chooses another worker.
//! 4. The tasks in its queues are handed to all workers ([`PoolKind::redistribute`]), and workers are woken
//!    for them.
//! 5. The pool may end without it ([`Idle::deregister`](crate::workers::idle::Idle::deregister)).
//! 6. Its number is free for another worker.
//!
//! Nothing stays behind, because the queues refuse before they are emptied. A wake-up that counted on this
//! worker is passed on when its search ends, as by any searcher (`docs/idle.md`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;
use std::{io, thread};

use crate::base::facade::lock;
use crate::base::span;
use crate::base::unwind::{self, Payload};
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::PinStatus;
use crate::runtime::pool_kind::{ExitReason, OutsideWork, Owner, PoolKind};
use crate::runtime::threads::ThreadExit;
use crate::runtime::{current_pool, quiet};
use crate::sys::affinity::{self, PinOutcome};
use crate::sys::stack;
use crate::workers::roster::{
    AssignedNumber, Next, RetireReason, RosterState, SpawnPolicy, SpawnReason, Unassigned, WaitKind,
};

/// A worker is ready, or has this number and its start hook has panicked with this payload.
pub type StartResult = Result<(), (usize, Payload)>;

/// Tells the thread that builds the pool about the start of a worker.
#[derive(Debug, Clone)]
pub struct Ready {
    results: mpsc::Sender<StartResult>,
    /// The thread that waits for the results.
    builder: Arc<Mutex<thread::Thread>>,
}

impl Ready {
    /// Sends to `results`, and unparks the thread in `builder`.
    pub fn new(results: mpsc::Sender<StartResult>, builder: Arc<Mutex<thread::Thread>>) -> Self {
        Ready { results, builder }
    }

    fn send(self, result: StartResult) {
        // The receiver is gone if another worker failed first; then the phase says so.
        let _ = self.results.send(result);
        lock(&self.builder).unpark();
    }
}

/// Adds a worker or a spare thread, if the limits allow one more for this reason. Returns why not otherwise.
pub fn add_worker<M: PoolKind>(
    shared: &Arc<M>,
    reason: SpawnReason,
    ready: Option<Ready>,
) -> io::Result<Option<Unassigned>> {
    let AssignedNumber { number, spare } = match assign_number(&**shared, reason) {
        Ok(assigned) => assigned,
        Err(unassigned) => return Ok(Some(unassigned)),
    };
    if let Some(thread) = spare {
        thread.unpark();
        return Ok(None);
    }
    let for_thread = shared.clone();
    let life = move || thread_main(&for_thread, number, reason, ready);
    let started = shared.threads.start(shared.config.thread(number), life);
    if started.is_err() {
        roll_back(&**shared, reason, number);
    }
    started.map(|()| None)
}

/// Assigns a number, and makes its worker known.
pub(super) fn assign_number<M: PoolKind>(
    shared: &M,
    reason: SpawnReason,
) -> Result<AssignedNumber, Unassigned> {
    let mut roster = shared.roster.lock();
    let assigned = roster.assign(shared.roster.limits(), reason)?;
    let record = shared.make_record(assigned.number);
    if reason != SpawnReason::Spare {
        // The pool does not end meanwhile: a thread that closes it takes this lock first, and a stand-in is
        // added by a worker, which is not parked.
        shared.idle.register();
        let outside_work = match roster.spawn_policy() {
            SpawnPolicy::Open => OutsideWork::Open,
            SpawnPolicy::StandIns | SpawnPolicy::Closed => OutsideWork::Closed,
        };
        shared.add_member(assigned.number, outside_work);
        record.is_member.store(true, Ordering::Relaxed); // see `Core::is_member`
        record.broadcasts.reopen(); // the gate decides whether broadcasts are accepted
        shared.publish(&roster);
    }
    Ok(assigned)
}

/// Takes [`assign_number`] back, because no thread could be started.
pub(super) fn roll_back<M: PoolKind>(shared: &M, reason: SpawnReason, number: usize) {
    if reason == SpawnReason::Spare {
        return shared.roster.lock().free_spare(number);
    }
    shared.retire(number, RetireReason::Unfit);
    // No worker can run the broadcast tasks that were sent meanwhile: their handles say that they never
    // start.
    shared.worker_record(number).broadcasts.close();
    while let Some(task) = shared.take_broadcast(number) {
        shared.discard(task);
    }
    deregister_worker(shared, number, None);
}

/// The life of one thread, from its start to its end.
fn thread_main<M: PoolKind>(
    shared: &Arc<M>,
    number: usize,
    reason: SpawnReason,
    ready: Option<Ready>,
) -> ThreadExit {
    current_pool::enter_pool(shared.id);
    stack::begin(shared.config.stack_size);
    shared.config.signals.apply_to_current_thread(); // a helper thread may have started this one
    pin(shared, number);
    let mut end = if reason != SpawnReason::Spare {
        run_worker(shared, number, ready)
    } else if shared.roster.lock().keep_spare(number, thread::current()) {
        ThreadEnd::Spare
    } else {
        ThreadEnd::Gone
    };
    while end == ThreadEnd::Spare {
        end = match shared.roster.wait_as_spare(number) {
            Next::Serve => run_worker(shared, number, None),
            Next::End => ThreadEnd::Gone,
        };
    }
    match end {
        ThreadEnd::PoolEnd => ThreadExit::WithPool,
        ThreadEnd::Gone | ThreadEnd::Spare => ThreadExit::Early,
    }
}

/// What a thread does after its worker has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThreadEnd {
    /// It ends with the pool.
    PoolEnd,
    /// It ends, and its number may be another thread's already.
    Gone,
    /// It is kept as a spare thread, with its number.
    Spare,
}

/// Works as worker `number`, from the start hook to the exit hook. Runs on the worker's thread.
pub(super) fn run_worker<M: PoolKind>(shared: &Arc<M>, number: usize, ready: Option<Ready>) -> ThreadEnd {
    let worker = M::worker(shared.clone(), number);
    shared.worker_record(number).metrics.alive.begin(shared.nanos(Instant::now()));
    span::worker_started(&shared.config.name, number);
    let started = match &shared.config.hooks.start {
        Some(hook) => unwind::catch(|| worker.as_current(|| hook(number))),
        None => Ok(()),
    };
    let is_fit = started.is_ok();
    match (ready, started) {
        (Some(ready), started) => ready.send(started.map_err(|payload| (number, payload))),
        (None, Ok(())) => {}
        (None, Err(payload)) => {
            shared.metrics.failed_starts.add_shared(1);
            shared.metrics.hook_panics.add_shared(1);
            unwind::drop_silently(payload);
        }
    }
    let exit_reason = if is_fit {
        worker.run()
    } else {
        shared.retire(number, RetireReason::Unfit);
        ExitReason::Retired
    };
    if exit_reason == ExitReason::Retired {
        // No broadcast task is added any more, and no other worker may run those that are queued.
        shared.worker_record(number).broadcasts.close();
        worker.run_broadcasts();
    }
    if let Some(hook) = shared.config.hooks.exit.as_ref().filter(|_| is_fit) {
        worker.as_current(|| shared.run_hook(|| hook(number)));
    }
    worker.end_recording(exit_reason);
    worker.release_deque();
    shared.worker_record(number).metrics.alive.end(shared.nanos(Instant::now()));
    span::worker_ended(&shared.config.name, number);
    if exit_reason == ExitReason::PoolEnd {
        shared.quiet_waits.look(|| quiet::is_at_rest(&**shared));
        return ThreadEnd::PoolEnd;
    }
    let end = deregister_worker(&**shared, number, is_fit.then(thread::current));
    if is_fit {
        // A number may be free now that a missing worker needs. A failed start is counted.
        let _ = fill_up(shared);
    }
    end
}

/// The end of a worker that has retired and runs no more: steps 3 to 6 of the module's text. Its thread, if
/// there is one, may be kept.
pub(super) fn deregister_worker<M: PoolKind>(
    shared: &M,
    number: usize,
    thread: Option<thread::Thread>,
) -> ThreadEnd {
    {
        let _roster = shared.roster.lock();
        shared.worker_record(number).is_member.store(false, Ordering::Relaxed); // see `Core::is_member`
        shared.remove_member(number);
    }
    let moved = shared.redistribute(number);
    if moved > 0 {
        shared.idle.notify_many(moved);
    }
    shared.idle.deregister();
    let is_kept = shared.roster.lock().free_number(shared.roster.limits(), number, thread);
    if shared.phase() != Phase::Open {
        shared.idle.wake_all(); // the other workers of a pool that ends may have waited for this one alone
    }
    if shared.has_work() {
        shared.idle.notify();
    }
    shared.quiet_waits.look(|| quiet::is_at_rest(shared));
    if is_kept { ThreadEnd::Spare } else { ThreadEnd::Gone }
}

fn pin(shared: &Core, number: usize) {
    let status = match &shared.config.cores {
        None => PinStatus::Unpinned,
        Some(cores) => {
            let core = cores[number % cores.len()];
            match affinity::pin_current_thread(core) {
                PinOutcome::Pinned => PinStatus::Pinned(core),
                PinOutcome::Hint => PinStatus::Hint(core),
                PinOutcome::Refused => PinStatus::Refused(core),
            }
        }
    };
    if let PinStatus::Unpinned | PinStatus::Refused(_) = status {
        // A worker that is started by a pinned thread (a task of another pool, or a worker that leaves) would
        // inherit its single core.
        shared.config.mask.undo_inherited_pin();
    }
    affinity::set_urgency(shared.config.urgency);
    shared.worker_record(number).pin.set(status, affinity::name_of_current_thread());
}

/// Starts one thread for each worker that is missing now. It does not repeat: a worker whose start hook
/// panics would be missing again at once. An error says that there was no thread for one of them.
pub fn fill_up<M: PoolKind>(shared: &Arc<M>) -> io::Result<()> {
    let missing = shared.roster.lock().missing();
    add(shared, SpawnReason::Floor, missing)
}

/// Adds up to `most` workers, within the limits.
pub fn add<M: PoolKind>(shared: &Arc<M>, reason: SpawnReason, most: usize) -> io::Result<()> {
    for _ in 0..most {
        if add_counted(shared, reason)?.is_some() {
            break;
        }
        shared.metrics.grown.add_shared(1);
    }
    Ok(())
}

/// Starts as many spare threads as the user wants, or as the system gives.
pub fn prestart_spares<M: PoolKind>(shared: &Arc<M>) {
    while let Ok(None) = add_counted(shared, SpawnReason::Spare) {}
}

/// [`add_worker`] for a pool that has started: a failure is counted.
fn add_counted<M: PoolKind>(shared: &Arc<M>, reason: SpawnReason) -> io::Result<Option<Unassigned>> {
    add_worker(shared, reason, None).inspect_err(|_| _ = shared.metrics.failed_starts.add_shared(1))
}

/// Adds a stand-in, within the limits.
fn add_stand_in<M: PoolKind>(shared: &Arc<M>) -> StandIn {
    match add_counted(shared, SpawnReason::StandIn) {
        Ok(None) => {
            shared.metrics.grown.add_shared(1);
            shared.metrics.stand_ins.add_shared(1);
            StandIn::Started
        }
        Ok(Some(Unassigned::NotNeeded)) => StandIn::NotNeeded,
        Ok(Some(Unassigned::NotAllowed)) | Err(_) => StandIn::Refused,
    }
}

/// Asks up to `most` workers above the floor to retire.
pub fn release_idle<M: PoolKind>(shared: &M, most: usize) {
    shared.change_roster(|roster| roster.release(most));
    shared.idle.wake_where(most, |_| true);
}

/// A worker whose task blocks, for which a stand-in works meanwhile.
#[must_use]
pub struct StandInGuard<M: PoolKind> {
    shared: Arc<M>,
}

impl<M: PoolKind> StandInGuard<M> {
    /// For a worker of `shared`, which calls this. `None` if so many workers are blocked that no stand-in is
    /// allowed any more.
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
            // At the floor one worker is missing now. Above it a stand-in is needed only if no worker is
            // idle; if the next task finds none, the autoscaler is woken.
            roster.missing() > 0 || (roster.headroom() > 0 && !shared.idle.counts().any_free())
        };
        if needs_one {
            // Without one the task blocks all the same.
            let (StandIn::Started | StandIn::NotNeeded | StandIn::Refused) = add_stand_in(shared);
        }
        shared.capacity.iter().for_each(|capacity| capacity.allow_workers(1));
        Some(StandInGuard { shared: shared.clone() })
    }
}

impl<M: PoolKind> Drop for StandInGuard<M> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if shared.is_forked() {
            return; // no stand-in exists in this process, and threads that do not exist may hold the locks
        }
        shared.change_roster(RosterState::unblock);
        shared.capacity.iter().for_each(|capacity| capacity.disallow_workers(1));
        dismiss_stand_in(shared);
    }
}

/// Wakes a parked stand-in if a stand-in is one too many, so that it retires at once. Any other stand-in
/// retires between two tasks.
fn dismiss_stand_in(shared: &Core) {
    let max = shared.roster.limits().max;
    if shared.roster.must_retire(max) {
        shared.idle.wake_where(1, |number| number >= max);
    }
}

/// A worker whose task waits for long. The range of the pool does not count it, and a stand-in may work in
/// its place, until this is dropped.
#[must_use]
pub struct LongWait<M: PoolKind> {
    shared: Arc<M>,
    /// The number of the worker.
    number: usize,
    kind: WaitKind,
    /// Permits that were added because as many tasks on the worker's stack make no progress.
    permits: usize,
}

/// What came of the wish for a stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum StandIn {
    /// It works.
    Started,
    /// As many workers as the pool should have do not wait. Each of them takes tasks, or wishes for a
    /// stand-in itself when it waits for long.
    NotNeeded,
    /// As many stand-ins as are allowed work already, or the operating system starts no thread.
    Refused,
}

impl<M: PoolKind> LongWait<M> {
    /// For worker `number` of `shared`, which calls this.
    pub fn begin(shared: &Arc<M>, number: usize, kind: WaitKind) -> Option<Self> {
        if shared.is_forked() {
            return None; // threads that do not exist in this process may hold the locks
        }
        shared.change_roster(|roster| roster.begin_wait(kind));
        let mut permits = 0;
        if let Some(capacity) = &shared.capacity {
            // In a rendezvous pool each task holds a permit until it ends: here the task that waits, and
            // those below it on the stack. An earlier wait may have added permits for some of them.
            let record = shared.worker_record(number);
            let added = record.added_permits.load(Ordering::Relaxed); // see `Record`
            permits = (record.metrics.counts.running() as usize).saturating_sub(added);
            record.added_permits.store(added + permits, Ordering::Relaxed);
            capacity.allow_workers(permits);
        }
        Some(LongWait { shared: shared.clone(), number, kind, permits })
    }

    /// Starts a stand-in for the waiting worker.
    pub fn start_stand_in(&self) -> StandIn {
        add_stand_in(&self.shared)
    }
}

impl<M: PoolKind> Drop for LongWait<M> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        if shared.is_forked() {
            return; // no stand-in exists in this process, and threads that do not exist may hold the locks
        }
        shared.change_roster(|roster| roster.end_wait(self.kind));
        if let Some(capacity) = &shared.capacity {
            let added = &shared.worker_record(self.number).added_permits;
            added.store(added.load(Ordering::Relaxed) - self.permits, Ordering::Relaxed); // see `Record`
            capacity.disallow_workers(self.permits);
        }
        dismiss_stand_in(shared);
    }
}
