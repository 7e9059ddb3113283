//! Calls with a time limit return about then, whatever else goes on. The limits of the assertions are
//! generous: they tell "about then" from "when the blocked worker goes on", which is never.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use longshore::{JoinError, OnFull, ShutdownError, SubmitErrorKind};

use super::*;
use crate::support::{Gate, Visitor, wait_until};

const SHORT: Duration = Duration::from_millis(30);

fn held() -> (Rig, Gate) {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(1).budget(5));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    (rig, gate)
}

#[test]
fn an_awaited_task_expires_while_the_worker_is_blocked() {
    let (rig, gate) = held();
    let begin = Instant::now();
    let late = rig.task().start_within(SHORT).submit(|| ()).expect("open");
    // The worker is blocked until this is ready.
    assert!(matches!(pollster::block_on(late), Err(JoinError::Expired)));
    assert!(begin.elapsed() >= SHORT);
    gate.open();
    assert_eq!(rig.finish().expired, 1);
}

#[test]
fn every_way_of_waiting_for_an_expired_task_ends() {
    let (rig, gate) = held();
    let late = || rig.task().start_within(SHORT).submit(|| ()).expect("open");
    assert!(matches!(late().join(), Err(JoinError::Expired)));
    assert!(matches!(late().join_timeout(crate::support::PATIENCE), Some(Err(JoinError::Expired))));
    let mut polled = late();
    let mut context = Context::from_waker(std::task::Waker::noop());
    wait_until("a poll says so", || match Pin::new(&mut polled).poll(&mut context) {
        Poll::Ready(result) => {
            assert!(matches!(result, Err(JoinError::Expired)));
            true
        }
        Poll::Pending => false,
    });
    let mut tried = late();
    wait_until("try_join says so", || tried.try_join().is_some());
    let looked_at = late();
    wait_until("is_finished says so", || looked_at.is_finished());
    gate.open();
    assert_eq!(rig.finish().expired, 5);
}

#[test]
fn limits_of_submissions_and_joins() {
    let (rig, gate) = held();
    let mut queued = rig.submit(|| 1).expect("there is one place");
    let timed = |what: &str, call: &mut dyn FnMut()| {
        let begin = Instant::now();
        call();
        assert!(begin.elapsed() >= SHORT, "{what} returned early, after {:?}", begin.elapsed());
    };
    timed("join_timeout", &mut || assert!(queued.join_timeout(SHORT).is_none()));
    timed("execute_timeout", &mut || {
        assert_eq!(rig.execute_timeout(|| (), SHORT).expect_err("full").kind, SubmitErrorKind::TimedOut);
    });
    timed("submit_timeout", &mut || {
        assert_eq!(rig.submit_timeout(|| (), SHORT).expect_err("full").kind, SubmitErrorKind::TimedOut);
    });
    timed("on_full", &mut || {
        let full = rig.task().on_full(OnFull::BlockFor(SHORT)).execute(|| ()).expect_err("full");
        assert_eq!(full.kind, SubmitErrorKind::TimedOut);
    });
    let heavy = || rig.task().weight(5).on_full(OnFull::BlockFor(SHORT));
    assert!(queued.cancel());
    let holds_budget = heavy().submit(|| 2).expect("the place and the budget are free");
    timed("on_full of a task with a weight", &mut || {
        assert_eq!(heavy().execute(|| ()).expect_err("no budget").kind, SubmitErrorKind::TimedOut);
    });
    timed("shutdown_timeout", &mut || {
        assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
    });
    gate.open();
    assert_eq!(holds_budget.join().expect("runs"), 2);
    rig.finish();
}

struct Slow(Visitor);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.pass();
    }
}

thread_local! {
    static LOCAL: RefCell<Option<Slow>> = const { RefCell::new(None) };
}

#[test]
fn a_shutdown_does_not_wait_longer_for_the_thread_locals_of_workers() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let visitor = gate.visitor();
    rig.submit(move || LOCAL.set(Some(Slow(visitor)))).expect("open").join().expect("runs");
    // The thread of the worker ends only when the gate is open.
    assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
    gate.wait_for(1);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut)));
        }
    });
    let pool = Arc::clone(rig.pool());
    let endless = std::thread::spawn(move || pool.shutdown());
    assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut), "beside a wait without a limit");
    gate.open();
    endless.join().expect("no panic").expect("ended");
    assert_eq!(rig.shutdown_timeout(Duration::ZERO), Ok(()), "all have ended");
    rig.finish();
}

#[test]
fn a_slow_exit_hook_does_not_prolong_a_shutdown() {
    let gate = Gate::new();
    let visitor = gate.visitor();
    let rig = Rig::with(Pool::builder().workers(1).on_exit(move |_| visitor.pass()));
    assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
    gate.wait_for(1);
    assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
    gate.open();
    rig.finish();
}

#[test]
fn a_slow_drop_of_an_expired_task_delays_no_join() {
    let (rig, gate) = held();
    let drops = Gate::new();
    let slow = Slow(drops.visitor());
    rig.task().start_within(SHORT).execute(move || drop(slow)).expect("open");
    drops.wait_for(1); // the helper thread is in the drop
    let late = rig.task().on_full(OnFull::Block).start_within(SHORT);
    drops.open();
    let late = late.submit(|| ()).expect("the place is free");
    assert!(matches!(late.join(), Err(JoinError::Expired)));
    gate.open();
    assert_eq!(rig.finish().expired, 2);
}
