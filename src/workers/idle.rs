//! Which workers search, which are parked, and which one a push wakes.
//!
//! Every pool owns one [`Idle`]; any thread may call it. `docs/idle.md` has the protocol, the race, and the
//! argument why no wake-up is lost. The labels `[push]`, `[park]` and `[end_search]` mark the same places
//! there and here.
//!
//! One word counts the searching and the parked workers. Every push reads it, so it has a cache line of its
//! own. The parked workers are in a list behind a lock, the most recently parked last. The lock is taken only
//! to park and to wake, which cost a system call anyway. A push that sees a searcher, or no parked worker,
//! takes no lock.
//!
//! A pool that may grow has an autoscaler. The first push that finds no idle worker wakes the autoscaler and
//! clears the bit that asks for it. The autoscaler sets the bit again before it looks, and so does a thread
//! that makes more workers possible (`runtime/autoscaler.rs`, `Core::publish`).
//!
//! Models: `parking`, `leases`, `life`, `growing`, `rosters` and `broadcasts` (`docs/MODELS.md`). Tests:
//! `tests/it/behaviour/fairness.rs`, `tests/process_signals.rs`, `tests/stress`.

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::base::facade::{AtomicU32, AtomicU64, Mutex, Ordering, fence, lock, thread};

/// The packed counts:
///
/// ```text
///   63     62        42 41        21 20         0
///  | armed | waiting    | parked     | searching  |
/// ```
///
/// `waiting` counts the parked workers whose task waits for a result. 21 bits hold any pool: the builder
/// allows at most 4,096 workers and as many stand-ins. `armed` asks the next push that finds no idle worker
/// to wake the autoscaler. The bit is in this word because every push reads the word anyway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts(u64);

const BITS: u32 = 21;
const SEARCHING: u64 = 1;
const PARKED: u64 = 1 << BITS;
const WAITING: u64 = 1 << (2 * BITS);
const ARMED: u64 = 1 << 63;
const MASK: u64 = (1 << BITS) - 1;

impl Counts {
    /// Workers that are awake and look for work, and workers that have been woken and do not run yet.
    pub fn searching(self) -> u64 {
        self.0 & MASK
    }

    /// Workers that sleep or are about to.
    pub fn parked(self) -> u64 {
        (self.0 >> BITS) & MASK
    }

    /// The parked workers that are inside a task.
    pub fn waiting(self) -> u64 {
        (self.0 >> (2 * BITS)) & MASK
    }

    /// Whether some worker would take a task at once, or start a stand-in for it.
    pub fn any_idle(self) -> bool {
        self.0 & !ARMED != 0
    }

    /// Whether some worker that has nothing to do is parked or searches.
    pub fn any_free(self) -> bool {
        self.searching() > 0 || self.parked() > self.waiting()
    }

    /// Whether a push that finds no idle worker is to wake the autoscaler.
    fn is_armed(self) -> bool {
        self.0 & ARMED != 0
    }

    /// Whether a new task needs a wake-up: no searcher will find it, and there is a worker or an autoscaler
    /// to wake.
    fn needs_wake(self) -> bool {
        self.searching() == 0 && self.0 != 0 // `waiting` is never counted without `parked`
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("searching", &self.searching())
            .field("parked", &self.parked())
            .field("waiting", &self.waiting())
            .field("is_armed", &self.is_armed())
            .finish()
    }
}

/// Why a worker parks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkReason {
    /// It has nothing to do.
    Idle,
    /// A task on it waits, and the wait has nothing to run. If there is work and no other worker is idle, the
    /// worker is woken to start a stand-in.
    Waiting,
    /// A task on it waits, and a stand-in works in its place. Only a task that is sent to this worker wakes
    /// it: a broadcast task, or a task for its mailbox, which it leaves to another worker.
    Away,
}

impl ParkReason {
    /// What a worker that parks for this reason adds to the counts.
    fn count(self) -> u64 {
        match self {
            ParkReason::Idle => PARKED,
            ParkReason::Waiting => PARKED + WAITING,
            ParkReason::Away => 0,
        }
    }
}

