//! Calls with a time limit return about then, whatever else goes on. The limits of the assertions are
//! generous: they tell "about then" from "when the blocked worker goes on", which is never.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use longshore::{CancelToken, IdleError, JoinError, JoinHandle, OnFull, ShutdownError, SubmitErrorKind};

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

/// What goes on while a call with a time limit waits. All of it ends only when the gate is opened, which is
/// after the call.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    /// The only worker is blocked.
    Blocked,
    /// And the captures of two expired tasks are being dropped.
    SlowDrops,
    /// The panic handler runs on a worker.
    SlowHooks,
    /// And other threads make the same call without a limit.
    OtherCallers,
}

use Meanwhile::*;

/// A pool of two workers that are busy, whose queue is full and whose budget is used up.
struct Scene {
    gate: Gate,
    rig: Rig,
    /// The handle of a task in the queue.
    queued: Mutex<Option<JoinHandle<u32>>>,
    others: Vec<std::thread::JoinHandle<()>>,
}

impl Scene {
    fn new(meanwhile: Meanwhile) -> Self {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let rig = Rig::with(
            Pool::builder().workers(2).queue_capacity(8).budget(5).panic_handler(move |_| visitor.pass()),
        );
        let mut scene = Scene { gate, rig, queued: Mutex::default(), others: Vec::new() };
        let rig = &scene.rig;
        match meanwhile {
            SlowHooks => {
                scene.gate.hold(rig, 1);
                rig.execute(|| crate::support::quiet_panic("for the handler")).expect("open");
                scene.gate.wait_for(2);
            }
            Blocked | SlowDrops | OtherCallers => scene.gate.hold(rig, 2),
        }
        if let SlowDrops = meanwhile {
            for n in 0..2 {
                let slow = Slow(scene.gate.visitor());
                rig.task().start_within(SHORT).execute(move || drop(slow)).expect("open");
                scene.gate.wait_for(3 + n);
            }
        }
        let queued = rig.task().weight(5).submit(|| 1).expect("there is a place");
        *scene.queued.lock().expect("no panic") = Some(queued);
        while rig.try_execute(|| ()).is_ok() {}
        if let OtherCallers = meanwhile {
            let start = |call: fn(Arc<Pool>)| {
                let pool = rig.pool().clone();
                std::thread::spawn(move || call(pool))
            };
            scene.others = [
                start(|pool| _ = pool.execute(|| ())),
                start(|pool| _ = pool.task().weight(5).execute(|| ())),
                start(|pool| _ = pollster::block_on(pool.submit_async(|| ()))),
                start(|pool| pool.wait_idle().expect("idle at last")),
            ]
            .into();
            wait_until("three of them wait for a place or the budget", || rig.stats().blocked == 3);
        }
        scene
    }

    fn finish(self) {
        self.gate.open();
        self.others.into_iter().for_each(|other| other.join().expect("no panic"));
        self.rig.finish();
    }
}

