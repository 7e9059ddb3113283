//! The fork slot of a worker: one cell in which it shows thieves its oldest fork.
//!
//! Forked work is private to its worker, so that forking and taking back cost no atomic operation. Only the
//! *oldest* fork, which is usually the largest, is in the fork slot, where any thief may take it. An empty
//! slot is a message to the owner: at its next fork or join the owner sees with one relaxed load that a thief
//! looks for work, and puts the next oldest fork into the slot. (Lace and Wool split a deque into a private
//! and a public part, whose border moves on request. Here the public part holds one fork, and the empty slot
//! is the request. See van Dijk and van de Pol, "Lace: Non-blocking Split Deque for Work-Stealing", 2014.)
//!
//! The target of the pointer belongs to the owner until a thief has taken it; a thread that has not taken it
//! must not read it. A worker's remote half (`push/shared.rs`) holds the slot. The owner is the thread that
//! acts as the worker. Guarded by the models `fork_slots` and `forks`, and by the unit tests here.

use std::ptr::{self, NonNull};

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicPtr, Ordering};

/// The cell that shows the oldest fork of a worker; see the module's text.
pub struct ForkSlot<T> {
    /// Null: free. [`closed`]: no thief will ever come. Otherwise the fork that a thief may take.
    fork: AtomicPtr<T>,
}

/// The content of a slot that is never free.
fn closed<T>() -> *mut T {
    ptr::dangling_mut()
}

impl<T> ForkSlot<T> {
    /// A free slot.
    pub fn free() -> Self {
        ForkSlot { fork: AtomicPtr::new(ptr::null_mut()) }
    }

    /// A slot that is never free, for a worker without peers: it keeps all forks private.
    pub fn closed() -> Self {
        ForkSlot { fork: AtomicPtr::new(closed()) }
    }

    /// Whether the owner should put a fork in. Only the owner calls this.
    #[inline(always)]
    pub fn is_free(&self) -> bool {
        // Relaxed: only the owner fills the slot, so at worst the owner learns one fork later that it is
        // free.
        self.fork.load(Ordering::Relaxed).is_null()
    }

    /// Whether a thief would find a fork. A worker calls this before it parks, after a sequentially
    /// consistent fence.
    pub fn has_any(&self) -> bool {
        let fork = self.fork.load(Ordering::Relaxed); // nothing is read through the pointer
        !fork.is_null() && fork != closed()
    }

    /// Puts `fork` into the free slot. Only the owner calls this; it then wakes a worker, if that is
    /// necessary.
    pub fn put(&self, fork: NonNull<T>) {
        debug_assert!(self.is_free());
        // Release pairs with the Acquire in `take`: the thief sees the fork as the owner has written it.
        self.fork.store(fork.as_ptr(), Ordering::Release);
    }

    /// Takes `fork` back, unless a thief has it. Only the owner calls this.
    pub fn take_back(&self, fork: NonNull<T>) -> bool {
        // Relaxed: the fork is unchanged since this thread wrote it. If a thief has it, its latch publishes
        // what the thief does. (The slot cannot hold another fork at the same address: the owner puts none in
        // while it has this one.)
        self.fork
            .compare_exchange(fork.as_ptr(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the fork in the slot, which then belongs to the caller alone. For thieves.
    pub fn take(&self) -> Option<NonNull<T>> {
        let fork = self.fork.load(Ordering::Relaxed); // a guess that the exchange verifies
        if fork == closed() {
            return None;
        }
        let fork = NonNull::new(fork)?;
        // Acquire pairs with the Release in `put`. If the owner has meanwhile taken the fork back and put
        // another one in at the same address, this takes the other one, completely written.
        self.fork
            .compare_exchange(fork.as_ptr(), ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(fork)
    }
}

impl_debug! { ForkSlot<T> { has_any } }

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn each_fork_goes_to_the_owner_or_to_one_thief() {
        const FORKS: usize = 20_000;
        let taken: Vec<AtomicUsize> = (0..FORKS).map(|_| AtomicUsize::new(0)).collect();
        let fork_slot = ForkSlot::<AtomicUsize>::free();
        let over = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while over.load(Ordering::Acquire) == 0 {
                        if let Some(fork) = fork_slot.take() {
                            // SAFETY: the vector outlives the threads.
                            unsafe { fork.as_ref() }.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            for fork in &taken {
                let fork = NonNull::from(fork);
                fork_slot.put(fork);
                if fork_slot.take_back(fork) {
                    // SAFETY: the vector outlives the threads.
                    unsafe { fork.as_ref() }.fetch_add(1, Ordering::Relaxed);
                }
                assert!(fork_slot.is_free());
            }
            over.store(1, Ordering::Release);
        });
        assert!(taken.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_closed_slot_is_neither_free_nor_full() {
        let fork_slot = ForkSlot::<u64>::closed();
        assert!(!fork_slot.is_free() && !fork_slot.has_any() && fork_slot.take().is_none());
    }
}
