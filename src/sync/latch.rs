//! A one-time event with one waiter, in memory that the waiter owns.
//!
//! The memory is usually a stack frame of the waiter (a job of `push/job.rs`, a call of
//! `runtime/awaited_latch.rs`), and it may be gone as soon as the waiter sees that the latch is set. So the
//! setter takes a pointer instead of a reference, and touches the latch no more after the one operation that
//! sets it. (rayon's issues 739 and 1011 show what happens otherwise.) The waiter waits on one thread at a
//! time; any thread may set or nudge.
//!
//! | state    | meaning                              | changed by                                          |
//! |----------|--------------------------------------|-----------------------------------------------------|
//! | `UNSET`  | not set; the cell is empty           | the waiter (to `ARMED`), the setter (to the result) |
//! | `ARMED`  | not set; the cell holds a thread     | the thread that takes it out (to `TAKING`)          |
//! | `TAKING` | not set; a thread reads the cell     | the same thread, when it has read it (to `UNSET`)   |
//! | `DONE`, `UNSTARTED` | set                        | never changes                                       |
//!
//! In state `UNSET` the cell belongs to the waiter. In state `TAKING` it belongs to the thread that set this
//! state: the setter, a thread that nudges ([`Latch::nudge`]), or the waiter itself. Guarded by the models
//! `latches` and `forks`.

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicU32, Ordering, Tomb, UninitCell, fence, spin_loop, thread};

const UNSET: u32 = 0;
const ARMED: u32 = 1;
const DONE: u32 = 2;
const UNSTARTED: u32 = 3;
const TAKING: u32 = 4;

/// The result that a latch was set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchResult {
    /// The awaited work is done.
    Done,
    /// The awaited work has not been started, and only the waiter may still run it.
    Unstarted,
}

/// A one-time event with one waiter; see the module's text.
pub struct Latch {
    state: AtomicU32,
    waiter: UninitCell<thread::Thread>,
    tomb: Tomb,
}

impl Latch {
    /// A latch that is not set.
    #[inline(always)]
    pub fn new() -> Self {
        Latch { state: AtomicU32::new(UNSET), waiter: UninitCell::empty(), tomb: Tomb::new() }
    }

    /// The result, if the latch is set.
    #[inline]
    pub fn result(&self) -> Option<LatchResult> {
        // Acquire pairs with the Release in `set`: a thread that sees the result sees the work done before
        // it.
        match self.state.load(Ordering::Acquire) {
            DONE => Some(LatchResult::Done),
            UNSTARTED => Some(LatchResult::Unstarted),
            _ => None,
        }
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.result().is_some()
    }

    /// Whether the latch holds its waiter: it is not set, and the waiter has not been nudged since it armed
    /// the latch.
    pub fn is_armed(&self) -> bool {
        // Acquire: like `result`, because the waiter takes "not armed" for news and looks for them.
        self.state.load(Ordering::Acquire) == ARMED
    }

