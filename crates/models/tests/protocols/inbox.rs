//! M4: the inbox. Every accepted value comes out once, a refused value comes back, and a close divides the
//! two.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, sorted, spawn};
use crate::code::facade::thread;
use crate::code::inbox::{Inbox, Refusal, Taken};

/// A position shortly before the positions reach the bit of a closed inbox; a multiple of the capacity.
const LATE: u64 = (1 << 63) - 4;

fn take(inbox: &Inbox<u32>, limit: usize) -> Vec<u32> {
    let mut batch = Vec::new();
    match inbox.take(limit, &mut batch) {
        Taken::Some => assert!(!batch.is_empty()),
        Taken::Nothing | Taken::Contended => assert!(batch.is_empty()),
    }
    batch
}

/// Takes until `wanted` values have come.
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

/// Pushes, and waits until the inbox is not full.
fn push(inbox: &Inbox<u32>, value: u32) {
    while let Err((_, refusal)) = inbox.push(value) {
        assert_eq!(refusal, Refusal::Full);
        thread::yield_now();
    }
}

fn assert_once(all: Vec<u32>, expected: impl IntoIterator<Item = u32>) {
    assert_eq!(sorted(all), expected.into_iter().collect::<Vec<_>>());
}

/// A producer, an owner that takes batches, and a thief.
pub fn each_value_goes_to_one_taker() {
    let inbox = Arc::new(Inbox::starting_at(LATE, 2));
    let thief = spawn(&inbox, |inbox| [take(inbox, 1), take(inbox, 1)].concat());
    let owner = spawn(&inbox, |inbox| take(inbox, 2));
    inbox.push(0).expect("not full");
    inbox.push(1).expect("not full");
    let all = [end(thief), end(owner), take(&inbox, 2)].concat();
    assert_once(all, 0..2);
}

/// A batch against a single push and a taker.
pub fn producers_share_the_cells() {
    let inbox = Arc::new(Inbox::new(4));
    let batch = spawn(&inbox, |inbox| {
        let mut values = 0..2;
        let pushed = inbox.push_batch(2, || values.next().expect("two were asked for"));
        assert_eq!(pushed, Ok(2), "it is not full");
    });
    let taker = spawn(&inbox, |inbox| take(inbox, 4));
    inbox.push(2).expect("not full");
    end(batch);
    let all = [end(taker), take(&inbox, 4)].concat();
    let of_batch: Vec<_> = all.iter().copied().filter(|&v| v < 2).collect();
    assert_eq!(of_batch, [0, 1], "the values of a producer stay in order");
    assert_once(all, 0..3);
}

/// More values than cells: the producer of the next lap waits for the taker of this lap.
pub fn a_cell_is_reused_after_its_value_is_out() {
    let inbox = Arc::new(Inbox::starting_at(LATE, 2));
    let taker = spawn(&inbox, |inbox| take_exactly(inbox, 3, 2));
    (0..3).for_each(|value| push(&inbox, value));
    assert_eq!(end(taker), [0, 1, 2], "one producer and one taker preserve the order");
}

/// Batches over a lap.
pub fn a_batch_fills_the_free_cells() {
    let inbox = Arc::new(Inbox::new(2));
    let taker = spawn(&inbox, |inbox| take_exactly(inbox, 3, 2));
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
    assert_eq!(end(taker), [0, 1, 2]);
}

/// Closes and drains the inbox while another thread pushes and, if `steal` is not 0, a thief takes up to
/// `steal` values.
fn close_against(push: impl Fn(&Inbox<u32>) -> usize + 'static, steal: usize) {
    let inbox = Arc::new(Inbox::new(2));
    let producer = spawn(&inbox, push);
    let thief = (steal > 0).then(|| spawn(&inbox, move |inbox| take(inbox, steal)));
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
    let accepted = end(producer);
    drained.extend(thief.into_iter().flat_map(end));
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

/// A batch is accepted or refused as a whole, and the drain waits for cells that it has claimed.
pub fn a_close_waits_for_a_batch_under_way() {
    let push_two = |inbox: &Inbox<u32>| {
        let mut values = 0..2;
        match inbox.push_batch(2, || values.next().expect("two were asked for")) {
            Ok(n) => n,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Closed);
                0
            }
        }
    };
    close_against(push_two, 0);
}

/// A thief takes from an inbox while it is closed and drained.
pub fn a_thief_takes_from_a_closing_inbox() {
    let push_one = |inbox: &Inbox<u32>| usize::from(inbox.push(0).is_ok());
    close_against(push_one, 1);
}
