//! M4: the inbox. Every value that is accepted comes out once; what is refused comes back; a close divides the two.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use crate::code::facade::thread;
use crate::code::inbox::{Inbox, Refusal, Taken};

/// A position shortly before the numbers wrap into the mark of a closed inbox; a multiple of the capacity.
const LATE: u64 = (1 << 63) - 4;

fn take(inbox: &Inbox<u32>, limit: usize) -> Vec<u32> {
    let mut batch = Vec::new();
    match inbox.take(limit, &mut batch) {
        Taken::Some => assert!(!batch.is_empty()),
        Taken::Nothing | Taken::Contended => assert!(batch.is_empty()),
    }
    batch
}

/// Takes until `wanted` have come.
fn take_exactly(inbox: &Inbox<u32>, wanted: usize, limit: usize) -> Vec<u32> {
    let mut values = Vec::new();
    while values.len() < wanted {
        values.extend(take(inbox, limit));
        if values.len() < wanted {
            thread::yield_now();
        }
    }
    values
}

/// Pushes until there is room.
fn push(inbox: &Inbox<u32>, value: u32) {
    while let Err((_, refusal)) = inbox.push(value) {
        assert_eq!(refusal, Refusal::Full);
        thread::yield_now();
    }
}

fn assert_once(mut all: Vec<u32>, expected: impl IntoIterator<Item = u32>) {
    all.sort_unstable();
    assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
}

/// A producer, the owner that drains in batches and a thief.
pub fn each_value_goes_to_one_taker() {
    let inbox = Arc::new(Inbox::starting_at(LATE, 2));
    let for_thief = inbox.clone();
    let thief = loom::thread::spawn(move || {
        let mut stolen = take(&for_thief, 1);
        stolen.extend(take(&for_thief, 1));
        stolen
    });
    let for_owner = inbox.clone();
    let owner = loom::thread::spawn(move || take(&for_owner, 2));
    inbox.push(0).expect("room");
    inbox.push(1).expect("room");
    let mut all = thief.join().expect("a panic ends the process");
    all.extend(owner.join().expect("a panic ends the process"));
    all.extend(take(&inbox, 2));
    assert_once(all, 0..2);
}

/// A batch against a single push and a taker.
pub fn producers_share_the_places() {
    let inbox = Arc::new(Inbox::new(4));
    let for_batch = inbox.clone();
    let batch = loom::thread::spawn(move || {
        let mut values = 0..2;
        let pushed = for_batch.push_batch(2, || values.next().expect("asked for two"));
        assert_eq!(pushed, Ok(2), "there is room for all");
    });
    let for_taker = inbox.clone();
    let taker = loom::thread::spawn(move || take(&for_taker, 4));
    inbox.push(2).expect("room");
    batch.join().expect("a panic ends the process");
    let mut all = taker.join().expect("a panic ends the process");
    all.extend(take(&inbox, 4));
    let of_batch: Vec<_> = all.iter().copied().filter(|&v| v < 2).collect();
    assert_eq!(of_batch, [0, 1], "a producer's values keep their order");
    assert_once(all, 0..3);
}

/// More values than places: the next lap's producer waits for this lap's taker.
pub fn a_place_is_used_again_after_its_value_is_out() {
    let inbox = Arc::new(Inbox::starting_at(LATE, 2));
    let for_taker = inbox.clone();
    let taker = loom::thread::spawn(move || take_exactly(&for_taker, 3, 2));
    (0..3).for_each(|value| push(&inbox, value));
    let all = taker.join().expect("a panic ends the process");
    assert_eq!(all, [0, 1, 2], "one producer and one taker keep the order");
}

/// Batches over a lap.
pub fn a_batch_fits_into_the_places_that_are_free() {
    let inbox = Arc::new(Inbox::new(2));
    let for_taker = inbox.clone();
    let taker = loom::thread::spawn(move || take_exactly(&for_taker, 3, 2));
    let mut values = 0..3;
    while !values.is_empty() {
        match inbox.push_batch(values.len(), || values.next().expect("counted")) {
            Ok(n) => assert!(n <= 2),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Full);
                thread::yield_now();
            }
        }
    }
    assert_eq!(taker.join().expect("a panic ends the process"), [0, 1, 2]);
}

/// Closes and drains while somebody pushes; `extra` runs as well.
fn close_against(push: impl Fn(&Inbox<u32>) -> usize + 'static, steal: usize) {
    let inbox = Arc::new(Inbox::new(2));
    let for_producer = inbox.clone();
    let producer = loom::thread::spawn(move || push(&for_producer));
    let for_thief = inbox.clone();
    let thief = (steal > 0).then(|| loom::thread::spawn(move || take(&for_thief, steal)));
    let mut drained = Vec::new();
    if leaves_out("the close before the drain") {
        while inbox.len() > 0 {
            drained.extend(take(&inbox, 2));
        }
        inbox.close();
    } else {
        inbox.close();
        inbox.drain_closed(|value| drained.push(value));
    }
    let accepted = producer.join().expect("a panic ends the process");
    if let Some(thief) = thief {
        drained.extend(thief.join().expect("a panic ends the process"));
    }
    assert_eq!(inbox.push(9), Err((9, Refusal::Closed)));
    assert_once(drained, 0..accepted as u32);
    assert_eq!(inbox.len(), 0);
}

/// Single pushes against the close: after the first refusal all are refused.
pub fn a_close_divides_the_pushes() {
    let push_two = |inbox: &Inbox<u32>| {
        let accepted = [0, 1].map(|value| inbox.push(value).is_ok());
        assert!(accepted[0] || !accepted[1], "nothing is accepted after the close");
        accepted.into_iter().filter(|&a| a).count()
    };
    close_against(push_two, 0);
}

/// A batch is accepted as a whole or refused as a whole, and what it has claimed is waited for.
pub fn a_close_waits_for_a_batch_under_way() {
    let push_two = |inbox: &Inbox<u32>| {
        let mut values = 0..2;
        match inbox.push_batch(2, || values.next().expect("asked for two")) {
            Ok(n) => n,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Closed);
                0
            }
        }
    };
    close_against(push_two, 0);
}

/// A thief that takes from an inbox while it is closed and drained.
pub fn a_thief_takes_from_a_closing_inbox() {
    let push_one = |inbox: &Inbox<u32>| usize::from(inbox.push(0).is_ok());
    close_against(push_one, 1);
}
