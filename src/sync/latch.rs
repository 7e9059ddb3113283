//! A latch: one thread waits until another says that something has come to an end, on memory that the waiter owns.
//!
//! The memory is usually a stack frame: it may be gone as soon as the waiter sees the latch set. So whoever sets it
//! takes a pointer and not a reference, and touches nothing of it after the one operation that sets it (rayon's
//! issues 739 and 1011 are what happens otherwise).
//!
//! | state    | meaning                                   | left by                                              |
//! |----------|-------------------------------------------|------------------------------------------------------|
//! | `WAITED` | not set; nobody sleeps                    | the waiter (to `ASLEEP`), the setter                 |
//! | `ASLEEP` | not set; the place holds the sleeper      | whoever takes the sleeper out (to `TAKING`)          |
//! | `TAKING` | not set; somebody reads the place         | the same, when he has read it (to `WAITED`)          |
//! | a verdict| set                                       | nobody                                               |
//!
//! The place belongs to the waiter while the state is `WAITED`, and while it is `TAKING` to whoever has made it so: the
//! setter, a thread with news for the sleeper ([`Latch::nudge`]), or the waiter itself.

use std::fmt;

use crate::base::facade::{AtomicU32, Ordering, Tomb, UninitCell, fence, spin_loop, thread};

const WAITED: u32 = 0;
const ASLEEP: u32 = 1;
const DONE: u32 = 2;
const RETURNED: u32 = 3;
const TAKING: u32 = 4;

/// What a latch was set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatchResult {
    /// What was waited for has been done.
    Done,
    /// It has not been begun, and never will be by anybody but the waiter.
    Returned,
}

/// See the module's text.
pub struct Latch {
    state: AtomicU32,
    sleeper: UninitCell<thread::Thread>,
    tomb: Tomb,
}

impl Latch {
    /// Not set.
    #[inline(always)]
    pub fn new() -> Self {
        Latch { state: AtomicU32::new(WAITED), sleeper: UninitCell::empty(), tomb: Tomb::new() }
    }

    /// What it was set to, if it was.
    #[inline]
    pub fn verdict(&self) -> Option<LatchResult> {
        // Acquire pairs with the Release in `set`: who sees the verdict sees what was done before.
        match self.state.load(Ordering::Acquire) {
            DONE => Some(LatchResult::Done),
            RETURNED => Some(LatchResult::Returned),
            _ => None,
        }
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.verdict().is_some()
    }

    /// Sets it, and wakes the waiter if it sleeps.
    ///
    /// # Safety
    /// `this` is a latch that lives until it is set, and this is the only call that sets it.
    pub unsafe fn set(this: *const Latch, verdict: LatchResult) {
        let word = match verdict {
            LatchResult::Done => DONE,
            LatchResult::Returned => RETURNED,
        };
        // SAFETY: alive until the exchange below succeeds, and not used after that.
        let latch = unsafe { &*this };
        let mut sleeper = None;
        // Release pairs with the Acquire in `verdict`. Relaxed on failure: the sleeper is read after `take_sleeper`.
        while latch.state.compare_exchange(WAITED, word, Ordering::Release, Ordering::Relaxed).is_err() {
            // The sleeper first: once the verdict is out, its place may be gone.
            match latch.take_sleeper() {
                Some(taken) => sleeper = Some(taken),
                None => spin_loop(), // somebody else takes it just now: a few instructions
            }
        }
        if let Some(sleeper) = sleeper {
            sleeper.unpark();
        }
    }

    /// Wakes the waiter, if it sleeps, to look around: it sleeps on only after it has armed the latch again. After a
    /// publication and a sequentially consistent fence; pairs with the fence in [`Latch::arm`].
    pub fn nudge(&self) {
        self.tomb.touch();
        // Relaxed: a guess that `take_sleeper` verifies; it is ordered after the publication by the caller's fence.
        if self.state.load(Ordering::Relaxed) == ASLEEP
            && let Some(sleeper) = self.take_sleeper()
        {
            sleeper.unpark();
        }
    }

