//! The tracks that the calling thread writes while pools are recorded, and what it writes into them.
//!
//! A track belongs to one thread at a time (`crates/trace/src/recorder/track.rs`). A worker keeps its track
//! in a [`TrackSlot`], and the thread that acts as the worker finds it by a thread-local. A thread from
//! outside has a track for each recorded pool to which it submits, in a list of its own.
//!
//! While the pool of a worker is not recorded the thread-local is empty, so each place that would write a
//! record costs one look at it. The path of a task does not even have that: the worker's `TaskCounts` know
//! whether tasks are recorded, by a byte that they read anyway (`task/counts.rs`).
//!
//! Guarded by `tests/recording`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use longshore_trace::record::{Outcome, Place, Rest, Source, WaitFor, Wake};
use longshore_trace::recorder::{Begun, LabelCache, Recorder, Track};

use crate::base::unwind;

/// What a worker has made so far. The track writes the differences.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Tasks that its tasks have submitted.
    pub submitted: u64,
    /// Forks that its tasks have made.
    pub forks: u64,
}

/// A function that reads [`Made`] from the counters of a worker.
pub type ReadMade = Box<dyn Fn() -> Made + Send>;

/// Told of what a recording may be saved for. Called in the middle of a task's end, so it returns at once.
pub trait TriggerTarget: fmt::Debug + Send + Sync {
    /// A task has panicked.
    fn task_panicked(&self);
    /// A task took so many ticks, perhaps longer than the limit.
    fn task_took_long(&self, ticks: u64);
    /// A task was not started before its deadline.
    fn task_expired(&self);
    /// Whether the recording has ended.
    fn has_ended(&self) -> bool;
}

/// What a track belongs to.
#[derive(Debug)]
pub struct TrackOwner {
    /// The id of the pool.
    pub pool: u32,
    /// The number of the recording, so that a track of an earlier one is not taken for one of this.
    pub generation: u32,
    /// The recorder, which knows the labels.
    pub recorder: Recorder,
    /// Told of the triggers.
    pub triggers: Arc<dyn TriggerTarget>,
    /// The least ticks of a task of which a trigger is told.
    pub limit: u64,
}

/// A track, and what is needed to write it from the places where the pool knows what happens.
pub struct RecordedTrack {
    owner: TrackOwner,
    track: Track,
    labels: LabelCache,
    /// How the task that begins next comes to be run.
    source: Cell<Source>,
    /// Whether the waiting task has slept or spun since the last record.
    has_idled: Cell<bool>,
    /// The task at hand, and about when it has begun, in ticks.
    top: Cell<Option<(Begun, u64)>>,
    /// The tasks beneath, the youngest last.
    beneath: RefCell<Vec<(Begun, u64)>>,
    read_made: ReadMade,
    /// What the records account for.
    counted: Cell<Made>,
    /// Context switches at the last sample, voluntary and involuntary, and its time in ticks.
    switches: Cell<Option<(u64, u64, u64)>>,
}

impl fmt::Debug for RecordedTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedTrack").field("pool", &self.owner.pool).field("track", &self.track).finish()
    }
}

impl RecordedTrack {
    /// A track whose differences come from `read_made`.
    pub fn new(owner: TrackOwner, track: Track, read_made: ReadMade) -> Self {
        RecordedTrack {
            track,
            labels: LabelCache::default(),
            source: Cell::new(Source::Deque),
            has_idled: Cell::new(false),
            top: Cell::new(None),
            beneath: RefCell::default(),
            counted: Cell::new(read_made()),
            read_made,
            switches: Cell::new(None),
            owner,
        }
    }

    /// The id of the pool.
    pub fn pool(&self) -> u32 {
        self.owner.pool
    }

    /// The number of the recording.
    pub fn generation(&self) -> u32 {
        self.owner.generation
    }

    /// The track, whose counts of submissions and forks are now those of the worker.
    fn synced(&self) -> &Track {
        let made = (self.read_made)();
        let before = self.counted.replace(made);
        let difference =
            |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        self.track.spawned_some(difference(made.submitted, before.submitted));
        self.track.forked_some(difference(made.forks, before.forks));
        &self.track
    }
}

/// Threads.
impl RecordedTrack {
    /// A thread begins to write the track.
    pub fn starts(&self, name: &str, core: Option<usize>) {
        self.track.starts(self.owner.recorder.label(name), core);
    }

    /// The worker ends; `is_retired` if the pool goes on without it.
    pub fn exits(&self, is_retired: bool) {
        self.synced().exits(is_retired);
    }

