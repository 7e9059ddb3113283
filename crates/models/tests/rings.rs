//! The ring of a recording: a reader copies it while its writer goes on, and each word of the copy is the
//! word that it should be. Each mutant lets a word be taken for an older one, or read before it is there.
//!
//! Under the model checker a block is one word, so the smallest ring has four.
#![cfg(longshore_loom)]

use std::sync::Arc;

use longshore_models::harness::{prove, refute};
use longshore_models::mutation::{relaxed, removed};
use longshore_models::record_word as word;
use longshore_models::rings::ring::Ring;

/// Writes words that say their own number.
fn write(ring: &Ring, words: std::ops::Range<u64>) {
    for number in words {
        ring.store(number, word(number));
        ring.publish(number + 1);
    }
}

/// A writer writes two words into a ring that has held `before` words, against one copy.
fn a_copy_against_a_writer(before: u64) {
    let ring = Arc::new(Ring::new(1, None));
    write(&ring, 0..before);
    let writer = {
        let ring = ring.clone();
        loom::thread::spawn(move || write(&ring, before..before + 2))
    };
    let copy = ring.snapshot(0);
    for (number, found) in (copy.first..).zip(&copy.words) {
        assert_eq!(*found, word(number).0, "word {number} of a copy from {}", copy.first);
    }
    writer.join().expect("the writer does not panic");
}

/// The ring is full: the writer overwrites what the reader copies.
fn a_copy_of_a_full_ring() {
    a_copy_against_a_writer(5);
}

/// The ring has room: the writer appends where the reader looks next.
fn a_copy_of_a_ring_with_room() {
    a_copy_against_a_writer(1);
}

#[test]
fn words_that_are_overwritten_are_left_out() {
    prove(3, a_copy_of_a_full_ring);
}

#[test]
fn words_that_are_not_there_yet_are_not_copied() {
    prove(3, a_copy_of_a_ring_with_room);
}

#[test]
fn words_published_relaxed() {
    refute(relaxed("ring.rs", "publish", "store"), 3, a_copy_of_a_ring_with_room);
}

#[test]
fn words_looked_for_relaxed() {
    refute(relaxed("ring.rs", "head", "load"), 3, a_copy_of_a_ring_with_room);
}

#[test]
fn words_stored_relaxed() {
    refute(relaxed("ring.rs", "store", "store"), 3, a_copy_of_a_full_ring);
}

#[test]
fn a_copy_without_its_fence() {
    refute(removed("ring.rs", "snapshot", "fence"), 3, a_copy_of_a_full_ring);
}
