//! The offer: one place in which a worker shows others a piece of work that it has forked.
//!
//! Forked work is private to its worker, so that forking and taking back cost no atomic operation. Only its *oldest*
//! piece, which is usually the largest, lies in the offer, where any thief may take it. A thief that does leaves the
//! offer empty, and that is its message to the owner: at its next fork or join the owner sees with one relaxed load
//! that somebody is hungry, and offers its next oldest piece. (Lace and Wool split a deque into a private and a public
//! part that moves on request; here the public part has one place, and the request is its emptiness. See van Dijk and
//! van de Pol, "Lace: Non-blocking Split Deque for Work-Stealing", 2014.)
//!
//! What lies behind the pointer belongs to the owner until a thief takes it: whoever has not taken it must not look.

use std::fmt;
use std::ptr::{self, NonNull};

use crate::base::facade::{AtomicPtr, Ordering};

/// See the module's text.
pub struct ForkSlot<T> {
    /// Null: free. [`closed`]: no thief will ever come. Else what is offered.
    place: AtomicPtr<T>,
}

/// Stands for an offer that is never free.
fn closed<T>() -> *mut T {
    ptr::dangling_mut()
}

impl<T> ForkSlot<T> {
    /// Nothing is offered yet.
    pub fn free() -> Self {
        ForkSlot { place: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Never free: of a worker that has no peers, and keeps everything to itself.
    pub fn closed() -> Self {
        ForkSlot { place: AtomicPtr::new(closed()) }
    }

    /// Whether the owner should put something in. For the owner.
    #[inline(always)]
    pub fn is_free(&self) -> bool {
        // Relaxed: only the owner puts anything in, so "not free" is at worst news that will come a fork later.
        self.place.load(Ordering::Relaxed).is_null()
    }

    /// Whether a thief would find something. After a sequentially consistent fence, for whoever wants to sleep.
    pub fn has_any(&self) -> bool {
        let place = self.place.load(Ordering::Relaxed); // nothing is read through it
        !place.is_null() && place != closed()
    }

    /// Puts `work` into the free place. For the owner, who then looks whether somebody has to be woken.
    pub fn put(&self, work: NonNull<T>) {
        debug_assert!(self.is_free());
        // Release pairs with the Acquire in `take`: the thief sees the work as it was put together.
        self.place.store(work.as_ptr(), Ordering::Release);
    }

    /// Takes `work` back, unless a thief has it. For the owner.
    pub fn take_back(&self, work: NonNull<T>) -> bool {
        // Relaxed: the work is our own, as we left it. If a thief has it, what it does is published by the work's latch.
        // (Another piece at the same address cannot be in the place: the owner puts in none while it has this one.)
        let result =
            self.place.compare_exchange(work.as_ptr(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
        result.is_ok()
    }

    /// Takes what is offered. For thieves; who gets it has it alone.
    pub fn take(&self) -> Option<NonNull<T>> {
        let work = self.place.load(Ordering::Relaxed); // a guess that the exchange verifies
        if work == closed() {
            return None;
        }
        let work = NonNull::new(work)?;
        // Acquire pairs with the Release in `put`. If the owner has taken the piece back and put another one at the same
        // address meanwhile, we get that one, whole.
        let taken =
            self.place.compare_exchange(work.as_ptr(), ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(work)
    }
}

impl<T> fmt::Debug for ForkSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkSlot").field("has_any", &self.has_any()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn each_piece_goes_to_the_owner_or_to_one_thief() {
        const PIECES: usize = 20_000;
        let taken: Vec<AtomicUsize> = (0..PIECES).map(|_| AtomicUsize::new(0)).collect();
        let offer = ForkSlot::<AtomicUsize>::free();
        let over = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while over.load(Ordering::Acquire) == 0 {
                        if let Some(piece) = offer.take() {
                            // SAFETY: the vector outlives the threads.
                            unsafe { piece.as_ref() }.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            for piece in &taken {
                let piece = NonNull::from(piece);
                offer.put(piece);
                if offer.take_back(piece) {
                    // SAFETY: as above.
                    unsafe { piece.as_ref() }.fetch_add(1, Ordering::Relaxed);
                }
                assert!(offer.is_free());
            }
            over.store(1, Ordering::Release);
        });
        assert!(taken.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_closed_offer_is_neither_free_nor_full() {
        let offer = ForkSlot::<u64>::closed();
        assert!(!offer.is_free() && !offer.has_any() && offer.take().is_none());
    }
}
