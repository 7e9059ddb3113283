//! A lane whose pool closes while a producer is submitting to it. Only a push pool calls a user's placement
//! rule during a submission, in which the test can hold a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use longshore::{Lane, Placement, Pool};

use crate::support::{Gate, PATIENCE, Rig, wait_until};

/// Long enough for a lane that is wrong to be found wrong: to accept a task too early, or to have a task wait
/// for a pass. A correct lane does not depend on it.
const HEAD_START: Duration = Duration::from_millis(100);

/// Two tasks are submitted to a lane with a limit of one. The first is not in the pool yet, and will be
/// refused. If the second is accepted it must run; otherwise it must be refused as well.
#[test]
fn a_task_that_a_lane_has_accepted_runs_although_the_pool_closes() {
    let (gate, held) = (Gate::new(), "the first");
    let visitor = gate.visitor();
    let rule = move |_: &longshore::PlacementView<'_>| {
        if thread::current().name() == Some(held) {
            visitor.pass();
        }
        0
    };
    let rig = Rig::with(Pool::builder().workers(1).placement(Placement::Custom(Arc::new(rule))));
    let gate = gate; // opens before the pool is dropped
    let lane = rig.lane(1).build().expect("a limit");
    thread::scope(|scope| {
        let first = lane.clone();
        let first = thread::Builder::new().name(held.into()).spawn_scoped(scope, move || first.submit(|| 1));
        gate.wait_for(1);
        let (tell, told) = mpsc::channel();
        let second = &lane;
        scope.spawn(move || tell.send(second.submit(|| 2)).expect("the receiver exists"));
        let early = told.recv_timeout(HEAD_START);
        let pool = rig.pool();
        scope.spawn(move || pool.shutdown().expect("shuts down"));
        wait_until("the pool is closed", || rig.execute(|| ()).is_err());
        gate.open();
        let second = match early {
            Err(RecvTimeoutError::Timeout) => told.recv_timeout(PATIENCE).expect("an answer"),
            answer => answer.expect("an answer"),
        };
        if let Ok(second) = second {
            assert_eq!(second.join().expect("it was accepted before the close"), 2);
        }
        let first = first.expect("a thread").join().expect("no panic");
        assert!(first.is_err(), "the pool was closed");
    });
    assert_eq!(lane.stats().waiting + lane.stats().running, 0);
    rig.finish();
}

/// A running task gives its pass back while it waits. Another thread gets the pass for a new task, which the
/// pool refuses because it closes. Meanwhile the running task wants a pass again: it gets that one.
#[test]
fn a_pass_that_a_closed_pool_refuses_goes_to_the_task_that_wants_to_go_on() {
    let (gate, held) = (Gate::new(), "the producer");
    let (visitor, is_held) = (gate.visitor(), Arc::new(AtomicBool::new(false)));
    let sees = Arc::clone(&is_held);
    let rule = move |_: &longshore::PlacementView<'_>| {
        if thread::current().name() == Some(held) {
            sees.store(true, Ordering::Release);
            visitor.pass();
        }
        0
    };
    let rig = Rig::with(Pool::builder().workers(1).placement(Placement::Custom(Arc::new(rule))));
    let (gate, other) = (gate, Gate::new()); // open before the pools are dropped
    let elsewhere = Rig::with(Pool::builder().workers(1));
    let lane = rig.lane(1).build().expect("a limit");
    let awaits = other.visitor();
    let awaited = elsewhere.submit(move || awaits.pass()).expect("open");
    let mut waiting = lane.submit(move || awaited.join().is_ok()).expect("open");
    thread::scope(|scope| {
        let (producer, is_held) = (lane.clone(), Arc::clone(&is_held));
        // Its tasks run, until one of them finds the pass free and not in the hands of the worker.
        let produce = move || while lane_takes(&producer) && !is_held.load(Ordering::Acquire) {};
        thread::Builder::new().name(held.into()).spawn_scoped(scope, produce).expect("a thread");
        gate.wait_for(1);
        other.open();
        assert!(waiting.join_timeout(HEAD_START).is_none(), "the producer has the pass");
        let pool = rig.pool();
        scope.spawn(move || pool.shutdown().expect("shuts down"));
        wait_until("the pool is closed", || rig.execute(|| ()).is_err());
        gate.open();
        assert!(waiting.join_timeout(PATIENCE).expect("it goes on").expect("no panic"));
    });
    assert_eq!(lane.stats().waiting + lane.stats().running, 0);
    rig.finish();
    elsewhere.finish();
}

/// Submits a task, and waits for it. Returns whether the lane has taken it.
fn lane_takes(lane: &Lane<Pool>) -> bool {
    lane.submit(|| ()).is_ok_and(|task| task.join().is_ok())
}
