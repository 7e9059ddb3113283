//! Promises of pull pools only, and pools of both kinds together.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{AnyPool, JoinHandle, Pool, PullPool};

use super::*;
use crate::support::{AnyRig, Gate, let_time_pass};

/// Tasks that are submitted one by one, in batches and by tasks start in that order.
#[test]
fn tasks_start_in_order_of_arrival() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let started = Arc::new(Mutex::new(Vec::new()));
    let task = |number: u32| {
        let started = started.clone();
        move || started.lock().expect("not poisoned").push(number)
    };
    (0..100).for_each(|number| rig.execute(task(number)).expect("open"));
    rig.execute_batch((100..300).map(task)).expect("open");
    let inner: Vec<_> = (500..600).map(task).collect();
    let outer = move || inner.into_iter().for_each(|task| longshore::execute(task).expect("inside"));
    rig.execute(outer).expect("open");
    let handles = rig.submit_batch((300..500).map(task)).expect("open");
    gate.open();
    handles.into_iter().for_each(|handle| handle.join().expect("ran"));
    rig.finish();
    assert!(started.lock().expect("not poisoned").iter().copied().eq(0..600));
}

/// A worker in a task delays no other task: it has taken that task only.
#[test]
fn a_worker_takes_one_task_at_a_time() {
    let rig = Rig::new(2);
    for _ in 0..200 {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let holder = rig.submit(move || visitor.pass()).expect("open");
        let others = rig.submit_batch((0..20).map(|n| move || n)).expect("open");
        // The other worker runs all tasks, although the first worker is blocked.
        assert!(others.into_iter().map(|handle| handle.join().expect("ran")).eq(0..20));
        gate.open();
        holder.join().expect("ran");
    }
    rig.finish();
}

/// A task may wait for the task that submitted it, because that one runs nothing while it waits for a third
/// task.
#[test]
fn a_child_may_wait_for_its_parent() {
    let rig = Rig::new(2);
    for _ in 0..200 {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let third = rig.submit(move || visitor.pass()).expect("open");
        gate.wait_for(1);
        let (to_child, parents) = mpsc::channel::<JoinHandle<u32>>();
        let (from_parent, children) = mpsc::channel();
        let parent = rig.submit(move || {
            let child = move || parents.recv().expect("sent").join().expect("ran") + 1;
            from_parent.send(longshore::submit(child).expect("inside")).expect("received");
            third.join().expect("ran");
            6
        });
        let child = children.recv().expect("sent");
        to_child.send(parent.expect("open")).expect("received");
        gate.open();
        assert_eq!(child.join().expect("ran"), 7);
    }
    rig.finish();
}

/// A worker runs the task that another worker waits for, and itself waits for a task that is still queued.
#[test]
fn a_wait_for_a_task_that_waits_for_a_queued_task() {
    for _ in 0..200 {
        let rig = Rig::new(2);
        let gate = Gate::new();
        let visitor = gate.visitor();
        // Both workers are held, one of them in a task that will wait for the last task in the queue.
        let (sender, receiver) = mpsc::channel::<JoinHandle<u32>>();
        let middle = rig
            .submit(move || {
                visitor.pass();
                receiver.recv().expect("sent").join().expect("ran") + 1
            })
            .expect("open");
        gate.wait_for(1);
        let visitor = gate.visitor();
        let first = rig.submit(move || {
            visitor.pass();
            middle.join().expect("ran") + 1
        });
        gate.wait_for(2);
        sender.send(rig.submit(|| 1).expect("open")).expect("received");
        gate.open();
        assert_eq!(first.expect("open").join().expect("ran"), 3);
        rig.finish();
    }
}

fn ping<A: AnyPool, B: AnyPool>(here: Arc<A>, there: Arc<B>, times: u32) -> u32 {
    if times == 0 {
        return 0;
    }
    let (back, home) = (here, there.clone());
    let pong = there.submit(move || pong(home, back, times - 1)).expect("open");
    pong.join().expect("ran") + 1
}