/// How a worker is counted that is awake and has no task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Role {
    /// Not counted: it runs tasks, or as many workers search as may.
    Active,
    /// Counted as searching.
    Searching,
}

impl Role {
    fn count(self) -> u64 {
        match self {
            Role::Active => 0,
            Role::Searching => SEARCHING,
        }
    }
}

/// What a worker must do that stops searching because it has found a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Duty {
    /// It was the last searcher. A push that counted it woke no worker and relies on it. So it must look
    /// whether there is more work, and call [`Idle::wake_one`] if there is.
    CheckForMore,
    /// Other workers still search.
    None,
}

/// What the thread of a parked worker finds when it wakes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ParkState {
    /// The worker was chosen for work.
    Awake,
    /// The worker is in the list. Its thread may sleep on.
    Parked,
    /// Another thread has leased the worker. The worker's own thread must sleep until the lease ends.
    Leased,
}

// The values of `ParkSlot::park_state`.
const IS_AWAKE: u32 = 0;
const IS_PARKED: u32 = 1;
const IS_LEASED: u32 = 2;

/// A worker's place in the list of the parked. The worker holds it in an `Arc`, and so does the list while
/// the worker is parked.
#[derive(Debug)]
pub struct ParkSlot {
    index: u32,
    /// A [`ParkState`]. Written under the lock of the list. The worker reads it without the lock, and sleeps
    /// until it reads `IS_AWAKE`.
    park_state: AtomicU32,
}

impl ParkSlot {
    /// The park slot of worker `index`.
    pub fn new(index: usize) -> Self {
        ParkSlot { index: index as u32, park_state: AtomicU32::new(IS_AWAKE) }
    }

    /// Whether the worker has been chosen, is parked, or is leased.
    pub fn park_state(&self) -> ParkState {
        // Acquire pairs with the Release in `make_searcher`: without it the worker could leave the search
        // before it sees itself counted there. "Awake" is final, because only a parked worker is leased.
        match self.park_state.load(Ordering::Acquire) {
            IS_AWAKE => ParkState::Awake,
            IS_PARKED => ParkState::Parked,
            _ => ParkState::Leased,
        }
    }

    /// The number of the worker.
    pub fn index(&self) -> usize {
        self.index as usize
    }
}

/// A parked worker: its park slot, and the thread that acts as the worker now. In a deep wait that is not the
/// worker's own thread (`PushWorker::on_fresh_stack`).
#[derive(Debug, Clone)]
struct Parked {
    park_slot: Arc<ParkSlot>,
    thread: thread::Thread,
    reason: ParkReason,
}

/// A leased worker: out of the list, while its own thread sleeps on.
#[derive(Debug)]
#[must_use = "the worker's own thread sleeps until the lease ends"]
pub struct Lease(Parked);

impl Lease {
    /// The number of the worker.
    pub fn worker(&self) -> usize {
        self.0.park_slot.index()
    }
}

/// The counts, the list of the parked workers, and the fences of the protocol. One for each pool.
pub struct Idle {
    counts: CachePadded<AtomicU64>,
    /// A worker that was idle lately: the next task from outside is pushed to it while any worker is idle.
    hint: AtomicU32,
    /// How many workers may search at a time.
    search_limit: AtomicU32,
    list: Mutex<List>,
}

/// What the lock protects.
#[derive(Default)]
struct List {
    /// Workers that sleep or are about to, the most recently parked last.
    parked: Vec<Parked>,
    /// Workers of the pool. Each of them can submit tasks to it while it is neither parked nor paused.
    registered: usize,
    /// Workers that wait between two tasks for the end of a pause of the pool. No push wakes them.
    paused: usize,
    /// The thread that a push wakes if it finds no idle worker.
    autoscaler: Option<thread::Thread>,
}

