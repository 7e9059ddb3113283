//! No task waits for ever behind others, and none waits while a worker is idle. Each test covers a kind of
//! starvation or lost wake-up that schedulers are known for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::*;
use crate::support::{Gate, Hits, let_time_pass, rng, scaled, seed, wait_until};
use rand::RngExt;

/// No wake-up is lost, so no task waits while a worker sleeps.
///
/// Each round is eight tasks that take 10 ms. If a worker runs two of them, another worker ran none: it slept
/// while the second task waited for 10 ms. Rounds start while the workers are about to park, which is when
/// wake-ups get lost. On a machine so loaded that a woken thread does not run for 10 ms, a correct pool shows
/// this now and then as well; a pool that loses wake-ups shows it in most of its rounds, however long the
/// tasks take. So nine of ten rounds must be perfect in one of a few attempts, and the tasks of later
/// attempts take longer.
fn rounds(push: impl Fn(&Pool, Vec<Box<dyn FnOnce() + Send>>)) {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 8;
    const ATTEMPTS: usize = 12;
    let mut rng = rng(seed(), 0);
    let mut perfect = Vec::new();
    for attempt in 0..ATTEMPTS {
        let time = Duration::from_millis(10 << (attempt / 3));
        let rig = Rig::new(WORKERS);
        // All threads run before the first round.
        wait_until("all have parked", || rig.stats().workers.iter().all(|worker| worker.parked >= 1));
        let count = (0..ROUNDS)
            .filter(|_| {
                let used = one_round(&rig, WORKERS, time, &push);
                let_time_pass(Duration::from_micros(rng.random_range(0..=2_000)));
                used == WORKERS
            })
            .count();
        rig.finish();
        perfect.push(count);
        if count * 10 >= ROUNDS * 9 {
            return;
        }
    }
    panic!("rounds of {ROUNDS} that used all workers: {perfect:?}");
}

/// How many workers a round of `tasks` tasks used, each of which takes `time`.
fn one_round(
    pool: &Pool,
    tasks: usize,
    time: Duration,
    push: impl Fn(&Pool, Vec<Box<dyn FnOnce() + Send>>),
) -> usize {
    let used = Arc::new(Mutex::new(Vec::new()));
    let batch = (0..tasks).map(|_| {
        let used = used.clone();
        let task = move || {
            let_time_pass(time);
            used.lock().expect("not poisoned").push(longshore::current_worker());
        };
        Box::new(task) as Box<dyn FnOnce() + Send>
    });
    push(pool, batch.collect());
    wait_until("the round has ended", || used.lock().expect("not poisoned").len() == tasks);
    let mut used = used.lock().expect("not poisoned");
    used.sort();
    used.dedup();
    used.len()
}

#[test]
fn no_worker_runs_two_single_tasks_while_another_sleeps() {
    rounds(|pool, tasks| {
        for task in tasks {
            pool.execute(task).expect("open");
        }
    });
}

#[test]
fn no_worker_runs_two_of_a_batch_while_another_sleeps() {
    rounds(|pool, tasks| assert_eq!(pool.execute_batch(tasks).expect("open"), 8));
}

/// As many tasks as workers meet at a barrier, which needs all workers, 2,000 times.
#[test]
fn as_many_tasks_as_workers_run_at_once() {
    const WORKERS: usize = 4;
    let rig = Rig::new(WORKERS);
    for round in 0..scaled(2_000) {
        let barrier = Arc::new(Barrier::new(WORKERS));
        let meet = || {
            let barrier = barrier.clone();
            move || _ = barrier.wait()
        };
        let handles: Vec<_> = match round % 3 {
            0 => (0..WORKERS).map(|_| rig.submit(meet()).expect("open")).collect(),
            1 => rig.submit_batch((0..WORKERS).map(|_| meet())).expect("open"),
            _ => {
                // From inside: the task that submits is one of those that meet at the barrier.
                let own = meet();
                let others: Vec<_> = (1..WORKERS).map(|_| meet()).collect();
                let fork = rig.submit(move || {
                    let others: Vec<_> =
                        others.into_iter().map(|task| longshore::submit(task).expect("inside")).collect();
                    own();
                    others
                });
                fork.expect("open").join().expect("ran")
            }
        };
        handles.into_iter().for_each(|handle| handle.join().expect("met"));
    }
    rig.finish();
}

/// After a long serial part, while the other worker sleeps, one submitted task brings both workers to work.
#[test]
fn a_fork_after_a_long_serial_prelude_uses_both_workers() {
    let rig = Rig::new(2);
    for _ in 0..20 {
        let met = rig.submit(|| {
            let_time_pass(Duration::from_millis(10));
            let barrier = Arc::new(Barrier::new(2));
            let child = {
                let barrier = barrier.clone();
                longshore::submit(move || _ = barrier.wait()).expect("inside")
            };
            barrier.wait();
            child.join().expect("met");
        });
        met.expect("open").join().expect("ran");
    }
    rig.finish();
}