    /// Sets the latch, and wakes the waiter if it is parked.
    ///
    /// # Safety
    /// `this` points to a latch that stays valid until it is set, and no other call sets it.
    pub unsafe fn set(this: *const Latch, result: LatchResult) {
        let word = match result {
            LatchResult::Done => DONE,
            LatchResult::Unstarted => UNSTARTED,
        };
        // SAFETY: the latch is valid until it is set, which is when the exchange below succeeds. The
        // reference is not used after that.
        let latch = unsafe { &*this };
        let mut waiter = None;
        // Release pairs with the Acquire in `result`. Relaxed on failure: `take_waiter` reads the cell with
        // Acquire.
        while latch.state.compare_exchange(UNSET, word, Ordering::Release, Ordering::Relaxed).is_err() {
            // Takes the waiter out first, because its cell may be gone once the latch is set.
            match latch.take_waiter() {
                Some(taken) => waiter = Some(taken),
                None => spin_loop(), // another thread takes it out now, which takes a few instructions
            }
        }
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    /// Wakes the waiter, if it is parked, to look for work. It must arm the latch again before it parks
    /// again.
    ///
    /// The caller has published something for the waiter, and executed a sequentially consistent fence after
    /// that. The fence pairs with the one in [`Latch::arm`].
    pub fn nudge(&self) {
        self.tomb.touch();
        // Relaxed: a guess that `take_waiter` verifies. The caller's fence orders it after the publication.
        if self.state.load(Ordering::Relaxed) == ARMED {
            if let Some(waiter) = self.take_waiter() {
                waiter.unpark();
            }
        }
    }

    /// Takes the waiter out, if there is one. It must arm the latch again before it parks.
    fn take_waiter(&self) -> Option<thread::Thread> {
        self.tomb.touch();
        // Acquire pairs with the Release in `arm`: the thread handle is visible. Release would order nothing,
        // because the work of this thread is published by the result of the latch, or by a queue.
        self.state.compare_exchange(ARMED, TAKING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: the state was ARMED, so the cell holds a thread handle. The cell belongs to this thread
        // until it leaves TAKING, and the handle is read once, because the state then says that the cell is
        // empty.
        let waiter = unsafe { self.waiter.read() };
        // Release pairs with the Acquire in `arm`, whose write to the cell comes after this read. It also
        // pairs with the Acquire in `result`, through the result that replaces this value: the memory may be
        // freed after that.
        self.state.store(UNSET, Ordering::Release);
        Some(waiter)
    }

    /// Asks for an unpark of the calling thread when the latch is set or [nudged](Latch::nudge). Returns
    /// `false` if the latch is set already.
    ///
    /// Before it parks, the caller must look once more for everything else that could wake it. A nudge that
    /// came too early to find the waiter was preceded by a publication, which that look finds.
    ///
    /// # Safety
    /// Only the waiter calls this, on one thread at a time.
    pub unsafe fn arm(&self) -> bool {
        drop(self.take_waiter()); // the waiter's own handle, from an earlier call
        // Another thread may be reading that handle now. Acquire pairs with the Release in `take_waiter`.
        while self.state.load(Ordering::Acquire) == TAKING {
            spin_loop();
        }
        // SAFETY: the state is neither ARMED nor TAKING, and only the waiter, which is this thread, can make
        // it so. So no other thread accesses the cell.
        unsafe { self.waiter.write(thread::current()) };
        // Release pairs with the Acquire in `take_waiter`. Relaxed on failure: the caller reads the result
        // with `result`.
        if self.state.compare_exchange(UNSET, ARMED, Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: the handle was written above, and is read once. No other thread has seen it, because
            // the state never became ARMED.
            drop(unsafe { self.waiter.read() });
            return false;
        }
        // Pairs with the fence before a nudge: either the nudge sees ARMED, or the caller's look for work,
        // which follows, sees what was published before the nudge. Without this fence both could miss each
        // other.
        fence(Ordering::SeqCst);
        true
    }

    /// Replaces the deallocation of the memory that contains the latch.
    #[cfg(longshore_loom)]
    pub fn bury(&self) {
        self.tomb.bury();
    }
}

// SAFETY: the state hands the cell from thread to thread, as the table in the module's text says, so no two
// threads access it at a time. A thread handle may be used on any thread.
unsafe impl Sync for Latch {}

impl_debug! { Latch { is_set } }

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, fence};

    use super::*;

    #[test]
    fn a_parked_waiter_is_woken_by_nudges_and_by_the_end() {
        for round in 0..2000 {
            let (latch, news) = (Latch::new(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    news.store(true, Ordering::Relaxed);
                    fence(Ordering::SeqCst);
                    latch.nudge();
                    // SAFETY: the scope keeps the latch alive, and this is the only call that sets it.
                    unsafe { Latch::set(&latch, LatchResult::Done) };
                });
                let mut heard = round % 2 == 0;
                while !latch.is_set() {
                    // SAFETY: only this thread waits.
                    if unsafe { latch.arm() } && (heard || !news.load(Ordering::Relaxed)) {
                        thread::park();
                    }
                    heard |= news.load(Ordering::Relaxed);
                }
                // SAFETY: only this thread waits.
                assert!(!unsafe { latch.arm() }, "it is set");
                assert_eq!(latch.result(), Some(LatchResult::Done));
            });
        }
    }

    #[test]
    fn a_latch_set_to_returned_says_so() {
        let latch = Latch::new();
        assert_eq!(latch.result(), None);
        // SAFETY: the latch is alive, and this is the only call that sets it.
        unsafe { Latch::set(&latch, LatchResult::Unstarted) };
        assert_eq!(latch.result(), Some(LatchResult::Unstarted));
    }
}
