//! Who searches, who is parked, whom to wake. The protocol, its race and the argument why no wake-up is lost are in
//! `docs/idle.md`; the labels `[push]`, `[rest]` and `[leave]` below are those of that text.
//!
//! One word counts the workers that search and those that are parked; everyone reads it, so it has a cache line of
//! its own. The parked ones stand in a list behind a lock, the most recently parked last. The lock is taken only to
//! park and to wake, which cost a system call anyway; a push that finds somebody searching, or nobody parked, takes
//! none.
//!
//! A pool that may grow has a autoscaler. A push that finds nobody idle calls it, once: the call takes back the bit that
//! asks for it, and the supervisor sets that again when it has looked (`runtime/autoscaler.rs`).

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::base::facade::{AtomicU32, AtomicU64, Mutex, Ordering, fence, lock, thread};

/// The packed counts:
///
/// ```text
///   63    62        42 41        21 20         0
///  | call | waiting    | parked     | searching  |
/// ```
///
/// `waiting` counts those of the parked that wait for a result in the middle of a task. 21 bits hold any pool:
/// builders cap the number of workers at 4,096, and of those that stand in for others as well. `call` asks a push that
/// finds nobody idle to call the autoscaler. It lies in this word because every push has that at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts(u64);

const BITS: u32 = 21;
const SEARCHING: u64 = 1;
const PARKED: u64 = 1 << BITS;
const WAITING: u64 = 1 << (2 * BITS);
const CALL: u64 = 1 << 63;
const MASK: u64 = (1 << BITS) - 1;

impl Counts {
    /// Workers awake and looking for work, those included that have been woken but do not run yet.
    pub fn searching(self) -> u64 {
        self.0 & MASK
    }

    /// Workers asleep, or about to be.
    pub fn parked(self) -> u64 {
        (self.0 >> BITS) & MASK
    }

    /// Those of the parked that are inside a task.
    pub fn waiting(self) -> u64 {
        (self.0 >> (2 * BITS)) & MASK
    }

    /// Whether some worker would take a task at once.
    pub fn any_idle(self) -> bool {
        self.0 & !CALL != 0
    }

    /// Whether the supervisor is to be called if nobody is idle.
    fn asks_for_a_call(self) -> bool {
        self.0 & CALL != 0
    }

    /// Whether a new task needs somebody: nobody searches who would find it, and somebody sleeps, or the supervisor
    /// wants to hear of it.
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
            .field("asks_for_a_call", &self.asks_for_a_call())
            .finish()
    }
}

/// Why a worker lies down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkReason {
    /// It has nothing to do.
    Idle,
    /// A task on it waits for a result and there is nothing to help with.
    Waiting,
}

/// What a worker that is awake and has no task is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Role {
    /// Not counted: it runs tasks, or the searchers are at their limit.
    Active,
    /// Counted as searching.
    Searching,
}

/// What a worker that stops searching because it has found work must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Duty {
    /// It was the last searcher: pushes that saw it searching woke nobody and rely on it, so it must look whether
    /// there is more work and, if so, call [`Idle::wake_one`].
    CheckForMore,
    /// Others still search.
    None,
}

/// What a worker's thread that has lain down finds when it wakes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ParkState {
    /// It was chosen for work.
    Awake,
    /// It is in the list, and may sleep on.
    Parked,
    /// Another thread has borrowed the worker; this one must sleep until the worker is back.
    Leased,
}

const UP: u32 = 0;
const PARKED_SLOT: u32 = 1;
const LENT: u32 = 2;

/// A worker's place in the list of the parked. Kept in an `Arc` by the worker and, while it is parked, by the list.
#[derive(Debug)]
pub struct ParkSlot {
    index: u32,
    /// A [`ParkState`]. Written under the list's lock; read without it by the worker, which sleeps unless it is up.
    park_state: AtomicU32,
}

impl ParkSlot {
    /// The park_slot of worker `index`.
    pub fn new(index: usize) -> Self {
        ParkSlot { index: index as u32, park_state: AtomicU32::new(UP) }
    }

