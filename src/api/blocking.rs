//! [`blocking`]: a task that blocks outside of the pool, while another worker stands in.
//!
//! The calling thread keeps a guard for the time of the call; the runtime starts and retires the stand-in
//! (`runtime/worker_thread.rs`). Guarded by `tests/elastic` and the model `rosters`.

use std::any::Any;
use std::cell::Cell;

use crate::api::pool::Pool;
use crate::base::recording;
use crate::runtime::current;

/// Calls `f`, which blocks: it reads a file, asks a server, waits for a lock or a channel. Meanwhile another
/// worker of the pool whose task calls this stands in, so that the number of computing workers stays the
/// same.
///
/// Other workers take the tasks queued on this worker, and the oldest half of a join that it has forked. The
/// stand-in is a spare thread, or a new thread, which takes about 50 µs to start. It retires after its
/// current task when `f` has returned or panicked. Its thread then stays for the
/// [idle timeout](crate::Scaling::idle_timeout), ready for the next call.
///
/// No worker stands in, and `f` is only called:
/// - if the pool has as many stand-ins as [`blocking_limit`](crate::PoolBuilder::blocking_limit) allows, for
///   workers in `blocking` and for workers whose task waits for long,
/// - if the operating system starts no thread,
/// - inside another `blocking`,
/// - outside of every pool.
///
/// A task that waits for a task of its own pool, by [`JoinHandle::join`](crate::JoinHandle::join) or in a
/// scope, does not need `blocking`.
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = longshore::Pool::builder().workers(1).build()?;
/// let (sender, receiver) = mpsc::channel();
/// // The only worker waits for what another task sends.
/// let answer = pool.submit(move || longshore::blocking(|| receiver.recv()))?;
/// pool.execute(move || sender.send(42).expect("the receiver exists"))?;
/// assert_eq!(answer.join()?, Ok(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// With the panic of `f`. The stand-in retires then as well.
#[doc(alias = "block_in_place")]
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let _away = BlockingGuard::begin(None);
    f()
}

/// Like [`blocking`], but only if the calling task is a task of the pool with this id.
pub fn blocking_in<R>(pool: u32, f: impl FnOnce() -> R) -> R {
    let _away = BlockingGuard::begin(Some(pool));
    f()
}

thread_local! {
    /// Whether another worker stands in for the worker that this thread acts as.
    static HAS_STAND_IN: Cell<bool> = const { Cell::new(false) };
}

/// While this exists, another worker stands in for the calling thread.
struct BlockingGuard {
    /// Tells the stand-in to retire when it is dropped.
    _stand_in: Option<Box<dyn Any>>,
    /// `HAS_STAND_IN` before, which the drop restores.
    had_stand_in: bool,
}

impl BlockingGuard {
    fn begin(pool: Option<u32>) -> Self {
        let had_stand_in = HAS_STAND_IN.get();
        let is_meant = |id| !had_stand_in && pool.is_none_or(|pool| pool == id);
        let stand_in = current::with(|worker| match worker {
            Some(worker) if is_meant(worker.core().id) => worker.begin_blocking(),
            _ => None,
        });
        HAS_STAND_IN.set(had_stand_in || stand_in.is_some());
        if !had_stand_in {
            recording::with(|track| track.blocks());
        }
        BlockingGuard { _stand_in: stand_in, had_stand_in }
    }
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        HAS_STAND_IN.set(self.had_stand_in);
        if !self.had_stand_in {
            recording::with(|track| track.unblocks());
        }
    }
}

/// Blocking inside a task.
impl Pool {
    /// Calls `f`, which blocks, while another worker of this pool stands in. The same as
    /// [`blocking`](crate::blocking()), but only in a task of this pool. Anywhere else `f` is only called.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = pool.blocking(|| std::fs::read_to_string("/no/such/file"));
    /// assert!(text.is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `f`. The stand-in retires then as well.
    pub fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        blocking_in(self.shared.id, f)
    }
}