impl Idle {
    /// For a pool of `workers` workers, of which none is idle yet.
    pub fn new(workers: usize) -> Self {
        let list =
            List { parked: Vec::with_capacity(workers), registered: workers, paused: 0, autoscaler: None };
        Idle {
            counts: CachePadded::new(AtomicU64::new(0)),
            hint: AtomicU32::new(0),
            search_limit: AtomicU32::new(Self::limit_for(workers)),
            list: Mutex::new(list),
        }
    }

    /// Adds a worker, before its thread starts. The caller keeps the pool from ending meanwhile.
    pub fn register(&self) {
        let mut list = lock(&self.list);
        list.registered += 1;
        self.search_limit.store(Self::limit_for(list.registered), Ordering::Relaxed); // see `start_search`
    }

    /// Removes a worker that is awake, has empty queues and will submit nothing more.
    ///
    /// The caller must then check whether a closing pool can end, because the other workers may have been
    /// waiting for this one. And it must check every source of work, because a push that found no idle worker
    /// may have relied on this one.
    pub fn deregister(&self) {
        let mut list = lock(&self.list);
        list.registered -= 1;
        self.search_limit.store(Self::limit_for(list.registered), Ordering::Relaxed); // see `start_search`
        drop(list);
        // Does what [end_search] does, and pairs with [push]: a push that read the counts before this fence
        // has published its task before it, so the caller's look finds the task. Without it that task could
        // stay in a queue.
        fence(Ordering::SeqCst);
    }

    /// Announces that the calling worker waits, between two tasks, for the end of a pause of the pool. Until
    /// [`Idle::end_pause`] it has no task in hand, takes none and submits none.
    pub fn begin_pause(&self) {
        lock(&self.list).paused += 1;
    }

    /// Takes [`Idle::begin_pause`] back, before the worker looks at any queue.
    pub fn end_pause(&self) {
        lock(&self.list).paused -= 1;
    }

    /// Sets the thread that is woken when a push finds no idle worker.
    pub fn set_autoscaler(&self, autoscaler: Option<thread::Thread>) {
        lock(&self.list).autoscaler = autoscaler;
    }

    /// Wakes the autoscaler, if there is one, because the state of the pool has changed.
    pub fn wake_autoscaler(&self) {
        self.wake(|list| list.autoscaler.clone());
    }

    /// Asks the next push that finds no idle worker to wake the autoscaler. The caller must then look at
    /// every source of work once more, because the push just before woke nothing.
    pub fn arm_autoscaler(&self) {
        self.counts.fetch_or(ARMED, Ordering::Relaxed); // ordered by the fence
        // Pairs with [push], like [park]: either the push sees the bit, or the caller's look sees the push's
        // task. Without it both could miss each other, and the pool would not grow for this task.
        fence(Ordering::SeqCst);
    }

    /// Takes [`Idle::arm_autoscaler`] back. `false` if a push has woken the autoscaler since, or it was not
    /// armed.
    pub fn disarm_autoscaler(&self) -> bool {
        // Relaxed: the bit itself is all that is communicated.
        Counts(self.counts.fetch_and(!ARMED, Ordering::Relaxed)).is_armed()
    }

    /// Half of the workers may search: more thieves fight each other for the tasks that are left. Go's
    /// scheduler and tokio use the same bound.
    fn limit_for(workers: usize) -> u32 {
        (workers as u32 / 2).max(1)
    }

    /// The counts now, or a moment ago.
    #[inline]
    pub fn counts(&self) -> Counts {
        // Relaxed: placement takes this as a guess. Decisions that must be right read it after one of the
        // fences.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    /// The number of a worker that was idle lately.
    #[inline]
    pub fn hint(&self) -> usize {
        self.hint.load(Ordering::Relaxed) as usize // a guess
    }

    /// Replaces a hint that names a worker that has left the pool.
    pub fn correct_hint(&self, worker: usize) {
        self.hint.store(worker as u32, Ordering::Relaxed); // a guess
    }

    /// Becomes a searcher, unless as many workers search as may.
    pub fn start_search(&self, park_slot: &ParkSlot) -> Role {
        let limit = u64::from(self.search_limit.load(Ordering::Relaxed)); // changes only with the pool's size
        let mut counts = self.counts.load(Ordering::Relaxed); // only a guess for the CAS
        while Counts(counts).searching() < limit {
            // Relaxed: becoming a searcher publishes nothing. The order matters when the search ends:
            // `end_search`.
            match self.counts.compare_exchange_weak(
                counts,
                counts + SEARCHING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.hint.store(park_slot.index, Ordering::Relaxed); // a guess
                    return Role::Searching;
                }
                Err(current) => counts = current,
            }
        }
        Role::Active
    }

