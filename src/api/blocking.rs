//! [`blocking`]: what a task does that waits for something else than the pool.

use crate::api::pool::Pool;
use std::any::Any;
use std::cell::Cell;

use crate::runtime::current;

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
    let _away = BlockingGuard::begin(None);
    f()
}

/// As [`blocking`], of the pool of this number only.
pub fn blocking_in<R>(pool: u32, f: impl FnOnce() -> R) -> R {
    let _away = BlockingGuard::begin(Some(pool));
    f()
}

thread_local! {
    /// Whether another worker stands in for the one that this thread acts as.
    static IS_AWAY: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread does not count as a worker that computes for as long as this lives.
struct BlockingGuard {
    /// Dropped first: the mark stays until the stand-in has been told to go.
    _stand_in: Option<Box<dyn Any>>,
    was_away: bool,
}

impl BlockingGuard {
    fn begin(pool: Option<u32>) -> Self {
        let was_away = IS_AWAY.get();
        let is_meant = |id| !was_away && pool.is_none_or(|pool| pool == id);
        let stand_in = current::with(|worker| match worker {
            Some(worker) if is_meant(worker.core().id) => worker.begin_blocking(),
            _ => None,
        });
        IS_AWAY.set(was_away || stand_in.is_some());
        BlockingGuard { _stand_in: stand_in, was_away }
    }
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        IS_AWAY.set(self.was_away);
    }
}

/// Blocking inside a task.
impl Pool {
    /// Calls `f`, which blocks, and has another worker of this pool work meanwhile: [`blocking`](crate::blocking), but only if
    /// the calling task is one of this pool. Anywhere else `f` is only called.
    pub fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        blocking_in(self.shared.id, f)
    }
}
