//! Tasks of lanes that give their pass back while they wait, and want it again.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use longshore::{AnyPool, Pool, PullPool};

use crate::support::{Gate, PATIENCE, let_time_pass, wait_until, watchdog};

of_each_kind! {
    no_pass_is_kept_for_a_task_below_another
    no_pass_is_kept_for_a_task_below_a_broadcast_task
    a_pass_is_no_child_of_the_task_whose_worker_sends_it
    tasks_of_a_lane_that_wait_without_stand_ins
}

fn pool<P: AnyPool>(workers: usize) -> Arc<P> {
    Arc::new(P::builder().workers(workers).build().expect("starts"))
}

/// The only worker has no stand-in, so it runs other tasks on top of a task that waits for its pass. One of
/// them waits for a later task of the lane.
fn no_pass_is_kept_for_a_task_below_another<P: AnyPool>() {
    let own = Arc::new(P::builder().workers(1).blocking_limit(0).build().expect("starts"));
    let other = pool::<P>(1);
    let lane = own.lane(1).build().expect("a limit");
    let (far_gate, gate) = (Gate::new(), Gate::new());
    let (far_visitor, visitor) = (far_gate.visitor(), gate.visitor());
    let far = other.submit(move || far_visitor.pass()).expect("open");
    let first = lane.submit(move || far.join().expect("ran")).expect("open");
    wait_until("it has begun", || lane.stats().running == 1);
    own.execute(move || visitor.pass()).expect("open"); // on top of it
    gate.wait_for(1);
    let inner = lane.clone();
    let second = own.submit(move || inner.submit(|| 2).expect("open").join().expect("ran")).expect("open");
    let third = lane.submit(|| 3).expect("open");
    far_gate.open();
    wait_until("the wait of the first task is over", || other.stats().completed == 1);
    gate.open();
    first.join().expect("ran");
    assert_eq!((second.join().expect("ran"), third.join().expect("ran")), (2, 3));
    own.shutdown().expect("from outside");
}

/// A broadcast task runs on top of a task that waits for its pass, and waits for a later task of the lane.
fn no_pass_is_kept_for_a_task_below_a_broadcast_task<P: AnyPool>() {
    for _ in 0..10 {
        let (own, other) = (pool::<P>(2), pool::<P>(1));
        let lane = own.lane(1).build().expect("a limit");
        let (far_gate, gate) = (Gate::new(), Gate::new());
        let (far_visitor, visitor) = (far_gate.visitor(), gate.visitor());
        let far = other.submit(move || far_visitor.pass()).expect("open");
        let first = lane.submit(move || far.join().expect("ran")).expect("open");
        let second = lane.submit(move || visitor.pass()).expect("open");
        gate.wait_for(1); // it has the pass of the first task
        far_gate.open();
        wait_until("the wait of the first task is over", || other.stats().completed == 1);
        let_time_pass(Duration::from_millis(2)); // so that it waits for its pass, which no counter shows
        let (inner, (queued, are_queued)) = (lane.clone(), mpsc::channel());
        let broadcast = move |_| {
            let third = inner.submit(|| 3).expect("open");
            let _ = queued.send(());
            third.join().expect("ran")
        };
        let broadcasts = own.broadcast(broadcast).expect("open");
        are_queued.recv_timeout(PATIENCE).expect("one of the workers waits");
        gate.open();
        first.join().expect("ran");
        second.join().expect("ran");
        assert!(broadcasts.into_iter().all(|handle| handle.join().expect("ran") == 3));
        own.shutdown().expect("from outside");
    }
}

/// The worker of a waiting task runs the children of that task on top of it. A later task of the lane is not
/// one of them: it waits for the task.
fn a_pass_is_no_child_of_the_task_whose_worker_sends_it<P: AnyPool>() {
    for is_in_lane in [false, true] {
        let own = pool::<P>(2);
        let lane = own.lane(1).build().expect("a limit");
        let gate = Gate::new();
        let visitor = gate.visitor();
        let held = own.submit(move || visitor.pass()).expect("open");
        gate.wait_for(1); // one worker is blocked
        let ((queued, is_queued), (go, may_go)) = (mpsc::channel(), mpsc::channel::<()>());
        let inner = lane.clone();
        let task = move || {
            if !is_in_lane {
                inner.execute(|| ()).expect("open"); // its end sends the next pass
            }
            queued.send(()).expect("the receiver exists");
            let _ = may_go.recv();
            held.join().expect("ran");
        };
        let task = if is_in_lane { lane.submit(task) } else { own.submit(task) }.expect("open");
        is_queued.recv_timeout(PATIENCE).expect("it begins");
        let (begun, has_begun) = mpsc::channel();
        let last = lane.submit(move || {
            begun.send(()).expect("the receiver exists");
            task.join().expect("ran");
        });
        drop(go);
        has_begun.recv_timeout(PATIENCE).expect("it begins while the first task waits");
        gate.open();
        last.expect("open").join().expect("ran");
        own.shutdown().expect("from outside");
    }
}