    /// Stops being a searcher because a task was found.
    pub fn end_search(&self) -> Duty {
        // Release pairs with the fence [park] of a worker that parks after this: that worker sees the tasks
        // which this one has moved to its deque. For the last searcher the fence below orders more.
        let before = Counts(self.counts.fetch_sub(SEARCHING, Ordering::Release));
        if before.searching() > 1 {
            return Duty::None;
        }
        // [end_search] pairs with [push] in `notify`: a push that still counted this searcher comes before
        // this fence, so the check that the caller makes now sees its task. Without it the task could wait
        // until the next push.
        fence(Ordering::SeqCst);
        Duty::CheckForMore
    }

    /// Announces that this worker parks. The caller then looks at **every** source of work once more. If it
    /// finds something, or has another reason to stay awake, it calls [`Idle::cancel_park`]. Else it sleeps
    /// until its park slot says that the worker is awake.
    pub fn prepare_park(&self, park_slot: &Arc<ParkSlot>, role: Role, reason: ParkReason) {
        let thread = thread::current();
        let mut list = lock(&self.list);
        park_slot.park_state.store(IS_PARKED, Ordering::Relaxed); // other threads read it under the lock only
        list.parked.push(Parked { park_slot: park_slot.clone(), thread, reason });
        self.hint.store(park_slot.index, Ordering::Relaxed); // a guess
        // Wrapping: a searcher moves from one count to another in one step. Relaxed: ordered by the fence.
        self.counts.fetch_add(reason.count().wrapping_sub(role.count()), Ordering::Relaxed);
        drop(list);
        // [park] pairs with [push] in `notify`: either the push sees this worker parked and wakes it, or this
        // worker's look at the sources, which follows, sees the task. Without it both could miss each other,
        // and the task would wait.
        fence(Ordering::SeqCst);
    }

    /// Leaves the list because the last look around, a latch or a timeout says so. The worker counts as
    /// `role` from then on, even above the limit of searchers. Returns what it really counts as:
    /// [`Role::Searching`] if it was chosen for work meanwhile. `None` if the worker is leased: then its own
    /// thread sleeps on.
    pub fn cancel_park(&self, park_slot: &Arc<ParkSlot>, role: Role) -> Option<Role> {
        let parked = &mut lock(&self.list).parked;
        match park_slot.park_state.load(Ordering::Relaxed) {
            IS_AWAKE => return Some(Role::Searching), // chosen; the state changes under the lock only
            IS_LEASED => return None,
            _ => {}
        }
        let place = parked.iter().rposition(|p| Arc::ptr_eq(&p.park_slot, park_slot));
        let entry = parked.remove(place.expect("a slot in state IS_PARKED is in the list"));
        park_slot.park_state.store(IS_AWAKE, Ordering::Relaxed); // under the lock
        // Wrapping: one step, see `prepare_park`. Relaxed: becoming a searcher publishes nothing.
        self.counts.fetch_add(role.count().wrapping_sub(entry.reason.count()), Ordering::Relaxed);
        Some(role)
    }

    /// Leases the most recently parked worker that has nothing to do. The caller acts as this worker, whose
    /// own thread sleeps until [`Idle::end_lease`].
    pub fn lease(&self) -> Option<Lease> {
        if self.counts().parked() == 0 {
            return None; // saves the lock
        }
        let parked = &mut lock(&self.list).parked;
        let place = parked.iter().rposition(|p| p.reason == ParkReason::Idle)?;
        let entry = parked.remove(place);
        // Relaxed, both: written under the lock, under which `cancel_park` and the end of a pool read them.
        entry.park_slot.park_state.store(IS_LEASED, Ordering::Relaxed);
        self.counts.fetch_sub(entry.reason.count(), Ordering::Relaxed);
        Some(Lease(entry))
    }

