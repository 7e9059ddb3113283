//! How the recording of a pool begins and ends, and how threads find their tracks in it.
//!
//! Any thread begins and ends a recording. A worker takes up its track between two tasks
//! (`WorkerLoop::look_at_recorder`), because `Request::Record` asks it to, or when it has run out of work. A
//! thread from outside gets its track when it first submits. What they write is in `base/recording.rs`, and
//! what is made of it in `active_recording.rs`. Guarded by `tests/recording` and
//! `tests/process_recording.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use longshore_trace::format::Facts;

use crate::base::error::BuildError;
use crate::base::facade::lock;
use crate::base::page::RecordingFormat;
use crate::base::record_error::RecordError;
use crate::base::recording::{self, RecordedTrack};
use crate::runtime::active_recording::{ActiveRecording, RecordedPool};
use crate::runtime::control::{Phase, Request};
use crate::runtime::core::Core;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::recorder_settings::Recorder;
use crate::runtime::recorder_slot;

/// Begins to record a pool.
pub fn begin<M: PoolKind>(shared: &Arc<M>, settings: Recorder) -> Result<Arc<ActiveRecording>, RecordError> {
    settings.paths().try_for_each(|path| RecordingFormat::of(path).map(|_| ()))?;
    if shared.is_forked() {
        return Err(RecordError::Forked);
    }
    if shared.phase() >= Phase::Ended {
        return Err(RecordError::Closed);
    }
    let slot = &shared.recorder;
    let mut active = lock(&slot.active);
    if active.is_some() {
        return Err(RecordError::AlreadyRecorded);
    }
    let generation = slot.generation() + 1;
    let stats = {
        let pool = Arc::downgrade(shared);
        move || pool.upgrade().map(|pool| (pool.stats(), pool.has_ended()))
    };
    let remove = {
        let pool = Arc::downgrade(shared);
        move || pool.upgrade().iter().for_each(|pool| remove(&**pool, generation))
    };
    let members = shared.members().len();
    let recording = ActiveRecording::new(
        pool_facts(shared),
        settings,
        generation,
        RecordedPool { is_whole: members == 0, stats: Box::new(stats), remove: Box::new(remove) },
    )?;
    *active = Some(recording.clone());
    slot.generation.store(generation, Ordering::Relaxed); // under the lock; see `RecorderSlot::generation`
    slot.home_id.store(recorder_slot::RECORDED, Ordering::Relaxed); // see `RecorderSlot::home_id`
    drop(active);
    tell_workers(shared, members);
    Ok(recording)
}

/// Begins to record a pool that starts. What the environment asks for does not keep a pool from starting.
pub fn begin_with_pool<M: PoolKind>(shared: &Arc<M>, mut settings: Recorder) -> Result<(), BuildError> {
    let is_from_environment = settings.is_from_environment();
    settings.take_number();
    match begin(shared, settings) {
        Err(error) if is_from_environment => eprintln!("longshore: nothing is recorded: {error}"),
        Err(source) => return Err(BuildError::Recorder { source }),
        Ok(_) => {}
    }
    Ok(())
}

/// Completes the file of the recording, if there is one, because the pool has ended. Errors are printed.
pub fn finish(core: &Core) {
    if let Some(recording) = core.recorder.active() {
        recording.finish_with_pool();
    }
}

/// Ends the recording of a pool whose threads could not be started.
pub fn abandon(core: &Core) {
    if let Some(recording) = core.recorder.active() {
        recording.finish_with_pool();
        recording.return_number();
    }
}

/// Ends the recording of this number in the pool, without writing anything.
fn remove<M: PoolKind>(shared: &M, generation: u32) {
    let slot = &shared.recorder;
    {
        let mut active = lock(&slot.active);
        if slot.generation() != generation {
            return;
        }
        *active = None;
        slot.generation.store(generation + 1, Ordering::Relaxed); // under the lock
        slot.home_id.store(shared.id, Ordering::Relaxed); // see `RecorderSlot::home_id`
    }
    tell_workers(shared, shared.members().len());
}

/// Asks the workers to look at the recorder.
fn tell_workers(shared: &Core, members: usize) {
    if members > 0 {
        shared.recorder.unseen.store(members, Ordering::Relaxed); // a hint, see `Core::saw_recorder`
        shared.request(Request::Record);
        shared.idle.wake_all();
    }
}

impl Core {
    /// Whether the pool is recorded.
    #[inline(always)]
    pub fn is_recorded(&self) -> bool {
        self.recorder.is_on()
    }

    /// Called by a worker that has taken up a change of the recorder. The last of them takes the request
    /// back. (Should the count be wrong because workers have come or gone, workers look too often, or when
    /// they run out of work.)
    pub fn saw_recorder(&self) {
        let left = &self.recorder.unseen;
        // Relaxed: a hint.
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before.is_err() || before == Ok(1) {
            self.withdraw_request(Request::Record);
        }
    }

    /// Calls `f` with the calling thread's track in the recording of this pool.
    #[cold]
    pub fn note(&self, f: impl FnOnce(&RecordedTrack)) {
        if self.is_forked() {
            return; // a lock may be held by a thread that does not exist in this process
        }
        let mut f = Some(f);
        recording::with(|track| {
            if track.pool() == self.id {
                f.take().into_iter().for_each(|f| f(track));
            }
        });
        if let Some(f) = f {
            recording::with_outside(self.id, self.recorder.generation(), || self.outside_track(), f);
        }
    }

    /// A track for the calling thread, which is no worker of the pool.
    fn outside_track(&self) -> Option<RecordedTrack> {
        let active = self.recorder.active()?;
        active.outside_track(self.id)
    }
}

/// What a recording says of its pool.
fn pool_facts(core: &Core) -> Facts {
    let limits = core.config.limits;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let facts = [
        ("name", core.config.name.clone()),
        ("workers", limits.min.to_string()),
        ("min", limits.min.to_string()),
        ("max", limits.max.to_string()),
        ("cores", cores.to_string()),
    ];
    facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