    /// A sample of the thread's processor time, if the last one is older than `age` microseconds. `read`
    /// returns nanoseconds, and the context switches of the thread so far, voluntary and involuntary.
    pub fn samples_cpu(&self, age: u64, read: impl FnOnce() -> Option<(u64, u64, u64)>) {
        let age = age * longshore_trace::recorder::clock::ROUGH_TICKS_PER_US;
        if self.switches.get().is_some_and(|(.., last)| self.track.last_time().saturating_sub(last) < age) {
            return;
        }
        let Some((nanos, voluntary, involuntary)) = read() else { return };
        let (before, earlier, _) = self.switches.get().unwrap_or((voluntary, involuntary, 0));
        let since = |now: u64, before: u64| now.saturating_sub(before);
        self.synced().cpu(nanos, since(voluntary, before), since(involuntary, earlier));
        self.switches.set(Some((voluntary, involuntary, self.track.last_time())));
    }
}

/// Tasks.
impl RecordedTrack {
    /// Says how the task that begins next comes to be run.
    pub fn set_source(&self, source: Source) {
        self.source.set(source);
    }

    /// A task begins.
    #[inline]
    pub fn begins(&self) {
        self.begins_as(self.source.replace(Source::Deque));
    }

    /// Something begins that comes from `source`.
    pub fn begins_as(&self, source: Source) {
        if self.has_idled.take() {
            self.track.searches();
        }
        if let Some(beneath) = self.top.take() {
            self.synced();
            self.beneath.borrow_mut().push(beneath);
        }
        let begun = self.track.begin(source);
        self.top.set(Some((begun, self.track.last_time())));
    }

    /// The task that began last ends. Nothing is written if it began before the recording.
    pub fn ends(&self, outcome: Outcome) {
        let Some((begun, begun_at)) = self.top.take() else { return };
        self.synced().end(begun, outcome);
        self.top.set(self.beneath.borrow_mut().pop());
        let ticks = self.track.last_time().saturating_sub(begun_at);
        if ticks >= self.owner.limit {
            self.owner.triggers.task_took_long(ticks);
        }
        if outcome == Outcome::Panicked {
            self.owner.triggers.task_panicked();
        }
    }

    /// An entry of a queue was taken that held no task any more.
    pub fn finds_empty_entry(&self) {
        self.begins();
        self.ends(Outcome::Empty);
    }

    /// A task was taken whose deadline had passed.
    pub fn expires(&self) {
        self.owner.triggers.task_expired();
    }

    /// Whether a task runs that has begun in the recording.
    fn runs_task(&self) -> bool {
        let top = self.top.take();
        let runs = top.is_some();
        self.top.set(top);
        runs
    }

    /// Gives the task at hand a label.
    pub fn label(&self, text: &'static str) {
        self.track.label(self.owner.recorder.label_cached(text, &self.labels));
    }

    /// The task at hand has put a task into the deque, and a worker is about to be woken for it.
    pub fn spawns_now(&self) {
        self.synced().spawns_now();
    }

    /// The next submissions that the worker counts are told by other records.
    pub fn skips_submissions(&self, count: u64) {
        self.synced();
        let counted = self.counted.get();
        self.counted.set(Made { submitted: counted.submitted + count, ..counted });
    }
}

/// Queues.
impl RecordedTrack {
    /// A task was put into a place of an inbox.
    pub fn submitted(&self, worker: usize, position: u64) {
        self.synced().submitted(worker, position);
    }

    /// Tasks were put into consecutive places of an inbox.
    pub fn submitted_batch(&self, worker: usize, position: u64, count: usize) {
        self.synced().submitted_batch(worker, position, count);
    }

    /// Tasks are about to be put into another queue.
    pub fn puts(&self, place: Place, worker: usize, count: usize) {
        self.synced().put(place, worker, count);
    }

    /// So many tasks are in the own deque and inbox.
    pub fn depth(&self, deque: usize, inbox: usize) {
        self.synced().depth(deque, inbox);
    }

    /// Tasks were taken from an inbox.
    pub fn took(&self, worker: usize, position: u64, count: usize) {
        self.synced().took(worker, position, count);
        self.source.set(Source::Batch);
    }

    /// Tasks were taken from a deque, the oldest ones.
    pub fn stole(&self, victim: usize, count: usize) {
        self.synced().stole(victim, count);
        self.source.set(Source::Batch);
    }

    /// Tasks were taken from another queue.
    pub fn got(&self, place: Place, worker: usize, count: usize) {
        self.synced().got(place, worker, count);
        self.source.set(Source::Batch);
    }

    /// What was taken last is not run here.
    pub fn forgets_take(&self) {
        self.source.set(Source::Deque);
    }
}

/// Forks, waits, sleep.
impl RecordedTrack {
    /// A fork is about to be shown to thieves.
    pub fn shows_fork(&self, fork: usize) {
        self.synced().offered(fork, None);
    }

