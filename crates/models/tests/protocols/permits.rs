//! M11: the room of a bounded pool. No permit is lost or given twice, "full" is true, and nobody sleeps beside a free permit,
//! whoever comes, goes, closes or gives up meanwhile.

use std::sync::Arc;

use super::semaphore::{me, wait};
use crate::code::barrier::Barrier;
use crate::code::permits::Permits;
use crate::code::wait_queue::{Acquire, Semaphore, WaitMode};

const STRIPES: usize = 2;
const WORKERS: usize = 2;

fn room(limit: u64) -> Arc<Permits> {
    Arc::new(Permits::new(limit, STRIPES, WORKERS, WORKERS, Barrier::symmetric()))
}

/// A room in which all permits are with tasks.
fn full(limit: u64) -> Arc<Permits> {
    let room = room(limit);
    assert_eq!(room.try_acquire(0, limit), limit);
    room
}

/// A room with one free permit, which lies at the first door: of nine the first producer has fetched two and used one, the
/// second has used seven.
fn one_left_at_a_door() -> Arc<Permits> {
    let room = room(9);
    assert_eq!((room.try_acquire(0, 1), room.try_acquire(1, 7)), (1, 7));
    room
}

/// Nothing is lost and nothing gained: `free` can be taken, and no more.
fn assert_free(room: &Permits, free: u64) {
    let mut taken = 0;
    loop {
        match room.try_acquire(1, 10) {
            0 => break,
            got => taken += got,
        }
    }
    assert_eq!(taken, free);
}

/// Two producers at two entries, one permit at one of them: just one gets it, whichever door it lies at.
pub fn the_last_permit_goes_to_one() {
    let room = one_left_at_a_door();
    let other = room.clone();
    let producer = loom::thread::spawn(move || other.try_acquire(1, 1));
    let got = room.try_acquire(0, 1) + producer.join().expect("a panic ends the process");
    assert_eq!(got, 1);
    assert_free(&room, 0);
}

/// The same while a worker begins a task.
pub fn permits_are_conserved() {
    let room = one_left_at_a_door();
    let (first, second) = (room.clone(), room.clone());
    let producers = [
        loom::thread::spawn(move || first.try_acquire(0, 1)),
        loom::thread::spawn(move || second.try_acquire(1, 1)),
    ];
    room.release(0);
    let got: u64 =
        producers.into_iter().map(|producer| producer.join().expect("a panic ends the process")).sum();
    assert!((1..=2).contains(&got));
    assert_free(&room, 2 - got);
}

/// A producer waits, a worker begins a task.
pub fn who_waits_gets_what_is_given_back() {
    let room = full(1);
    let other = room.clone();
    let worker = loom::thread::spawn(move || other.release(0));
    assert!(wait(&*room, 1, WaitMode::Handoff));
    worker.join().expect("a panic ends the process");
    assert_free(&room, 0);
}

/// Two producers wait for one permit, and the first gives it to the second.
pub fn a_permit_goes_from_hand_to_hand() {
    let room = full(1);
    let waiting = || {
        let room = room.clone();
        loom::thread::spawn(move || {
            assert!(wait(&*room, 1, WaitMode::Handoff));
            room.release_from_outside(1); // its task is thrown away
        })
    };
    let producers = [waiting(), waiting()];
    room.release(0);
    producers.into_iter().for_each(|producer| producer.join().expect("a panic ends the process"));
    assert_free(&room, 1);
}

/// Two workers begin tasks while a producer waits for one permit.
pub fn two_workers_serve_one_who_waits() {
    let room = full(2);
    let workers = [0, 1].map(|worker| {
        let room = room.clone();
        loom::thread::spawn(move || room.release(worker))
    });
    assert!(wait(&*room, 1, WaitMode::Handoff));
    workers.into_iter().for_each(|worker| worker.join().expect("a panic ends the process"));
    assert_free(&room, 1);
}

/// Everyone who waits hears of the close, and a permit that comes at the same time is not lost.
pub fn a_close_sends_all_away() {
    let room = full(1);
    let waiting = |manner| {
        let room = room.clone();
        loom::thread::spawn(move || u64::from(wait(&*room, 1, manner)))
    };
    let producers = [waiting(WaitMode::Handoff), waiting(WaitMode::Retry)];
    let closer = room.clone();
    let closer = loom::thread::spawn(move || closer.close());
    room.release(0);
    let got: u64 =
        producers.into_iter().map(|producer| producer.join().expect("a panic ends the process")).sum();
    closer.join().expect("a panic ends the process");
    assert!(got <= 1);
    assert_free(&room, 1 - got);
}

/// A future gives up its place just when its turn may have come: the next one gets it.
pub fn a_turn_that_is_given_up_goes_to_the_next() {
    let room = full(1);
    let Acquire::Queued(first) = room.enqueue(1, WaitMode::Handoff, me()) else { panic!("it is full") };
    let (next, other) = (room.clone(), room.clone());
    let next = loom::thread::spawn(move || assert!(wait(&*next, 1, WaitMode::Handoff)));
    let worker = loom::thread::spawn(move || other.release(0));
    room.cancel(first);
    next.join().expect("a panic ends the process");
    worker.join().expect("a panic ends the process");
    assert_free(&room, 0);
}

/// One who watches and one who stands in the line, and a permit for each.
pub fn who_watches_is_told_of_what_is_left() {
    let room = full(2);
    let waiting = |manner| {
        let room = room.clone();
        loom::thread::spawn(move || assert!(wait(&*room, 1, manner)))
    };
    let producers = [waiting(WaitMode::Retry), waiting(WaitMode::Handoff)];
    room.release(0);
    room.release(0);
    producers.into_iter().for_each(|producer| producer.join().expect("a panic ends the process"));
    assert_free(&room, 0);
}

/// A task comes in beyond the limit and begins on another worker (whose thread is the same here: what hands the task over is
/// not the room's business). That makes no room for others.
pub fn an_overdraft_is_never_taken_for_room() {
    let room = full(1);
    let workers = room.clone();
    let workers = loom::thread::spawn(move || {
        workers.overdraw_by(0);
        workers.release(1);
    });
    let producer = loom::thread::spawn(move || {
        assert_eq!(room.try_acquire(0, 1), 0, "the task with the permit still waits");
    });
    workers.join().expect("a panic ends the process");
    producer.join().expect("a panic ends the process");
}

/// `Admission::narrow` against a worker that gives the only permit back, and a producer: however that comes out, no permit is
/// left when all is over.
pub fn a_room_that_becomes_narrower_stays_so() {
    let room = full(1);
    let of_worker = room.clone();
    let worker = loom::thread::spawn(move || of_worker.release(0));
    let of_producer = room.clone();
    let producer = loom::thread::spawn(move || {
        if of_producer.try_acquire(1, 1) == 1 {
            of_producer.release(1);
        }
    });
    if room.try_acquire(0, 1) == 0 {
        room.overdraw_from_outside(1);
    }
    worker.join().expect("a panic ends the process");
    producer.join().expect("a panic ends the process");
    assert_eq!((room.try_acquire(0, 1), room.try_acquire(1, 1)), (0, 0));
    room.release_from_outside(1);
    assert_eq!(room.try_acquire(0, 2), 1, "wider again");
}