    /// Puts a leased worker back into the list. The worker parks by this as by [`Idle::prepare_park`]. So the
    /// caller then looks at every source of work and at the phase of the pool, and wakes workers if there is
    /// a reason.
    pub fn end_lease(&self, lease: Lease) {
        let mut list = lock(&self.list);
        lease.0.park_slot.park_state.store(IS_PARKED, Ordering::Relaxed); // under the lock
        self.counts.fetch_add(lease.0.reason.count(), Ordering::Relaxed); // ordered by the fence
        list.parked.push(lease.0);
        drop(list);
        // [park] pairs with [push]: a push during the lease saw no parked worker, so the caller's look must
        // see its task.
        fence(Ordering::SeqCst);
    }

    /// Called after one task was made visible: wakes a worker if no worker would find the task otherwise.
    #[inline]
    pub fn notify(&self) {
        self.notify_after(|| ());
    }

    /// As [`Idle::notify`]. Calls `note` before a worker is woken, if that is necessary.
    #[inline]
    pub fn notify_after(&self, note: impl FnOnce()) {
        // [push] pairs with [park] and [end_search]: the task is published before it, and the counts are read
        // after it. Without it the load could be served before the publication is visible. A worker that
        // parks in between would then be missed.
        fence(Ordering::SeqCst);
        if self.counts().needs_wake() {
            note();
            self.wake_one();
        }
    }

    /// Called after one task was made visible that worker `index` should run: wakes that worker if it is
    /// parked. Else it does what [`Idle::notify`] does, because the worker may be blocked.
    pub fn notify_this(&self, index: usize) {
        fence(Ordering::SeqCst); // [push], see `notify`
        let counts = self.counts();
        if counts.parked() > 0 {
            self.wake(|list| self.choose_this(list, index).or_else(|| self.choose_if_needed(list)));
        } else if counts.needs_wake() {
            self.wake_one();
        }
    }

    /// Called after something was made visible that concerns worker `index` alone: wakes it if it is parked.
    pub fn wake_this(&self, index: usize) {
        // The lock orders this and `prepare_park`: a worker that parks later finds what was made visible
        // (`docs/idle.md`).
        self.wake(|list| self.choose_this(list, index));
    }

    /// The numbers of the workers that are parked now.
    pub fn parked(&self) -> Vec<usize> {
        lock(&self.list).parked.iter().map(|parked| parked.park_slot.index()).collect()
    }

    /// The numbers of the workers that are parked in the middle of a task, and why.
    pub fn waiting(&self) -> Vec<(usize, ParkReason)> {
        let list = lock(&self.list);
        let waiting = list.parked.iter().filter(|parked| parked.reason != ParkReason::Idle);
        waiting.map(|parked| (parked.park_slot.index(), parked.reason)).collect()
    }

    /// Whether worker `index` is parked, or was a moment ago.
    pub fn is_parked(&self, index: usize) -> bool {
        self.counts().parked() > 0 && lock(&self.list).parked.iter().any(|p| p.park_slot.index() == index)
    }

    /// Called after `tasks` tasks were made visible: wakes as many workers, if so many are parked. Searchers
    /// are subtracted, because each of them will find a task.
    pub fn notify_many(&self, tasks: usize) {
        fence(Ordering::SeqCst); // [push], see `notify`
        let counts = self.counts();
        let missing = (tasks as u64).saturating_sub(counts.searching());
        for _ in 0..missing.min(counts.parked()) {
            let chosen = self.choose(&mut lock(&self.list));
            let Some(thread) = chosen else { break };
            thread.unpark();
        }
        if missing > counts.parked() && counts.is_armed() {
            self.wake(|list| self.armed_autoscaler(list));
        }
    }