    /// Whether the worker has been chosen, may sleep on, or must.
    pub fn park_state(&self) -> ParkState {
        // Acquire pairs with the Release in `choose`. "Up" is final: only a parked worker is lent.
        match self.park_state.load(Ordering::Acquire) {
            UP => ParkState::Awake,
            PARKED_SLOT => ParkState::Parked,
            _ => ParkState::Leased,
        }
    }

    /// The number of the worker.
    pub fn index(&self) -> usize {
        self.index as usize
    }
}

/// A parked worker: its park_slot, and the thread that acts as this worker just now (see `Worker::on_fresh_stack`).
#[derive(Debug)]
struct Parked {
    park_slot: Arc<ParkSlot>,
    thread: thread::Thread,
    rest: ParkReason,
}

/// A worker that is on lease: out of the list, while its own thread sleeps on.
#[derive(Debug)]
#[must_use = "the worker's own thread sleeps until it is given back"]
pub struct Lease(Parked);

impl Lease {
    /// The number of the worker.
    pub fn worker(&self) -> usize {
        self.0.park_slot.index()
    }
}

/// See the module's text.
pub struct Idle {
    counts: CachePadded<AtomicU64>,
    /// A worker that was idle lately: where the next task of an outside producer goes while somebody is idle.
    hint: AtomicU32,
    /// How many workers may search at a time.
    search_limit: AtomicU32,
    list: Mutex<List>,
}

/// What the lock is for.
#[derive(Default)]
struct List {
    /// Those who sleep, or are about to; the most recently parked last.
    parked: Vec<Parked>,
    /// Workers of the pool: those that can bring it new tasks as long as they do not rest.
    enlisted: usize,
    /// Whom a push calls that finds nobody idle.
    autoscaler: Option<thread::Thread>,
}

impl List {
    /// Takes the entry of worker `index` out, if it has one.
    fn take_out(&mut self, index: usize) -> Option<Parked> {
        let place = self.parked.iter().rposition(|parked| parked.park_slot.index() == index)?;
        Some(self.parked.remove(place))
    }
}

impl Idle {
    /// For a pool of `workers`, none of which is idle yet.
    pub fn new(workers: usize) -> Self {
        let list = List { parked: Vec::with_capacity(workers), enlisted: workers, autoscaler: None };
        Idle {
            counts: CachePadded::new(AtomicU64::new(0)),
            hint: AtomicU32::new(0),
            search_limit: AtomicU32::new(Self::limit_for(workers)),
            list: Mutex::new(list),
        }
    }

    /// Counts one worker more. Before its thread begins, by somebody who keeps the pool from ending meanwhile.
    pub fn register(&self) {
        let mut list = lock(&self.list);
        list.enlisted += 1;
        self.search_limit.store(Self::limit_for(list.enlisted), Ordering::Relaxed); // see `start_search`
    }

    /// Counts one worker less: it is not idle, has nothing left in its queues, and brings no task any more. The caller then
    /// looks whether the pool closes, for the others may be waiting for this one alone; and at every source of work, for a
    /// push that found nobody idle may have counted on this worker.
    pub fn deregister(&self) {
        let mut list = lock(&self.list);
        list.enlisted -= 1;
        self.search_limit.store(Self::limit_for(list.enlisted), Ordering::Relaxed); // see `start_search`
        drop(list);
        // As [leave]: the caller's look comes after whatever a push saw that did not see this.
        fence(Ordering::SeqCst);
    }

    /// Says whom to call.
    #[cfg_attr(longshore_loom, allow(dead_code, reason = "the models call without a supervisor's thread"))]
    pub fn supervise(&self, autoscaler: Option<thread::Thread>) {
        lock(&self.list).autoscaler = autoscaler;
    }

    /// Wakes the autoscaler, if there is one, for a change of the pool's state.
    #[cfg_attr(longshore_loom, allow(dead_code, reason = "the models call without a supervisor's thread"))]
    pub fn call_autoscaler(&self) {
        let autoscaler = lock(&self.list).autoscaler.clone();
        autoscaler.iter().for_each(thread::Thread::unpark);
    }