    /// The sleeper, if there is one; it has to arm the latch again before it sleeps on.
    fn take_sleeper(&self) -> Option<thread::Thread> {
        self.tomb.touch();
        // Acquire pairs with the Release in `arm`: the sleeper's handle is visible. Release would order nothing: what
        // we have done is published by the verdict, or by a queue.
        self.state.compare_exchange(ASLEEP, TAKING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: the state was ASLEEP, so the place holds a sleeper, and it is ours until we leave TAKING.
        let sleeper = unsafe { self.sleeper.read() };
        // Release pairs with the Acquire in `arm`, whose writing to the place comes after our reading, and through the
        // verdict, which replaces this value, with the one in `verdict`: the memory may go after that.
        self.state.store(WAITED, Ordering::Release);
        Some(sleeper)
    }

    /// Has the calling thread unparked when the latch is set or [nudged](Latch::nudge). `false` if it is set already.
    ///
    /// The caller looks once more for whatever else could wake it before it parks. A nudge that comes too early to
    /// find the sleeper was preceded by something which that look then finds.
    ///
    /// # Safety
    /// Only the waiter calls this: one thread at a time.
    pub unsafe fn arm(&self) -> bool {
        drop(self.take_sleeper()); // its own, of the last time
        // Unless somebody else takes that just now. Acquire pairs with the Release in `take_sleeper`.
        while self.state.load(Ordering::Acquire) == TAKING {
            spin_loop();
        }
        // SAFETY: the state is neither ASLEEP nor TAKING, and only the waiter makes it so: nobody else touches the place.
        unsafe { self.sleeper.write(thread::current()) };
        // Release pairs with the Acquire in `take_sleeper`. Acquire on failure is not needed: `verdict` looks again.
        if self.state.compare_exchange(WAITED, ASLEEP, Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: written above, and nobody has seen it.
            drop(unsafe { self.sleeper.read() });
            return false;
        }
        // Pairs with the fence before a nudge: either that sees us asleep, or our look around, which follows, sees
        // what was published before it. Without it both could miss each other.
        fence(Ordering::SeqCst);
        true
    }

    /// Under loom: the end of the memory that the latch lies in.
    #[cfg(longshore_loom)]
    pub fn bury(&self) {
        self.tomb.bury();
    }
}

// SAFETY: the place is handed over by the state as the table says; a thread handle may be used anywhere.
unsafe impl Sync for Latch {}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::atomic::{AtomicBool, fence};

    use super::*;

    #[test]
    fn a_sleeper_is_woken_by_nudges_and_by_the_end() {
        for round in 0..2000 {
            let (latch, news) = (Latch::new(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    news.store(true, Ordering::Relaxed);
                    fence(Ordering::SeqCst);
                    latch.nudge();
                    // SAFETY: the scope keeps the latch alive; set once.
                    unsafe { Latch::set(&latch, LatchResult::Done) };
                });
                let mut heard = round % 2 == 0;
                while !latch.is_set() {
                    // SAFETY: this thread is the waiter.
                    if unsafe { latch.arm() } && (heard || !news.load(Ordering::Relaxed)) {
                        thread::park();
                    }
                    heard |= news.load(Ordering::Relaxed);
                }
                // SAFETY: this thread is the waiter.
                assert!(!unsafe { latch.arm() }, "it is set");
                assert_eq!(latch.verdict(), Some(LatchResult::Done));
            });
        }
    }

    #[test]
    fn what_is_returned_says_so() {
        let latch = Latch::new();
        assert_eq!(latch.verdict(), None);
        // SAFETY: alive, set once.
        unsafe { Latch::set(&latch, LatchResult::Returned) };
        assert_eq!(latch.verdict(), Some(LatchResult::Returned));
    }
}
