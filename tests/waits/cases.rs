//! Patterns of waits, and waits beside other work, that the table does not have.

use std::future::Future as _;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use longshore::{AnyPool, JoinHandle, OnFull, Pool, SubmitErrorKind};

use crate::support::{Gate, PATIENCE, wait_until, watchdog};
use crate::table::block_on;

of_each_kind! {
    a_task_waits_for_a_task_that_waits_for_another_pool
    waits_without_a_stand_in
    many_waits_for_another_pool_at_a_time
    room_is_given_in_the_order_of_arrival
    a_rendezvous_pool_among_others
    a_pending_poll_keeps_no_stand_in_after_its_task
    a_resize_in_the_middle_of_waits
    a_pool_that_closes_in_the_middle_of_waits
    a_resume_in_the_middle_of_waits
    a_refused_batch_is_not_drawn_to_its_end
}

fn pool<P: AnyPool>(workers: usize) -> Arc<P> {
    Arc::new(P::builder().workers(workers).build().expect("starts"))
}

/// The worker must not run the second task on top of the first, because the second waits for the first.
fn a_task_waits_for_a_task_that_waits_for_another_pool<P: AnyPool>() {
    let (one, other) = (pool::<P>(1), pool::<P>(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let slow = other.submit(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    let first = one.submit(move || slow.join().expect("ran")).expect("open");
    let second = one.submit(move || first.join().expect("ran")).expect("open");
    let third = one.submit(move || second.join().expect("ran")).expect("open");
    let last = one.submit(|| 5).expect("open");
    assert_eq!(last.join().expect("runs beside the waits"), 5);
    gate.open();
    third.join().expect("ran");
    wait_until("the stand-ins have retired", || one.stats().live == 1);
}

/// Without stand-ins a worker serves its pool on top of a task that waits for another pool.
fn waits_without_a_stand_in<P: AnyPool>() {
    let new = || Arc::new(P::builder().workers(1).blocking_limit(0).build().expect("starts"));
    let (one, other): (Arc<P>, Arc<P>) = (new(), new());
    let home = one.clone();
    let there = move || home.submit(|| 3).expect("open").join().expect("ran");
    let task = one.submit(move || other.submit(there).expect("open").join().expect("ran"));
    assert_eq!(task.expect("open").join().expect("ran"), 3);
    assert_eq!(one.stats().stand_ins, 0);
}

/// More waits than there may be stand-ins.
fn many_waits_for_another_pool_at_a_time<P: AnyPool>() {
    let one = Arc::new(P::builder().workers(1).blocking_limit(4).build().expect("starts"));
    let other = pool::<P>(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let held = other.submit(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let slow = other.submit(move || n).expect("open");
            one.submit(move || slow.join().expect("ran")).expect("open")
        })
        .collect();
    wait_until("all of them wait", || one.stats().running == 40);
    gate.open();
    held.join().expect("ran");
    assert!((0..).zip(tasks).all(|(n, task)| task.join().expect("ran") == n));
}

/// Threads and tasks of another pool wait for room in one queue.
fn room_is_given_in_the_order_of_arrival<P: AnyPool>() {
    let other = pool::<P>(1);
    let full = Arc::new(P::builder().workers(1).queue_capacity(1).build().expect("starts"));
    let gate = Gate::new();
    let visitor = gate.visitor();
    full.execute(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    full.execute(|| ()).expect("one task may wait");
    let order = Arc::new(Mutex::new(Vec::new()));
    let arrive = |n: u64| {
        let (full, order) = (full.clone(), order.clone());
        move || full.execute(move || order.lock().expect("no panic").push(n)).expect("open")
    };
    thread::scope(|scope| {
        for n in 0..6 {
            if n % 2 == 0 {
                scope.spawn(arrive(n));
            } else {
                other.execute(arrive(n)).expect("open");
            }
            wait_until("it waits", || full.stats().blocked == n + 1);
        }
        gate.open();
        wait_until("all have run", || order.lock().expect("no panic").len() == 6);
    });
    assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3, 4, 5]);
}

/// All workers of a pool without room wait for tasks that submit to it.
fn a_rendezvous_pool_among_others<P: AnyPool>() {
    for workers in [1, 2] {
        let narrow = Arc::new(P::builder().workers(workers).queue_capacity(0).build().expect("starts"));
        let wide = pool::<P>(1);
        let begun = Arc::new(std::sync::Barrier::new(workers));
        let task = || {
            let (narrow, wide, begun) = (narrow.clone(), wide.clone(), begun.clone());
            move || {
                begun.wait();
                let inner = move || narrow.submit(|| 1).expect("open").join().expect("ran");
                wide.submit(inner).expect("open").join().expect("ran")
            }
        };
        let tasks: Vec<_> = (0..workers).map(|_| narrow.submit(task()).expect("open")).collect();
        assert!(tasks.into_iter().all(|task| task.join().expect("ran") == 1));
    }
}

/// A task that polls a future once and ends, as the tasks of an executor on the pool do.
fn a_pending_poll_keeps_no_stand_in_after_its_task<P: AnyPool>() {
    let (one, other) = (pool::<P>(1), pool::<P>(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let slow = Arc::new(Mutex::new(Some(other.submit(move || visitor.pass()).expect("open"))));
    gate.wait_for(1);
    for _ in 0..10 {
        let slow = slow.clone();
        let poll_once = move || {
            let mut handle: JoinHandle<()> = slow.lock().expect("no panic").take().expect("put back");
            let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::pin::Pin::new(&mut handle).poll(context).is_pending());
            *slow.lock().expect("no panic") = Some(handle);
        };
        one.submit(poll_once).expect("open").join().expect("no panic");
        wait_until("no stand-in is left", || one.stats().live == 1);
    }
    gate.open();
    let handle = slow.lock().expect("no panic").take().expect("put back");
    block_on(handle).expect("ran");
}

/// A pool becomes smaller while all of its workers wait for each other and for another pool.
fn a_resize_in_the_middle_of_waits<P: AnyPool>() {
    let (one, other) = (pool::<P>(3), pool::<P>(1));
    for round in 0..20 {
        let gate = Gate::new();
        let visitor = gate.visitor();
        let home = one.clone();
        let slow = other.submit(move || {
            visitor.pass();
            home.submit(|| 1).expect("open").join().expect("ran")
        });
        let slow = slow.expect("open");
        gate.wait_for(1);
        let first = one.submit(move || slow.join().expect("ran")).expect("open");
        let last =
            (0..3).fold(first, |before, _| one.submit(move || before.join().expect("ran")).expect("open"));
        one.set_workers(1 + round % 3).expect("within the limits");
        gate.open();
        assert_eq!(last.join().expect("ran"), 1);
    }
}

fn a_pool_that_closes_in_the_middle_of_waits<P: AnyPool>() {
    let (one, other) = (pool::<P>(1), pool::<P>(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let home = one.clone();
    let slow = other.submit(move || {
        visitor.pass();
        home.submit(|| 1).is_err()
    });
    let slow = slow.expect("open");
    gate.wait_for(1);
    let waits = one.submit(move || slow.join().expect("ran")).expect("open");
    let more = one.submit(move || waits.join().expect("ran")).expect("open");
    thread::scope(|scope| {
        let ending = scope.spawn(|| one.shutdown());
        wait_until("it closes", || one.execute(|| ()).is_err());
        gate.open();
        ending.join().expect("no panic").expect("from outside");
    });
    assert!(more.join().expect("drained"), "the pool was closed to tasks from outside");
}

/// The wait needs a task that is queued in a pause.
fn a_resume_in_the_middle_of_waits<P: AnyPool>() {
    let (one, other) = (pool::<P>(1), pool::<P>(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let home = one.clone();
    let slow = other.submit(move || {
        visitor.pass();
        home.submit(|| 2).expect("open").join().expect("ran")
    });
    let slow = slow.expect("open");
    gate.wait_for(1);
    let waits = one.submit(move || slow.join().expect("ran")).expect("open");
    wait_until("it waits", || one.stats().running == 1);
    assert!(one.pause());
    gate.open();
    wait_until("the task is queued", || one.stats().submitted == 2);
    one.resume();
    assert_eq!(waits.join().expect("ran"), 2);
}

/// A batch whose iterator waits for ever once its items are drawn.
fn a_refused_batch_is_not_drawn_to_its_end<P: AnyPool>() {
    let (sender, jobs) = mpsc::channel();
    (0..100).for_each(|n| sender.send(n).expect("the receiver exists"));
    let full = P::builder().workers(1).queue_capacity(10).on_full(OnFull::Reject).build().expect("starts");
    let gate = Gate::new();
    let visitor = gate.visitor();
    full.execute(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    let mut jobs = jobs.into_iter().map(|n: u32| move || _ = n);
    let error = full.execute_batch(jobs.by_ref()).expect_err("full");
    assert_eq!((error.kind, error.accepted.len(), error.rejected()), (SubmitErrorKind::Full, 10, 1));
    gate.open();
    full.shutdown().expect("from outside");
    let error = full.submit_batch(jobs.by_ref()).expect_err("closed");
    assert_eq!((error.kind, error.rejected()), (SubmitErrorKind::Closed, 1));
    drop(sender);
    assert_eq!(jobs.count(), 88, "the rest is the caller's");
    // An iterator that knows its length is drawn, so that no closure is lost.
    let error = full.execute_batch((0..50).map(|n: u32| move || _ = n)).expect_err("closed");
    assert_eq!(error.rejected(), 50);
}

/// A worker that waits for a stolen half gets a stand-in while tasks are queued.
#[test]
fn a_wait_for_a_stolen_half_leaves_no_task_without_a_worker() {
    let _watchdog = watchdog("a_wait_for_a_stolen_half", PATIENCE);
    let pool = pool::<Pool>(2);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let (go, wait) = mpsc::channel::<()>();
    let joins = pool.submit(move || longshore::join(move || wait.recv().is_err(), move || visitor.pass()));
    gate.wait_for(1); // the second half runs on the other worker
    drop(go);
    for n in 0..10 {
        assert_eq!(pool.submit(move || n).expect("open").join().expect("runs on a stand-in"), n);
    }
    gate.open();
    joins.expect("open").join().expect("no panic");
}

/// The items of a stream come one by one, each after the result before it was taken.
#[test]
fn a_stream_whose_items_wait_for_its_results() {
    let _watchdog = watchdog("a_stream_whose_items_wait_for_its_results", PATIENCE);
    for workers in [1, 2] {
        for ordered in [false, true] {
            let pool = pool::<Pool>(workers);
            let (send, items) = mpsc::channel();
            send.send(0).expect("the receiver exists");
            let mut send = Some(send);
            let mut taken = Vec::new();
            let mut take = |n: u32| {
                taken.push(n);
                if n == 19 {
                    send = None;
                } else if let Some(send) = &send {
                    send.send(n + 1).expect("the receiver exists");
                }
            };
            if ordered {
                pool.map_ordered(items, |n| n).in_flight(1).for_each(&mut take);
            } else {
                pool.map_unordered(items, |n| n).in_flight(1).for_each(&mut take);
            }
            assert_eq!(taken, (0..20).collect::<Vec<_>>());
        }
    }
}

/// An iterator of unknown length fills the pool all the same.
#[test]
fn a_stream_of_unknown_length_uses_all_workers() {
    let _watchdog = watchdog("a_stream_of_unknown_length_uses_all_workers", PATIENCE);
    let pool = pool::<Pool>(4);
    let meet = Arc::new(std::sync::Barrier::new(4));
    let items = (0..16u32).filter(|_| true);
    let results = pool.map_unordered(items, move |n| {
        meet.wait(); // four calls at a time
        n
    });
    assert_eq!(results.sum::<u32>(), 120);
}