/// A call that returns before the gate is opened, and not before its time.
type Timed = (&'static str, fn(&Scene));

/// All calls with a time limit.
const TIMED: [Timed; 13] = [
    ("join_timeout", |Scene { queued, .. }| {
        let mut queued = queued.lock().expect("no panic").take().expect("one call");
        assert!(queued.join_timeout(SHORT).is_none());
    }),
    ("execute_timeout", |Scene { rig, .. }| {
        assert_eq!(rig.execute_timeout(|| (), SHORT).expect_err("full").kind, SubmitErrorKind::TimedOut);
    }),
    ("submit_timeout", |Scene { rig, .. }| {
        assert_eq!(rig.submit_timeout(|| (), SHORT).expect_err("full").kind, SubmitErrorKind::TimedOut);
    }),
    ("on_full of execute", |Scene { rig, .. }| {
        let full = rig.task().on_full(OnFull::BlockFor(SHORT)).execute(|| ()).expect_err("full");
        assert_eq!(full.kind, SubmitErrorKind::TimedOut);
    }),
    ("on_full of submit", |Scene { rig, .. }| {
        let full = rig.task().on_full(OnFull::BlockFor(SHORT)).submit(|| ()).expect_err("full");
        assert_eq!(full.kind, SubmitErrorKind::TimedOut);
    }),
    ("on_full of a task with a weight", |Scene { rig, .. }| {
        let full = rig.task().weight(5).on_full(OnFull::BlockFor(SHORT)).execute(|| ()).expect_err("full");
        assert_eq!(full.kind, SubmitErrorKind::TimedOut);
    }),
    ("wait_idle_timeout", |Scene { rig, .. }| {
        assert_eq!(rig.wait_idle_timeout(SHORT), Err(IdleError::TimedOut));
    }),
    ("a future that is given up", |Scene { rig, .. }| {
        let mut future = std::pin::pin!(rig.submit_async(|| ()));
        let begin = Instant::now();
        let mut context = Context::from_waker(std::task::Waker::noop());
        wait_until("the time has passed", || {
            assert!(future.as_mut().poll(&mut context).is_pending());
            begin.elapsed() >= SHORT
        });
    }),
    ("start_within and join", |Scene { rig, .. }| {
        assert!(matches!(late(rig).join(), Err(JoinError::Expired)));
    }),
    ("start_within and join_timeout", |Scene { rig, .. }| {
        assert!(matches!(late(rig).join_timeout(crate::support::PATIENCE), Some(Err(JoinError::Expired))));
    }),
    ("start_within and a poll", |Scene { rig, .. }| {
        assert!(matches!(pollster::block_on(late(rig)), Err(JoinError::Expired)));
    }),
    ("start_within and is_finished", |Scene { rig, .. }| {
        let late = late(rig);
        wait_until("is_finished says so", || late.is_finished());
    }),
    ("shutdown_timeout", |Scene { rig, .. }| {
        assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
    }),
];

/// A task that expires, in a place that is made for it.
fn late(rig: &Rig) -> JoinHandle<()> {
    loop {
        match rig.task().start_within(SHORT).on_full(OnFull::Reject).submit(|| ()) {
            Ok(late) => break late,
            // What is queued without a handle goes.
            Err(_) => _ = rig.purge(),
        }
    }
}

#[test]
fn calls_with_a_time_limit_end_whatever_goes_on_meanwhile() {
    for meanwhile in [Blocked, SlowDrops, SlowHooks, OtherCallers] {
        for (name, call) in TIMED {
            println!("{name}, {meanwhile:?}"); // shown if it hangs
            let scene = Scene::new(meanwhile);
            let begin = Instant::now();
            call(&scene);
            assert!(begin.elapsed() >= SHORT, "{name} returned early, after {:?}", begin.elapsed());
            scene.finish();
        }
    }
}

/// What a task has captured takes long to drop, and the task expires: the handle says so all the same.
#[test]
fn a_slow_drop_of_its_own_captures_delays_no_wait_for_an_expired_task() {
    let (rig, gate) = held();
    for way in 0..3 {
        let drops = Gate::new();
        let slow = Slow(drops.visitor());
        let late = rig.task().start_within(SHORT).on_full(OnFull::Block).submit(move || drop(slow));
        let mut late = late.expect("open");
        let result = match way {
            0 => late.join(),
            1 => late.join_timeout(crate::support::PATIENCE).expect("long before"),
            _ => pollster::block_on(late),
        };
        assert!(matches!(result, Err(JoinError::Expired)), "{way}");
        drops.wait_for(1);
        drops.open();
        wait_until("its place is free", || rig.stats().waiting == 0);
    }
    gate.open();
    assert_eq!(rig.finish().expired, 3);
}

/// A way to learn from a handle that its task is over, and whether the result comes with it.
type Way = (&'static str, fn(JoinHandle<()>) -> Option<Result<(), JoinError>>);

/// All ways to ask a handle. None of them may run the drop of the captures, which are those of another party.
const WAYS: [Way; 6] = [
    ("is_finished", |handle| {
        assert!(handle.is_finished());
        None
    }),
    ("Debug", |handle| {
        assert!(format!("{handle:?}").contains("finished: true"));
        None
    }),
    ("try_join", |mut handle| handle.try_join()),
    ("join_timeout", |mut handle| handle.join_timeout(SHORT)),
    ("a poll", |mut handle| {
        match Pin::new(&mut handle).poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => panic!("a poll does not see the end"),
        }
    }),
    ("join", |handle| Some(handle.join())),
];

/// A thread that cancels a token is busy with the drop of the first task's captures. The handle of each task
/// says at once that the task is over, and the captures of the other tasks are dropped meanwhile.
#[test]
fn no_question_runs_the_drops_of_a_cancelled_token() {
    for (name, ask) in WAYS {
        println!("{name}"); // shown if it hangs
        let (rig, gate) = (Rig::new(1), Gate::new());
        gate.hold(&rig, 1);
        let drops = Gate::new();
        let token = CancelToken::new();
        let lane = rig.lane(1).build().expect("valid");
        let submit = |n| {
            let slow = Slow(drops.visitor());
            let task = move || drop(slow);
            match n {
                0 => lane.task().token(&token).submit(task).expect("open"),
                _ => rig.task().token(&token).submit(task).expect("open"),
            }
        };
        let handles = [0, 1, 2].map(submit);
        std::thread::scope(|scope| {
            let canceller = scope.spawn(|| token.cancel());
            drops.wait_for(1);
            for handle in handles {
                if let Some(result) = ask(handle) {
                    assert!(matches!(result, Err(JoinError::Cancelled)), "{name}: {result:?}");
                }
            }
            assert!(!canceller.is_finished(), "it still drops the first");
            drops.wait_for(3);
            assert!(rig.stats().cancelled >= 2, "those whose end was found by a question are counted");
            drops.open();
            assert!(canceller.join().expect("no panic"));
        });
        drop(lane);
        gate.open();
        assert_eq!(rig.finish().cancelled, 3, "{name}");
    }
}

#[test]
fn no_question_runs_the_drops_of_tasks_that_expire_together() {
    const TASKS: usize = 12;
    for (name, ask) in WAYS {
        println!("{name}"); // shown if it hangs
        let (rig, gate) = (Rig::new(1), Gate::new());
        gate.hold(&rig, 1);
        let drops = Gate::new();
        let deadline = Instant::now() + SHORT;
        let submit = |_| {
            let slow = Slow(drops.visitor());
            rig.task().deadline(deadline).submit(move || drop(slow)).expect("open")
        };
        let handles: Vec<_> = (0..TASKS).map(submit).collect();
        // Not a sleep, which may end so late that the helper threads have ended all tasks.
        while Instant::now() < deadline {
            std::thread::yield_now();
        }
        for handle in handles.into_iter().rev() {
            if let Some(result) = ask(handle) {
                assert!(matches!(result, Err(JoinError::Expired)), "{name}: {result:?}");
            }
        }
        drops.wait_for(TASKS);
        drops.open();
        gate.open();
        assert_eq!(rig.finish().expired, TASKS as u64, "{name}");
    }
}

/// The wait begins before the token is cancelled.
#[test]
fn a_wait_that_a_token_ends_runs_no_drop() {
    let (rig, gate) = (Rig::new(1), Gate::new());
    gate.hold(&rig, 1);
    let drops = Gate::new();
    let token = CancelToken::new();
    let submit = |_| {
        let slow = Slow(drops.visitor());
        rig.task().token(&token).submit(move || drop(slow)).expect("open")
    };
    let mut handles = [0, 1].map(submit);
    std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            let begin = Instant::now();
            wait_until("the other thread sleeps in its wait", || begin.elapsed() >= SHORT);
            token.cancel()
        });
        for handle in handles.iter_mut().rev() {
            let result = loop {
                if let Some(result) = handle.join_timeout(SHORT * 3) {
                    break result;
                }
            };
            assert!(matches!(result, Err(JoinError::Cancelled)));
        }
        drops.wait_for(2);
        drops.open();
        assert!(canceller.join().expect("no panic"));
    });
    gate.open();
    assert_eq!(rig.finish().cancelled, 2);
}