/// More tasks of a lane wait for another pool at a time than there are stand-ins, and more tasks wait for
/// tasks of the lane.
fn tasks_of_a_lane_that_wait_without_stand_ins<P: AnyPool>() {
    for stand_ins in [0, 1, 3] {
        let builder = P::builder().workers(2).blocking_limit(stand_ins);
        let own = Arc::new(builder.build().expect("starts"));
        let far = PullPool::builder().workers(1).queue_capacity(2).build().expect("starts");
        let (lane, far_lane) = (own.lane(1).build().expect("a limit"), far.lane(1).build().expect("a limit"));
        let handles: Vec<_> = (0..100)
            .map(|n| {
                let (lane, far_lane) = (lane.clone(), far_lane.clone());
                let there = move || far_lane.submit(move || n).expect("open").join().expect("ran");
                let in_lane = move || longshore::blocking(there);
                own.submit(move || lane.submit(in_lane).expect("open").join().expect("ran")).expect("open")
            })
            .collect();
        assert!((0..).zip(handles).all(|(n, handle)| handle.join().expect("ran") == n));
        own.shutdown().expect("from outside");
    }
}

/// The parts of a loop wait for tasks of a lane, which wait for tasks of a lane in front of a bounded pool:
/// more waits at a time than there are stand-ins.
#[test]
fn parts_of_a_loop_that_wait_for_a_lane() {
    let _watchdog = watchdog("parts_of_a_loop_that_wait_for_a_lane", PATIENCE);
    let own = pool::<Pool>(2);
    let far = PullPool::builder().workers(2).queue_capacity(2).build().expect("starts");
    let (lane, far_lane) = (own.lane(1).build().expect("a limit"), far.lane(1).build().expect("a limit"));
    own.for_each(0..96, |_| {
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let far_lane = far_lane.clone();
                let there = move || {
                    let tasks: Vec<_> = (0..3).map(|_| far_lane.submit(|| ()).expect("open")).collect();
                    tasks.into_iter().for_each(|task| task.join().expect("ran"));
                };
                lane.submit(|| longshore::blocking(there)).expect("open")
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join().expect("ran"));
    });
    own.shutdown().expect("from outside");
}

/// A task of a lane waits for a scope. A part of the scope runs on its stack, waits itself, and takes the
/// pass again; the task itself still waits.
#[test]
fn a_part_that_has_waited_keeps_no_pass_for_its_task() {
    let _watchdog = watchdog("a_part_that_has_waited_keeps_no_pass_for_its_task", PATIENCE);
    // Without stand-ins only the worker that opens the scope is left for the part.
    let own = Arc::new(Pool::builder().workers(2).blocking_limit(0).build().expect("starts"));
    let other = pool::<Pool>(1);
    let lane = own.lane(1).build().expect("a limit");
    let (home, inner) = (own.clone(), lane.clone());
    let outer = move || {
        let (begun, has_begun) = mpsc::channel();
        home.in_place_scope(|scope| {
            let (inner, other) = (&inner, &other);
            scope.spawn(move || {
                begun.send(()).expect("the receiver exists");
                // Runs when the task that has opened the scope waits for long.
                inner.submit(|| ()).expect("open").join().expect("ran");
                let (end, has_ended) = mpsc::channel();
                scope.spawn(move || {
                    let (go, gone) = mpsc::channel();
                    let far = other.submit(move || {
                        gone.recv().expect("the sender exists");
                        let_time_pass(Duration::from_millis(5)); // so that the join waits
                    });
                    go.send(()).expect("the receiver exists");
                    far.expect("open").join().expect("ran");
                    end.send(()).expect("the receiver exists");
                });
                has_ended.recv_timeout(PATIENCE).expect("it runs on the other worker");
                inner.submit(|| ()).expect("open").join().expect("ran");
            });
            has_begun.recv_timeout(PATIENCE).expect("it runs on the other worker");
        });
    };
    lane.submit(outer).expect("open").join().expect("ran");
    own.shutdown().expect("from outside");
}
