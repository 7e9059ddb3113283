//! Stand-ins: workers that work while others block.

use std::sync::mpsc;

use longshore::Scaling;

use super::*;
use crate::alone::alone;
use crate::support::{AnyRig, Gate, quiet_panic, wait_until};

type Rig = AnyRig<Pool>;

#[test]
fn a_stand_in_works_while_a_worker_blocks() {
    let alone = alone();
    let rig = Rig::with(Pool::builder().workers(1).scaling(Scaling::lazy().idle_timeout(Default::default())));
    let (sender, receiver) = mpsc::channel();
    let blocked = rig.submit(move || longshore::blocking(|| receiver.recv().expect("sent"))).expect("open");
    rig.execute(move || sender.send(6).expect("the receiver waits")).expect("open");
    assert_eq!(blocked.join().expect("ran"), 6);
    wait_until("the stand-in has retired", || rig.workers() == 1);
    alone.wait_for_threads(1);
    let stats = rig.finish();
    assert_eq!((stats.stand_ins, stats.grown, stats.retired), (1, 1, 1));
}

#[test]
fn tasks_that_wait_for_each_other_in_turn_need_as_many_stand_ins() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(1).blocking_limit(10));
    let (first, mut receiver) = mpsc::channel();
    let mut handles = Vec::new();
    for _ in 0..10 {
        let (sender, next) = mpsc::channel();
        let relay = move || sender.send(longshore::blocking(|| receiver.recv().expect("sent")) + 1);
        handles.push(rig.submit(relay).expect("open"));
        receiver = next;
    }
    wait_until("all of them block", || rig.stats().running == 10);
    rig.execute(move || first.send(0).expect("the receiver waits")).expect("open");
    assert_eq!(receiver.recv(), Ok(10));
    handles.into_iter().for_each(|handle| handle.join().expect("ran").expect("the receiver waited"));
    wait_until("the stand-ins have retired", || rig.workers() == 1);
    rig.finish();
}

#[test]
fn the_thread_of_a_stand_in_is_kept_for_the_next() {
    let alone = alone();
    let rig = Rig::new(1);
    for _ in 0..20 {
        let (sender, receiver) = mpsc::channel();
        let blocked = rig.submit(move || longshore::blocking(|| receiver.recv())).expect("open");
        rig.execute(move || sender.send(()).expect("the receiver waits")).expect("open");
        blocked.join().expect("ran").expect("sent");
        wait_until("the stand-in has retired", || rig.workers() == 1);
    }
    assert!(alone.threads() <= 3, "the worker and a spare thread, or two: {}", alone.threads());
    assert_eq!(rig.finish().stand_ins, 20);
    alone.wait_for_threads(0);
}

#[test]
fn a_panic_ends_the_compensation() {
    let _alone = alone();
    let rig = Rig::new(1);
    let fails = rig.submit(|| longshore::blocking(|| quiet_panic("in the middle"))).expect("open");
    assert!(fails.join().expect_err("panics").is_panic());
    wait_until("the stand-in has retired", || rig.workers() == 1);
    rig.finish();
}

#[test]
fn it_is_a_plain_call_elsewhere() {
    let _alone = alone();
    let (rig, other) = (Rig::with(Pool::builder().workers(1).blocking_limit(0)), Rig::new(1));
    assert_eq!(longshore::blocking(|| 1), 1);
    assert_eq!(rig.blocking(|| 2), 2);
    let of_other = other.pool().clone();
    let task = move || longshore::blocking(|| of_other.blocking(|| longshore::blocking(|| 3)));
    assert_eq!(rig.submit(task).expect("open").join().expect("ran"), 3);
    assert_eq!((rig.finish().stand_ins, other.finish().stand_ins), (0, 0));
}

#[test]
fn nested_calls_count_once() {
    let _alone = alone();
    let rig = Rig::new(1);
    let pool = rig.pool().clone();
    let nested = rig.submit(move || longshore::blocking(|| pool.blocking(|| longshore::blocking(|| 4))));
    assert_eq!(nested.expect("open").join().expect("ran"), 4);
    assert_eq!(rig.finish().stand_ins, 1);
}

#[test]
fn a_stand_in_works_while_the_pool_drains() {
    let _alone = alone();
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&*rig, 1);
    let (sender, receiver) = mpsc::channel();
    let blocked = rig.submit(move || longshore::blocking(|| receiver.recv())).expect("open");
    rig.execute(move || sender.send(8).expect("the receiver waits")).expect("open");
    let pool = rig.pool().clone();
    std::thread::scope(|scope| {
        let closing = scope.spawn(move || pool.shutdown());
        wait_until("the pool is closed", || match rig.execute(|| ()) {
            Ok(()) => false,
            Err(refused) => refused.kind == longshore::SubmitErrorKind::Closed,
        });
        gate.open();
        assert_eq!(blocked.join().expect("ran"), Ok(8));
        closing.join().expect("no panic").expect("shuts down");
    });
    rig.finish();
}
