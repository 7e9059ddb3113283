//! [`blocking`]: what a task does that waits for something else than the pool.

use std::cell::Cell;

use crate::push::shared::Shared;
use crate::runtime::current::Current;
use crate::runtime::worker_thread::Absence;

/// Calls `f`, which blocks (it reads a file, asks a server, waits for a lock or a channel), and has another worker of the
/// pool whose task calls this work meanwhile. So the pool keeps as many workers that compute as it should have.
///
/// What is queued on this worker is taken by others; of the halves of joins that it has forked, the oldest is. The stand-in
/// may be a thread that is kept ready, or started now, which takes some 50 us. It leaves again when `f` has returned or
/// panicked and it is between two tasks, and its thread stays for the
/// [idle timeout](crate::Scaling::idle_timeout), for the next that blocks. There are at most
/// [`blocking_limit`](crate::PoolBuilder::blocking_limit) at a time; beyond that, if the operating system gives no thread, or
/// inside of another `blocking`, `f` is called all the same. Outside of a pool it is only called.
///
/// Waiting for a task of the own pool by [`JoinHandle::join`](crate::JoinHandle::join) or a scope needs none of this, but
/// does no harm in it.
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = longshore::Pool::builder().workers(1).build()?;
/// let (sender, receiver) = mpsc::channel();
/// // The only worker waits for what another task sends.
/// let waits = pool.submit(move || longshore::blocking(|| receiver.recv()))?;
/// pool.execute(move || sender.send(42).expect("somebody waits"))?;
/// assert_eq!(waits.join()?, Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If `f` does; the stand-in leaves then as well.
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let _away = Away::begin(None);
    f()
}

/// As [`blocking`], of the pool of this number only.
pub fn blocking_in<R>(pool: u32, f: impl FnOnce() -> R) -> R {
    let _away = Away::begin(Some(pool));
    f()
}

thread_local! {
    /// Whether another worker stands in for the one that this thread acts as.
    static IS_AWAY: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread does not count as a worker that computes for as long as this lives.
struct Away {
    /// Goes before the mark does.
    _absence: AnyAbsence,
    was_away: bool,
}

enum AnyAbsence {
    Push(#[expect(dead_code, reason = "its end is what matters")] Absence<Shared>),
    Pull(#[expect(dead_code, reason = "its end is what matters")] Absence<crate::pull::shared::Shared>),
    None,
}

impl Away {
    fn begin(pool: Option<u32>) -> Self {
        let was_away = IS_AWAY.get();
        let is_meant = |id| !was_away && pool.is_none_or(|pool| pool == id);
        let absence = Current::with(|current| match current {
            Current::Push(worker) if is_meant(worker.shared().id) => {
                worker.make_way();
                Absence::begin(worker.shared()).map(AnyAbsence::Push)
            }
            Current::Pull(worker) if is_meant(worker.shared().id) => {
                Absence::begin(worker.shared()).map(AnyAbsence::Pull)
            }
            Current::Push(_) | Current::Pull(_) | Current::None => None,
        });
        IS_AWAY.set(was_away || absence.is_some());
        Away { _absence: absence.unwrap_or(AnyAbsence::None), was_away }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        IS_AWAY.set(self.was_away);
    }
}