fn pong<A: AnyPool, B: AnyPool>(here: Arc<A>, there: Arc<B>, times: u32) -> u32 {
    if times == 0 {
        return 0;
    }
    let (back, home) = (here, there.clone());
    let ping = there.submit(move || ping(home, back, times - 1)).expect("open");
    ping.join().expect("ran") + 1
}

#[test]
fn a_pool_of_each_kind_with_one_worker_wait_for_each_other() {
    let (pull, push) = (Rig::new(1), AnyRig::<Pool>::new(1));
    for times in [1, 2, 3, 10, 200] {
        let (here, there) = (pull.pool().clone(), push.pool().clone());
        let from_pull = pull.submit(move || ping(here, there, times)).expect("open");
        let (here, there) = (push.pool().clone(), pull.pool().clone());
        let from_push = push.submit(move || ping(here, there, times)).expect("open");
        assert_eq!((from_pull.join().expect("ran"), from_push.join().expect("ran")), (times, times));
    }
    pull.finish();
    push.finish();
}

/// The free functions reach the pool whose task calls them, whatever its kind.
#[test]
fn the_free_functions_tell_the_kinds_apart() {
    let (pull, push) = (Rig::new(1), AnyRig::<Pool>::new(1));
    let here = || thread::current().id();
    let pulls = pull.submit(here).expect("open").join().expect("ran");
    let pushes = push.submit(here).expect("open").join().expect("ran");
    let there = push.pool().clone();
    let in_pull = pull
        .submit(move || {
            let own = longshore::submit(here).expect("inside").join().expect("ran");
            let other = there.submit(here).expect("open").join().expect("ran");
            (own, other, longshore::current_worker())
        })
        .expect("open");
    assert_eq!(in_pull.join().expect("ran"), (pulls, pushes, Some(0)));
    pull.finish();
    push.finish();
}

/// A task of the only worker joins on a push pool, and the work there waits for the first pool. The worker
/// serves its own pool meanwhile, and does not act as a worker of the other one.
#[test]
fn a_task_that_joins_on_a_push_pool() {
    let (pull, push) = (Rig::new(1), AnyRig::<Pool>::new(2));
    for n in 0..200u64 {
        let (here, there) = (pull.pool().clone(), push.pool().clone());
        let task = move || {
            let back = || here.submit(move || n).expect("open").join().expect("ran");
            let (a, b) = there.join(back, || n);
            a + b
        };
        assert_eq!(pull.submit(task).expect("open").join().expect("ran"), 2 * n);
    }
    pull.finish();
    push.finish();
}

/// A pool without work sleeps: no timer, no spinning.
#[test]
fn an_idle_pool_parks_each_worker_once() {
    let rig = Rig::with(PullPool::builder().workers(4).spin(Duration::ZERO));
    crate::support::wait_until("all have parked", || {
        rig.stats().workers.iter().all(|worker| worker.parked >= 1)
    });
    let before: Vec<_> = rig.stats().workers.iter().map(|worker| worker.parked).collect();
    let_time_pass(Duration::from_millis(20));
    let after: Vec<_> = rig.stats().workers.iter().map(|worker| worker.parked).collect();
    assert_eq!(after, before);
    let stats = rig.finish();
    assert!(stats.workers.iter().all(|worker| worker.stolen == 0 && worker.queue_depth == 0));
}

/// Producers are between their admission and the queue when the pool closes: all accepted tasks run before
/// `shutdown` returns.
#[test]
fn more_producers_than_stripes_race_with_the_close() {
    for round in 0..100 {
        let rig = Rig::new(1 + round % 3);
        let started = Barrier::new(21);
        thread::scope(|scope| {
            let producers: Vec<_> = (0..20)
                .map(|_| {
                    scope.spawn(|| {
                        started.wait();
                        (0..100).take_while(|_| rig.execute(|| ()).is_ok()).count() as u64
                    })
                })
                .collect();
            started.wait();
            rig.shutdown().expect("shuts down");
            let completed = rig.stats().completed;
            let accepted: u64 =
                producers.into_iter().map(|producer| producer.join().expect("no panic")).sum();
            assert_eq!(completed, accepted, "all accepted tasks had run when it returned");
        });
        rig.finish();
    }
}