/// Of two tasks on two workers the first waits for the second.
#[test]
fn a_task_behind_one_that_waits_for_it() {
    let rig = Rig::new(2);
    for round in 0..scaled(10_000) {
        let (sender, receiver) = mpsc::channel();
        let blocker = rig.submit(move || receiver.recv().expect("sent")).expect("open");
        let noop = move || sender.send(()).expect("received");
        if round % 2 == 0 {
            rig.execute(noop).expect("open");
        } else {
            rig.submit(noop).expect("open").join().expect("ran");
        }
        blocker.join().expect("ran");
    }
    assert_eq!(rig.finish().completed, 2 * scaled(10_000) as u64);
}

/// A single worker, which is about to park whenever the next task is submitted.
#[test]
fn submit_and_spin_until_done() {
    let rig = Rig::new(1);
    let done = Arc::new(AtomicU64::new(0));
    for n in 0..scaled(30_000) as u64 {
        let sets = done.clone();
        rig.execute(move || _ = sets.fetch_add(1, Ordering::Release)).expect("open");
        // Spins, but yields the core to the worker from time to time, in case there is only one core.
        let mut spins = 0;
        while done.load(Ordering::Acquire) == n {
            spins += 1;
            if spins % 64 == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
    rig.finish();
}

/// A task that submits itself again until `stop` is set.
fn respawn(stop: Arc<AtomicBool>, rounds: Arc<AtomicU64>) {
    rounds.fetch_add(1, Ordering::Relaxed);
    if !stop.load(Ordering::Relaxed) {
        longshore::execute(move || respawn(stop, rounds)).expect("inside");
    }
}

/// Trees of tasks keep all workers busy, and tasks from outside are completed all the same.
#[test]
fn outside_tasks_complete_while_inner_tasks_never_end() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for _ in 0..3 * workers {
            let (stop, rounds) = (stop.clone(), rounds.clone());
            rig.execute(move || respawn(stop, rounds)).expect("open");
        }
        wait_until("the trees grow", || rounds.load(Ordering::Relaxed) > 1_000);
        for n in 0..100 {
            assert_eq!(rig.submit(move || n).expect("open").join().expect("ran"), n);
        }
        // More tasks than the inboxes hold, so some of them pass through the injector.
        let hits = Hits::new(2_000);
        rig.execute_batch((0..2_000).map(|task| hits.task(task))).expect("open");
        wait_until("the batch has run", || hits.total() == 2_000);
        let before = rounds.load(Ordering::Relaxed);
        wait_until("the trees continue to grow", || rounds.load(Ordering::Relaxed) > before);
        stop.store(true, Ordering::Relaxed);
        rig.finish();
        hits.assert_once_each();
    }
}

/// Two tasks that submit each other stay at the young end of the deque. The old end gets its turn as well.
#[test]
fn an_old_local_task_is_not_starved_by_two_that_respawn_each_other() {
    let rig = Rig::new(1);
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let waited = Arc::new(AtomicU64::new(u64::MAX));
    let (stops, counts, sets) = (stop.clone(), rounds.clone(), waited.clone());
    rig.execute(move || {
        let (old_stop, old_rounds) = (stops.clone(), counts.clone());
        longshore::execute(move || {
            sets.store(old_rounds.load(Ordering::Relaxed), Ordering::Relaxed);
            old_stop.store(true, Ordering::Relaxed);
        })
        .expect("inside");
        for _ in 0..2 {
            let (stop, rounds) = (stops.clone(), counts.clone());
            longshore::execute(move || respawn(stop, rounds)).expect("inside");
        }
    })
    .expect("open");
    // A starved task never sets `stop`, and the pool never drains: then the watchdog ends the test.
    wait_until("the old task has run", || stop.load(Ordering::Relaxed));
    rig.finish();
    let waited = waited.load(Ordering::Relaxed);
    assert!(waited < 10_000, "it waited for {waited} other tasks");
}

/// A worker is blocked in a task. Tasks in its inbox, and tasks submitted later, run on the other worker.
#[test]
fn an_endless_task_holds_up_no_other_task() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    for n in 0..1_000 {
        assert_eq!(rig.submit(move || n).expect("open").join().expect("ran"), n);
    }
    let handles = rig.submit_batch((0..1_000).map(|n| move || n)).expect("open");
    assert!(handles.into_iter().map(|handle| handle.join().expect("ran")).eq(0..1_000));
    gate.open();
    rig.finish();
}