    /// A fork was taken from the offer of a worker.
    pub fn stole_fork(&self, victim: usize, fork: usize) {
        self.synced().stole_fork(victim, fork);
    }

    /// The task at hand waits for a fork that was taken.
    pub fn waits_for_fork(&self, fork: usize) {
        self.synced().waits_for_fork(fork);
    }

    /// The task at hand waits.
    pub fn waits(&self, what: WaitFor) {
        self.synced().waits(what);
    }

    /// It goes on.
    pub fn resumes(&self) {
        self.has_idled.set(false);
        self.source.set(Source::Deque);
        self.synced().resumed();
    }

    /// Time passes in a wait, in which nothing runs.
    pub fn idles(&self) {
        self.has_idled.set(true);
    }

    /// The task at hand blocks.
    pub fn blocks(&self) {
        self.synced().blocks();
    }

    /// It goes on.
    pub fn unblocks(&self) {
        self.synced().unblocked();
    }

    /// The worker begins to search.
    pub fn searches(&self) {
        self.synced().searches();
    }

    /// The worker is about to sleep.
    pub fn parks(&self, why: Rest) {
        self.synced().parks(why);
    }

    /// The worker is awake again.
    pub fn unparks(&self, why: Wake) {
        self.synced().unparked(why);
    }
}

/// The place of a worker's track. Belongs to the thread that acts as the worker.
#[derive(Debug, Default)]
pub struct TrackSlot(RefCell<Option<Box<RecordedTrack>>>);

impl TrackSlot {
    /// The number of the recording that the track belongs to, or 0 without a track.
    pub fn generation(&self) -> u32 {
        self.0.borrow().as_ref().map_or(0, |track| track.generation())
    }

    /// Puts a track in. Called by the thread that acts as the worker of this slot.
    pub fn install(&self, track: Box<RecordedTrack>) {
        *self.0.borrow_mut() = Some(track);
        CURRENT.set(Some(NonNull::from(self)));
    }

    /// Takes the track out. Called by the thread that acts as the worker of this slot.
    pub fn remove(&self) -> Option<Box<RecordedTrack>> {
        if CURRENT.get() == Some(NonNull::from(self)) {
            CURRENT.set(None);
        }
        self.0.borrow_mut().take()
    }

    /// Calls `f` with the track, if there is one.
    pub fn with(&self, f: impl FnOnce(&RecordedTrack)) {
        if let Some(track) = &*self.0.borrow() {
            f(track);
        }
    }

    /// Makes this the slot of the calling thread, if it has a track, until the returned value is dropped.
    pub fn enter(&self) -> TrackBefore<'_> {
        let own = self.0.borrow().is_some().then(|| NonNull::from(self));
        TrackBefore { before: CURRENT.replace(own), slot: PhantomData }
    }
}

/// The slot that the calling thread had before; restored by the drop.
#[derive(Debug)]
#[must_use]
pub struct TrackBefore<'a> {
    before: Option<NonNull<TrackSlot>>,
    slot: PhantomData<&'a TrackSlot>,
}

impl Drop for TrackBefore<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

thread_local! {
    /// The slot of the worker that the calling thread acts as, if it has a track. Constant and without a
    /// destructor: it takes one instruction to reach, and is usable while other thread-locals are destroyed.
    static CURRENT: Cell<Option<NonNull<TrackSlot>>> = const { Cell::new(None) };
}

/// Calls `f` with the track of the worker that the calling thread acts as, if its pool is recorded.
#[inline(always)]
pub fn with(f: impl FnOnce(&RecordedTrack)) {
    if let Some(slot) = CURRENT.get() {
        with_slot_seldom(slot, f);
    }
}

#[cold]
#[inline(never)]
fn with_slot_seldom(slot: NonNull<TrackSlot>, f: impl FnOnce(&RecordedTrack)) {
    with_slot(slot, f);
}

/// As [`with`], for a caller that knows that there is a track.
#[inline(always)]
pub fn with_present(f: impl FnOnce(&RecordedTrack)) {
    if let Some(slot) = CURRENT.get() {
        with_slot(slot, f);
    }
}

#[inline(always)]
fn with_slot(slot: NonNull<TrackSlot>, f: impl FnOnce(&RecordedTrack)) {
    // SAFETY: the pointer was made from a reference in `TrackSlot::enter` or `TrackSlot::install`, so it is
    // aligned and valid. The guard of `enter` borrows the slot and removes the pointer before the borrow
    // ends; `install` is called while such a guard exists on this thread. So the slot is alive. It is only
    // shared.
    unsafe { slot.as_ref() }.with(f);
}