    /// Asks to be called by a push that finds nobody idle. The supervisor then looks at every source of work once more: the
    /// push that came just before has called nobody.
    pub fn ask_for_a_call(&self) {
        self.counts.fetch_or(CALL, Ordering::Relaxed); // ordered by the fence
        // Pairs with [push], as [rest] does: either the push sees the bit, or our look sees its task.
        fence(Ordering::SeqCst);
    }

    /// Takes that back. Whether there was anything to take back: else somebody has called, or nobody had asked.
    pub fn no_calls(&self) -> bool {
        // Relaxed: who calls notes nothing but this.
        Counts(self.counts.fetch_and(!CALL, Ordering::Relaxed)).asks_for_a_call()
    }

    /// Half of the workers: more thieves than that fight each other for what the others leave (Go's scheduler and
    /// tokio use the same bound).
    fn limit_for(workers: usize) -> u32 {
        (workers as u32 / 2).max(1)
    }

    /// The counts as they are, or were a moment ago.
    #[inline]
    pub fn counts(&self) -> Counts {
        // Relaxed: a guess for placement. Decisions that must not err go through the fences below.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    /// The index of a worker that was idle lately.
    #[inline]
    pub fn hint(&self) -> usize {
        self.hint.load(Ordering::Relaxed) as usize // a guess
    }

    /// Corrects the hint, which names a worker that has left the pool.
    pub fn correct_hint(&self, worker: usize) {
        self.hint.store(worker as u32, Ordering::Relaxed); // a guess
    }

    /// Becomes a searcher, unless the limit is reached.
    pub fn start_search(&self, park_slot: &ParkSlot) -> Role {
        let limit = u64::from(self.search_limit.load(Ordering::Relaxed)); // changes only with the pool's size
        let mut counts = self.counts.load(Ordering::Relaxed); // only a guess for the CAS
        while Counts(counts).searching() < limit {
            // Relaxed: nothing is published by becoming a searcher; what matters is leaving, see `end_search`.
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

    /// Stops being a searcher because work was found.
    pub fn end_search(&self) -> Duty {
        // Release pairs with the fence [rest] of a worker that lies down after us: it sees what we moved to our deque.
        // For the last searcher the fence below orders more.
        let before = Counts(self.counts.fetch_sub(SEARCHING, Ordering::Release));
        if before.searching() > 1 {
            return Duty::None;
        }
        // [leave] pairs with [push] in `notify`: a push that still counted us as searching comes before this fence,
        // so the check that the caller makes now sees its task. Without it that task could sit alone until the next.
        fence(Ordering::SeqCst);
        Duty::CheckForMore
    }

    /// Announces that this worker lies down. The caller then looks at **every** source of work once more; if it finds
    /// something (or has another reason to stay up) it calls [`Idle::withdraw`], else it sleeps until its park_slot is
    /// free again.
    pub fn prepare_park(&self, park_slot: &Arc<ParkSlot>, role: Role, rest: ParkReason) {
        let thread = thread::current();
        let mut list = lock(&self.list);
        park_slot.park_state.store(PARKED_SLOT, Ordering::Relaxed); // read by others under the lock only
        list.parked.push(Parked { park_slot: park_slot.clone(), thread, rest });
        self.hint.store(park_slot.index, Ordering::Relaxed); // a guess
        // Wrapping: a searcher leaves one count and enters another in one step. Relaxed: ordered by the fence.
        self.counts.fetch_add(resting(rest).wrapping_sub(searching(role)), Ordering::Relaxed);
        drop(list);
        // [rest] pairs with [push] in `notify`: either the pusher sees us parked (and wakes us), or our look at the
        // sources, which follows, sees its task. Without it both could miss each other and the task would wait.
        fence(Ordering::SeqCst);
    }

    /// Leaves the list again, after a look around, a latch or a timeout said so; counts as `role` from then on,
    /// whatever the limit. Returns what the worker really counts as: [`Role::Searching`] if somebody had chosen it
    /// for work in the meantime. `None` if the worker is on lease: then its thread sleeps on.
    pub fn cancel_park(&self, park_slot: &Arc<ParkSlot>, role: Role) -> Option<Role> {
        let parked = &mut lock(&self.list).parked;
        match park_slot.park_state.load(Ordering::Relaxed) {
            UP => return Some(Role::Searching), // chosen; it changes under the lock only
            LENT => return None,
            _ => {}
        }
        let place = parked.iter().rposition(|p| Arc::ptr_eq(&p.park_slot, park_slot));
        let entry = parked.remove(place.expect("a park_slot that says so is in the list"));
        park_slot.park_state.store(UP, Ordering::Relaxed); // under the lock
        // Wrapping and Relaxed as in `prepare_park`; becoming a searcher publishes nothing.
        self.counts.fetch_add(searching(role).wrapping_sub(resting(entry.rest)), Ordering::Relaxed);
        Some(role)
    }

    /// Borrows the most recently parked worker that has nothing to do: the caller acts as this worker, whose own thread
    /// sleeps until [`Idle::give_back`].
    pub fn lease(&self) -> Option<Lease> {
        if self.counts().parked() == 0 {
            return None; // spares the lock
        }
        let parked = &mut lock(&self.list).parked;
        let place = parked.iter().rposition(|p| p.rest == ParkReason::Idle)?;
        let entry = parked.remove(place);
        entry.park_slot.park_state.store(LENT, Ordering::Relaxed); // decided under the lock, see `withdraw`
        self.counts.fetch_sub(resting(entry.rest), Ordering::Relaxed); // as in `prepare_park`
        Some(Lease(entry))
    }

    /// Puts a borrowed worker back into the list. It lies down by this as if it had announced its rest: the caller then
    /// looks at every source of work and at the phase of the pool, and has somebody woken if there is a reason.
    pub fn end_lease(&self, lease: Lease) {
        let mut list = lock(&self.list);
        lease.0.park_slot.park_state.store(PARKED_SLOT, Ordering::Relaxed); // as in `prepare_park`
        self.counts.fetch_add(resting(lease.0.rest), Ordering::Relaxed); // as in `prepare_park`
        list.parked.push(lease.0);
        drop(list);
        fence(Ordering::SeqCst); // [rest], as in `prepare_park`
    }

    /// After one task was made visible: wakes a worker if nobody would find it otherwise.
    #[inline]
    pub fn notify(&self) {
        // [push] pairs with [rest] and [leave]: the task's publication comes before, our look at the counts after.
        // Without it the load could be served before the publication is visible, and a worker that lies down in
        // between would be missed.
        fence(Ordering::SeqCst);
        if self.counts().needs_wake() {
            self.wake_one();
        }
    }

    /// After one task was made visible that worker `index` should run: wakes that one if it sleeps, else somebody as
    /// [`Idle::notify`] does, for the worker may be blocked.
    pub fn notify_this(&self, index: usize) {
        fence(Ordering::SeqCst); // [push], as in `notify`
        let counts = self.counts();
        if counts.parked() == 0 {
            if counts.needs_wake() {
                self.wake_one();
            }
            return;
        }
        let mut list = lock(&self.list);
        let chosen = match list.take_out(index) {
            Some(parked) => Some(self.raise(parked)),
            None if self.counts().needs_wake() => self.choose(&mut list).or_else(|| self.call(&list)),
            None => None,
        };
        drop(list);
        if let Some(thread) = chosen {
            thread.unpark();
        }
    }

    /// After something was made visible that concerns worker `index` alone: wakes it if it sleeps.
    pub fn wake_this(&self, index: usize) {
        // The lock orders this and an announcement: one that comes later finds what was made visible, see `docs/idle.md`.
        let mut list = lock(&self.list);
        let chosen = list.take_out(index).map(|parked| self.raise(parked));
        drop(list);
        if let Some(thread) = chosen {
            thread.unpark();
        }
    }

    /// The numbers of the workers that sleep just now.
    pub fn parked(&self) -> Vec<usize> {
        lock(&self.list).parked.iter().map(|parked| parked.park_slot.index()).collect()
    }

    /// Whether worker `index` sleeps, or did a moment ago.
    pub fn is_parked(&self, index: usize) -> bool {
        self.counts().parked() > 0 && lock(&self.list).parked.iter().any(|p| p.park_slot.index() == index)
    }

    /// After `tasks` were made visible: wakes as many workers, as far as there are any asleep. Searchers are
    /// subtracted: each of them will find one.
    pub fn notify_many(&self, tasks: usize) {
        fence(Ordering::SeqCst); // [push], as in `notify`
        let counts = self.counts();
        let missing = (tasks as u64).saturating_sub(counts.searching());
        for _ in 0..missing.min(counts.parked()) {
            let chosen = self.choose(&mut lock(&self.list));
            let Some(thread) = chosen else { break };
            thread.unpark();
        }
        if missing > counts.parked() && counts.asks_for_a_call() {
            self.call(&lock(&self.list)).iter().for_each(thread::Thread::unpark);
        }
    }

    /// Wakes the most recently parked worker, unless somebody searches; calls the supervisor if nobody sleeps.
    #[cold]
    pub fn wake_one(&self) {
        let mut list = lock(&self.list);
        // Looked at again under the lock: of many pushers that come here together one wakes a worker.
        let chosen = if self.counts().needs_wake() {
            self.choose(&mut list).or_else(|| self.call(&list))
        } else {
            None
        };
        drop(list);
        if let Some(thread) = chosen {
            thread.unpark();
        }
    }

    /// Wakes everyone, for a change of the pool's state that all must see.
    pub fn wake_all(&self) {
        let mut list = lock(&self.list);
        let chosen: Vec<_> = std::iter::from_fn(|| self.choose(&mut list)).collect();
        drop(list);
        chosen.iter().for_each(thread::Thread::unpark);
    }

    /// Wakes up to `most` of those that rest with nothing to do and are `wanted`, the longest parked first: they have
    /// something to see to.
    pub fn wake_where(&self, most: usize, wanted: impl Fn(usize) -> bool) {
        let mut list = lock(&self.list);
        let mut chosen = Vec::new();
        let mut place = 0;
        while chosen.len() < most && place < list.parked.len() {
            let parked = &list.parked[place];
            if parked.rest == ParkReason::Idle && wanted(parked.park_slot.index()) {
                let parked = list.parked.remove(place);
                chosen.push(self.raise(parked));
            } else {
                place += 1;
            }
        }
        drop(list);
        chosen.iter().for_each(thread::Thread::unpark);
    }

    /// Whether all workers rest, none of them in the middle of a task, and `condition` holds meanwhile: nobody leaves
    /// the list while it is looked at, nobody joins the pool or leaves it, and what all of them did before they lay down,
    /// or left, is visible.
    pub fn while_all_parked(&self, condition: impl FnOnce() -> bool) -> bool {
        let list = lock(&self.list);
        let resting = list.parked.iter().filter(|parked| parked.rest == ParkReason::Idle).count();
        resting == list.enlisted && condition()
    }

    /// The supervisor's thread, if it asks to be called. The caller unparks it.
    fn call(&self, list: &List) -> Option<thread::Thread> {
        if self.no_calls() { list.autoscaler.clone() } else { None }
    }

    /// Takes the most recently parked worker out of the list and turns it into a searcher. The caller unparks the
    /// thread, best after it has let go of the lock.
    fn choose(&self, list: &mut List) -> Option<thread::Thread> {
        Some(self.raise(list.parked.pop()?))
    }

    /// Turns a worker that has been taken out of the list into a searcher.
    fn raise(&self, Parked { park_slot, thread, rest }: Parked) -> thread::Thread {
        self.hint.store(park_slot.index, Ordering::Relaxed); // a guess
        // The count comes first: once the park_slot is free the worker may run and leave the search.
        self.counts.fetch_add(SEARCHING.wrapping_sub(resting(rest)), Ordering::Relaxed);
        // Release pairs with the Acquire in `park_state`: the worker sees the count that it will give back.
        park_slot.park_state.store(UP, Ordering::Release);
        thread
    }
}

fn searching(role: Role) -> u64 {
    match role {
        Role::Active => 0,
        Role::Searching => SEARCHING,
    }
}

fn resting(rest: ParkReason) -> u64 {
    match rest {
        ParkReason::Idle => PARKED,
        ParkReason::Waiting => PARKED + WAITING,
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