/// Captures that a question has left to a helper thread are dropped before the pool has ended.
#[test]
fn a_pool_does_not_end_before_the_captures_that_are_left() {
    let (rig, gate) = (Rig::new(1), Gate::new());
    gate.hold(&rig, 1);
    let drops = Gate::new();
    let token = CancelToken::new();
    let slow = Slow(drops.visitor());
    let first = Slow(drops.visitor());
    let first = rig.task().token(&token).submit(move || drop(first)).expect("open");
    let second = rig.task().token(&token).submit(move || {
        drop(slow);
        unreachable!("it never starts")
    });
    let second: JoinHandle<()> = second.expect("open");
    std::thread::scope(|scope| {
        scope.spawn(|| token.cancel());
        drops.wait_for(1);
        assert!(first.is_finished() && second.is_finished());
        drops.wait_for(2);
        gate.open();
        assert_eq!(rig.shutdown_timeout(SHORT), Err(ShutdownError::TimedOut));
        drops.open();
    });
    assert_eq!(rig.finish().cancelled, 2);
}

/// Its drop panics.
struct Panics(Slow);

impl Drop for Panics {
    fn drop(&mut self) {
        let _ = &self.0;
        crate::support::quiet_panic("in a drop");
    }
}

#[test]
fn a_panic_in_captures_that_are_left_harms_nothing() {
    let (rig, gate) = (Rig::new(1), Gate::new());
    gate.hold(&rig, 1);
    let drops = Gate::new();
    let token = CancelToken::new();
    let submit = |_| {
        let panics = Panics(Slow(drops.visitor()));
        rig.task().token(&token).submit(move || drop(panics)).expect("open")
    };
    let handles = [0, 1, 2].map(submit);
    std::thread::scope(|scope| {
        scope.spawn(|| token.cancel());
        drops.wait_for(1);
        assert!(handles.iter().all(JoinHandle::is_finished));
        drops.wait_for(3);
        drops.open();
    });
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.panicked), (3, 0), "{stats:?}");
}