/// Gives the task that the calling thread runs a label, if it is recorded.
#[inline]
pub fn label(text: &'static str) {
    if CURRENT.get().is_some() {
        with(|track| track.label(text));
    } else if HAS_OUTSIDE.get() {
        label_outside(text);
    }
}

/// Gives a label to the task that a thread from outside runs because its pool is full.
#[cold]
fn label_outside(text: &'static str) {
    _ = OUTSIDE.try_with(|list| {
        let Ok(list) = list.try_borrow() else { return };
        let tracks = list.iter().rev().filter_map(|entry| entry.track.as_ref());
        tracks.filter(|track| track.runs_task()).take(1).for_each(|track| track.label(text));
    });
}

/// The task at hand waits until the returned value is dropped.
#[inline(always)]
pub fn wait(what: impl FnOnce() -> WaitFor) -> RecordedWait {
    let is_recorded = CURRENT.get().is_some();
    if is_recorded {
        with(|track| track.waits(what()));
    }
    RecordedWait { is_recorded }
}

/// A wait of the task at hand, which may be recorded.
#[derive(Debug)]
#[must_use]
pub struct RecordedWait {
    is_recorded: bool,
}

impl Drop for RecordedWait {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_recorded {
            with(|track| track.resumes());
        }
    }
}

/// Calls `work`, which is no task of the pool, on the worker that the calling thread has leased.
#[inline]
pub fn in_lease<R>(work: impl FnOnce() -> R) -> R {
    if CURRENT.get().is_none() {
        return work();
    }
    with(|track| {
        track.unparks(Wake::Chosen);
        track.begins_as(Source::Lease);
    });
    let result = unwind::catch(work);
    with(|track| {
        track.ends(if result.is_ok() { Outcome::Completed } else { Outcome::Panicked });
        track.parks(Rest::Idle); // as the worker's own thread, which goes on sleeping
    });
    result.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// What a thread from outside knows of a recording.
struct OutsideTrack {
    pool: u32,
    generation: u32,
    /// `None` if the recorder had no track for the thread.
    track: Option<RecordedTrack>,
}

thread_local! {
    /// The tracks of a thread that submits from outside.
    static OUTSIDE: RefCell<Vec<OutsideTrack>> = const { RefCell::new(Vec::new()) };
    /// Whether the list holds anything. Constant and without a destructor.
    static HAS_OUTSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` with the calling thread's track for a pool that it is outside of. `make` makes the track, if the
/// recording with this number is not known to the thread; `None` if there are too many tracks.
pub fn with_outside(
    pool: u32,
    generation: u32,
    make: impl FnOnce() -> Option<RecordedTrack>,
    f: impl FnOnce(&RecordedTrack),
) {
    // Fails while this thread's locals are being destroyed, and when `f` of another call is at work: nothing
    // is recorded then.
    _ = OUTSIDE.try_with(|list| {
        let Ok(mut list) = list.try_borrow_mut() else { return };
        let is_it = |entry: &OutsideTrack| entry.pool == pool && entry.generation == generation;
        let place = list.iter().position(is_it).unwrap_or_else(|| {
            list.retain(|entry| entry.track.as_ref().is_some_and(|track| !track.owner.triggers.has_ended()));
            list.push(OutsideTrack { pool, generation, track: make() });
            HAS_OUTSIDE.set(true);
            list.len() - 1
        });
        list[place].track.iter().for_each(f_once(f));
    });
}

/// A function that may be called once, as one that may be called often.
fn f_once<T: ?Sized>(f: impl FnOnce(&T)) -> impl FnMut(&T) {
    let mut f = Some(f);
    move |value| f.take().into_iter().for_each(|f| f(value))
}

/// The calling thread, which is no worker of the pool, waits for something of that pool until the returned
/// value is dropped.
#[inline]
pub fn wait_outside(pool: u32, what: impl FnOnce() -> WaitFor) -> WaitOutside {
    let is_recorded = HAS_OUTSIDE.get();
    if is_recorded {
        with_known_outside(pool, |track| track.waits(what()));
    }
    WaitOutside { pool: is_recorded.then_some(pool) }
}

fn with_known_outside(pool: u32, f: impl FnOnce(&RecordedTrack)) {
    _ = OUTSIDE.try_with(|list| {
        let Ok(list) = list.try_borrow() else { return };
        let known = list.iter().rev().find(|entry| entry.pool == pool);
        known.and_then(|entry| entry.track.as_ref()).into_iter().for_each(f_once(f));
    });
}

/// A wait of a thread from outside, which may be recorded.
#[derive(Debug)]
#[must_use]
pub struct WaitOutside {
    pool: Option<u32>,
}

impl Drop for WaitOutside {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            with_known_outside(pool, |track| track.resumes());
        }
    }
}
