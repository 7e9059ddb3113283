//! M9: submission against shutdown against the last worker that goes. What was accepted runs; what was refused does
//! not; the pool ends, and not before everything has run.

use super::mini::{Gate, Pool, Queues, Task};

/// The producer has pushed what the inbox had room for, and is on its way to the injector with the rest when the pool
/// closes. The worker lies down at any moment.
pub fn a_passage_keeps_the_pool_from_ending() {
    let pool = Pool::new(1, Queues::WithInjector, 0);
    let worker = pool.start(0);
    let for_producer = pool.clone();
    let producer = loom::thread::spawn(move || {
        let accepted = for_producer.inject(1);
        for_producer.idle.notify_many(accepted);
        accepted
    });
    pool.close();
    let accepted = producer.join().expect("a panic ends the process");
    worker.join().expect("a panic ends the process");
    pool.assert_at_rest(accepted);
}

/// The whole way: three tasks for an inbox of two.
pub fn what_is_accepted_before_the_close_runs() {
    let pool = Pool::new(1, Queues::WithInjector, 0);
    let worker = pool.start(0);
    let for_producer = pool.clone();
    let producer = loom::thread::spawn(move || for_producer.submit(0, 3));
    pool.close();
    let accepted = producer.join().expect("a panic ends the process");
    worker.join().expect("a panic ends the process");
    pool.assert_at_rest(accepted);
}

/// A producer has claimed its place before the close and fills it afterwards (here in one thread with the close, which
/// leaves fewer cases to explore). The task is still at work when others look whether all is done.
pub fn nobody_goes_while_a_task_runs() {
    let pool = Pool::new(2, Queues::Inbox, 0);
    let workers = [pool.start(0), pool.start(1)];
    let for_closer = pool.clone();
    let closer = loom::thread::spawn(move || {
        let gate = Gate::new();
        for_closer.push_across_the_close(0, Task::Wait(gate.clone()));
        gate.open();
    });
    for thread in workers.into_iter().chain([closer]) {
        thread.join().expect("a panic ends the process");
    }
    pool.assert_at_rest(1);
}

/// Two workers lie down together in a pool that is closing: the last of them finds out.
pub fn the_last_worker_to_rest_ends_the_pool() {
    let pool = Pool::new(2, Queues::Inbox, 0);
    let workers = [pool.start(0), pool.start(1)];
    pool.push(0, Task::Plain);
    pool.close();
    for worker in workers {
        worker.join().expect("a panic ends the process");
    }
    pool.assert_at_rest(1);
}
