//! M6: the fork slot. A fork goes to its owner or to one thief, completely written.

use std::ptr::NonNull;
use std::sync::Arc;

use super::common::{end, sorted, spawn};
use crate::code::facade::UninitCell;
use crate::code::fork_slot::ForkSlot;

/// A fork whose content is written without atomics.
struct Fork(UninitCell<u32>);

impl Fork {
    fn new() -> Arc<Self> {
        Arc::new(Fork(UninitCell::empty()))
    }

    /// As `Job::prepare`: only the owner knows the fork.
    fn prepare(&self, content: u32) {
        // SAFETY: no other thread has the fork; the model checks that.
        unsafe { self.0.write(content) };
    }

    /// Moves the content out. Two threads that have the fork would both do so, which loom reports.
    fn run(&self) -> u32 {
        // SAFETY: this thread alone has the fork, after `prepare`; the model checks that.
        unsafe { self.0.read() }
    }
}

/// `count` threads, each of which tries `tries` times to take a fork. They return the contents.
fn thieves(
    slot: &Arc<ForkSlot<Fork>>,
    count: usize,
    tries: usize,
) -> Vec<loom::thread::JoinHandle<Vec<u32>>> {
    let thief = |_| {
        spawn(slot, move |slot| {
            let taken = (0..tries).filter_map(|_| slot.take());
            // SAFETY: the model keeps the forks allocated.
            taken.map(|fork| unsafe { fork.as_ref() }.run()).collect()
        })
    };
    (0..count).map(thief).collect()
}

/// Puts the fork in and takes it back at once, unless a thief was faster.
fn put_and_take_back(slot: &ForkSlot<Fork>, fork: &Fork, content: u32) -> Option<u32> {
    fork.prepare(content);
    slot.put(NonNull::from(fork));
    slot.take_back(NonNull::from(fork)).then(|| fork.run())
}

fn one_fork_against(count: usize, tries: usize) {
    let (slot, fork) = (Arc::new(ForkSlot::free()), Fork::new());
    let thieves = thieves(&slot, count, tries);
    let own = put_and_take_back(&slot, &fork, 1);
    assert!(slot.is_free());
    let taken = thieves.into_iter().flat_map(end);
    assert_eq!(taken.chain(own).collect::<Vec<_>>(), [1]);
    assert!(!slot.has_any());
}

pub fn a_fork_goes_to_its_owner_or_to_a_thief() {
    one_fork_against(1, 2);
}

pub fn a_fork_goes_to_one_of_two_thieves() {
    one_fork_against(2, 1);
}

/// The owner's next frame has the address of the last one. A thief that saw the first fork and takes the
/// second one has the second one completely.
pub fn the_next_fork_may_have_the_same_address() {
    let (slot, fork) = (Arc::new(ForkSlot::free()), Fork::new());
    let thieves = thieves(&slot, 1, 2);
    let first = put_and_take_back(&slot, &fork, 1);
    // Only if no thief has the first one, because a frame is not left before its fork is back or done.
    let second = first.and_then(|_| put_and_take_back(&slot, &fork, 2));
    let all = sorted(thieves.into_iter().flat_map(end).chain(first).chain(second));
    assert_eq!(all, if first.is_some() { vec![1, 2] } else { vec![1] });
}