/// The captures that a helper thread drops are the last owner of the pool: the helper does not wait for its
/// own end.
#[test]
fn captures_that_are_left_may_be_the_last_owner_of_the_pool() {
    for by_deadline in [false, true] {
        let watchdog = crate::support::watchdog("the last owner", crate::support::PATIENCE);
        let pool = Arc::new(Pool::builder().workers(1).build().expect("the pool starts"));
        let (gate, drops, after) = (Gate::new(), Gate::new(), Gate::new());
        let held = gate.visitor();
        pool.execute(move || held.pass()).expect("open");
        gate.wait_for(1);
        let token = CancelToken::new();
        let other = Slow(drops.visitor());
        let _other = pool.task().token(&token).submit(move || drop(other)).expect("open");
        // Dropped in this order: the pool, then a note that its drop has returned.
        let captures = (pool.clone(), Slow(after.visitor()));
        let task = move || drop(captures);
        let last = match by_deadline {
            false => pool.task().token(&token).submit(task).expect("open"),
            true => pool.task().start_within(SHORT).submit(task).expect("open"),
        };
        drop(pool);
        std::thread::scope(|scope| {
            if !by_deadline {
                scope.spawn(|| token.cancel());
                drops.wait_for(1);
            }
            assert!(last.join().is_err());
            after.wait_for(1);
            after.open();
            drops.open();
        });
        gate.open();
        drop(watchdog);
    }
}