    /// Wakes the most recently parked worker, unless a worker searches. Wakes the autoscaler if no worker is
    /// parked.
    #[cold]
    pub fn wake_one(&self) {
        self.wake(|list| self.choose_if_needed(list));
    }

    /// Wakes every parked worker, because the state of the pool has changed. Workers that are
    /// [`ParkReason::Away`] sleep on, because no such change concerns them before their waits are over.
    pub fn wake_all(&self) {
        self.wake(|list| std::iter::from_fn(|| self.choose(list)).collect::<Vec<_>>());
    }

    /// Wakes up to `most` of the workers that are parked with nothing to do and are `wanted`, the longest
    /// parked first.
    pub fn wake_where(&self, most: usize, wanted: impl Fn(usize) -> bool) {
        self.wake(|list| {
            let mut chosen = Vec::new();
            list.parked.retain(|parked| {
                let is_chosen = chosen.len() < most
                    && parked.reason == ParkReason::Idle
                    && wanted(parked.park_slot.index());
                if is_chosen {
                    chosen.push(self.make_searcher(parked.clone()));
                }
                !is_chosen
            });
            chosen
        });
    }

    /// Whether all workers are parked or wait for the end of a pause, none of them in the middle of a task,
    /// and `condition` holds meanwhile. While it is evaluated, no worker leaves the list, ends its pause,
    /// joins the pool or leaves the pool. What every worker did before it parked, paused or left is visible.
    pub fn while_all_parked(&self, condition: impl FnOnce() -> bool) -> bool {
        let list = lock(&self.list);
        let idle = list.parked.iter().filter(|parked| parked.reason == ParkReason::Idle).count();
        idle + list.paused == list.registered && condition()
    }

    /// Calls `choose` under the lock of the list, releases the lock, and unparks the threads that were
    /// chosen.
    fn wake<T: IntoIterator<Item = thread::Thread>>(&self, choose: impl FnOnce(&mut List) -> T) {
        let chosen = choose(&mut lock(&self.list));
        chosen.into_iter().for_each(|thread| thread.unpark());
    }

    /// What a push wakes. The counts are read again under the lock: of many pushes that come here together,
    /// one wakes a worker.
    fn choose_if_needed(&self, list: &mut List) -> Option<thread::Thread> {
        if !self.counts().needs_wake() {
            return None;
        }
        self.choose(list).or_else(|| self.armed_autoscaler(list))
    }

    /// The autoscaler's thread, if the autoscaler is armed; it no longer is then.
    fn armed_autoscaler(&self, list: &List) -> Option<thread::Thread> {
        if self.disarm_autoscaler() { list.autoscaler.clone() } else { None }
    }

    /// Takes the most recently parked worker out of the list and turns it into a searcher: a worker that has
    /// nothing to do, else one whose task waits.
    fn choose(&self, list: &mut List) -> Option<thread::Thread> {
        let last = |reason| list.parked.iter().rposition(|parked| parked.reason == reason);
        let place = last(ParkReason::Idle).or_else(|| last(ParkReason::Waiting))?;
        Some(self.make_searcher(list.parked.remove(place)))
    }

    /// Takes worker `index` out of the list, if it is parked, and turns it into a searcher.
    fn choose_this(&self, list: &mut List, index: usize) -> Option<thread::Thread> {
        let place = list.parked.iter().rposition(|parked| parked.park_slot.index() == index)?;
        Some(self.make_searcher(list.parked.remove(place)))
    }

    /// Turns a worker that has been taken out of the list into a searcher. The caller unparks the thread, if
    /// possible after it has released the lock.
    fn make_searcher(&self, Parked { park_slot, thread, reason }: Parked) -> thread::Thread {
        self.hint.store(park_slot.index, Ordering::Relaxed); // a guess
        // The count comes first: once the state says "awake" the worker may run and end its search.
        self.counts.fetch_add(SEARCHING.wrapping_sub(reason.count()), Ordering::Relaxed);
        // Release pairs with the Acquire in `park_state`: the worker sees the count that it will subtract.
        park_slot.park_state.store(IS_AWAKE, Ordering::Release);
        thread
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
