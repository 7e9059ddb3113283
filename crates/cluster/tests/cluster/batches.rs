//! Batches and their workers: results, retries, dead letters, weights, stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore::{AnyPool, CancelToken, Pool, PullPool};
use longshore_cluster::{
    Batch, BatchError, Context, End, Ended, Explanation, Fault, Finished, LARGEST, RunReport, Settings,
    State, Table, Worker,
};

use crate::support::{Broker, Deed, Errand, Shelf, errand, records, wait_until, writing};

fn settings() -> Settings {
    Settings { lease: Duration::from_secs(10), replicas: 1 }
}

/// Runs one worker to the end of the batch.
fn work_on<P: AnyPool>(batch: &Batch<Errand>, shelf: &Shelf, threads: usize) -> RunReport {
    let pool = P::builder().workers(threads).build().expect("a pool");
    let shelf = shelf.clone();
    let worker = Worker::new(&pool, move |job: Errand, context: &Context| shelf.handle(&job, context));
    worker.first_delay(Duration::from_millis(50)).run(batch).expect("it runs")
}

#[test]
fn every_job_is_done_once() {
    for broker in Broker::all() {
        for kind in ["push", "pull"] {
            let directory = tempfile::tempdir().expect("a directory");
            let shelf = Shelf::new(directory.path());
            let batch = broker.batch();
            assert_eq!(batch.status(), Err(BatchError::NoBatch));
            assert_eq!(batch.resume(writing(1, 0)), Err(BatchError::NoBatch));
            let twice = writing(40, 1).into_iter().chain(writing(10, 1));
            assert_eq!(batch.publish(&settings(), twice).expect("published"), 40);
            assert_eq!(batch.publish(&settings(), writing(1, 0)), Err(BatchError::Exists { total: 40 }));
            let report = match kind {
                "push" => work_on::<Pool>(&batch, &shelf, 3),
                _ => work_on::<PullPool>(&batch, &shelf, 3),
            };
            assert_eq!((report.ended, report.done, report.dead), (Ended::Complete, 40, 0), "{broker:?}");
            assert_eq!((report.returned, report.lost, report.untold), (0, 0, 0), "{report:?}");
            assert_eq!(shelf.outputs().len(), 40);
            assert!(shelf.runs().values().all(|runs| *runs == 1), "{:?}", shelf.runs());
            let status = batch.status().expect("a status");
            assert_eq!((status.total, status.done, status.dead, status.missing()), (40, 40, 0, 0));
            assert!(status.is_complete() && status.workers.len() == 1 && status.workers[0].beat.has_ended);
            let record = &records(&batch, Table::Done)["job-7"];
            assert_eq!((record.state, record.attempts, record.bytes), (State::Done, 1, 5));
            // The manifest, compared: everything is there. Some new jobs are not.
            assert_eq!(batch.resume(writing(40, 1)).expect("compared"), 0);
            assert_eq!(batch.resume(writing(43, 1)).expect("compared"), 3);
            assert_eq!(work_on::<Pool>(&batch, &shelf, 1).done, 3);
            assert_eq!(batch.status().expect("a status").total, 43);
            batch.delete().expect("deleted");
            assert_eq!(batch.status(), Err(BatchError::NoBatch));
        }
    }
}

#[test]
fn what_cannot_be_done_is_a_dead_letter_with_its_reason() {
    for broker in Broker::all() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let batch = broker.batch();
        let mut jobs = writing(20, 1);
        jobs.extend([
            errand("damaged", Deed::Damaged),
            errand("fails", Deed::Fails),
            errand("once", Deed::FailsOnce),
            errand("panics", Deed::Panics),
        ]);
        batch.publish(&settings(), jobs).expect("published");
        let letters: [(&str, &[u8]); 4] = [
            ("garbage", b"\xff\xfe no message"),
            ("future", b"{\"v\":99,\"id\":\"future\",\"job\":1}"),
            ("wrong", b"{\"v\":1,\"id\":\"wrong\",\"job\":[]}"),
            ("escape", b"{\"v\":1,\"id\":\"../../escape\",\"job\":1}"),
        ];
        for (key, message) in letters {
            broker.publish_raw(key, message).expect("queued");
        }
        broker.publish_raw("large", &vec![b'x'; LARGEST + 1]).expect("queued");
        let report = work_on::<Pool>(&batch, &shelf, 2);
        assert_eq!((report.ended, report.done, report.dead), (Ended::Complete, 21, 8), "{broker:?}");
        let dead = records(&batch, Table::Dead);
        let reasons = [
            ("damaged", "it is damaged", 1),
            ("fails", "no luck (attempt 3)", 3),
            ("panics", "its handler panicked: a handler of a test panics (attempt 3)", 3),
            ("garbage", "no message", 0),
            ("future", "version 99", 0),
            ("wrong", "a message without a job", 0),
            ("escape", "../../escape", 0),
            ("large", "65537 bytes", 0),
        ];
        assert_eq!(dead.len(), reasons.len(), "{dead:?}");
        for (name, reason, attempts) in reasons {
            let record = &dead[name];
            let error = record.error.as_deref().unwrap_or_default();
            assert!(error.contains(reason) && record.attempts == attempts, "{name}: {record:?}");
        }
        assert_eq!(records(&batch, Table::Done)["once"].attempts, 2);
        assert_eq!(shelf.runs()["fails"], 3);

        // The three that were jobs have all their attempts again.
        assert_eq!(batch.retry().expect("retried"), 3);
        assert_eq!(batch.status().expect("a status").waiting, 3);
        let report = work_on::<Pool>(&batch, &shelf, 1);
        assert_eq!((report.done, report.dead), (0, 3));
        assert_eq!(shelf.runs()["fails"], 6);
        assert_eq!(batch.status().expect("a status").dead, 8);
    }
}

#[test]
fn a_worker_begins_no_more_than_its_budget() {
    for broker in Broker::all() {
        let batch = broker.batch();
        let weigh = |number: usize| Errand {
            weight: [1, 30, 60, 90][number % 4],
            ..errand(format!("job-{number}"), Deed::Write(2))
        };
        let heavy = Errand { weight: 101, ..errand("heavy", Deed::Write(0)) };
        batch.publish(&settings(), (0..40).map(weigh).chain([heavy])).expect("published");
        let pool = Pool::builder().workers(4).build().expect("a pool");
        let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let seen = Arc::clone(&most);
        let handler = move |job: Errand, context: &Context| {
            // SeqCst: the sum over all threads at one moment.
            let sum = now.fetch_add(job.weight, Ordering::SeqCst) + job.weight;
            most.fetch_max(sum, Ordering::SeqCst);
            context.wait(Duration::from_millis(3));
            now.fetch_sub(job.weight, Ordering::SeqCst);
            Ok(Finished::default())
        };
        let worker = Worker::new(&pool, handler).weight(|job: &Errand| job.weight).budget(100);
        let report = worker.first_delay(Duration::from_millis(1)).run(&batch).expect("it runs");
        assert_eq!((report.done, report.dead), (40, 1), "{broker:?}");
        assert!(seen.load(Ordering::SeqCst) <= 100, "{seen:?}");
        let record = &records(&batch, Table::Dead)["heavy"];
        let error = record.error.as_deref().unwrap_or_default();
        assert!(error.contains("it weighs 101, and this worker has 100"), "{error}");
        assert_eq!(record.attempts, 0);
    }
}

#[test]
fn a_worker_that_is_stopped_finishes_what_runs_and_hands_back_what_waits() {
    for broker in Broker::all() {
        let batch = broker.batch();
        batch.publish(&settings(), writing(9, 0)).expect("published");
        let pool = Pool::builder().workers(2).build().expect("a pool");
        let (stop, gate) = (CancelToken::new(), CancelToken::new());
        let (through, begun) = (gate.clone(), Arc::new(AtomicU64::new(0)));
        let begins = Arc::clone(&begun);
        let handler = move |_: Errand, context: &Context| {
            // SeqCst: two handlers run once the count is two.
            begins.fetch_add(1, Ordering::SeqCst);
            while !through.is_cancelled() {
                context.wait(Duration::from_millis(2));
            }
            Ok(Finished::default())
        };
        let worker = Worker::new(&pool, handler).stop(&stop);
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| worker.run(&batch).expect("it runs"));
            // Two threads, and one job more.
            wait_until("three jobs are given out", || batch.status().expect("a status").given_out == 3);
            wait_until("two of them run", || begun.load(Ordering::SeqCst) == 2);
            stop.cancel();
            // The one that waits is back at once, while the two run.
            wait_until("one is back", || has_one_again(&batch));
            gate.cancel();
            running.join().expect("no panic")
        });
        assert_eq!((report.ended, report.done, report.returned), (Ended::Stopped, 2, 1), "{broker:?}");
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        assert_eq!(work_on::<Pool>(&batch, &shelf, 2).done, 7);
        assert!(records(&batch, Table::Done).values().all(|record| record.attempts == 1));
    }
}

/// Whether a job was handed back, and its attempts are what they were.
fn has_one_again(batch: &Batch<Errand>) -> bool {
    let is_back = |number: usize| {
        let id = format!("job-{number}").parse().expect("a name");
        matches!(batch.explain(&id), Ok(Explanation::Again(note)) if note.attempts == 0)
    };
    (0..9).any(is_back)
}

#[test]
fn a_job_that_does_not_end_is_a_dead_letter_and_its_worker_goes_on() {
    for broker in Broker::all() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let batch = broker.batch();
        let jobs = writing(10, 1).into_iter().chain([errand("forever", Deed::Forever)]);
        batch.publish(&settings(), jobs).expect("published");
        let pool = Pool::builder().workers(1).build().expect("a pool");
        let of_worker = shelf.clone();
        let worker =
            Worker::new(&pool, move |job: Errand, context: &Context| of_worker.handle(&job, context));
        let report = worker.time_limit(Duration::from_millis(300)).run(&batch).expect("it runs");
        // The handler returns when its token is cancelled.
        assert_eq!((report.ended, report.done, report.dead), (Ended::Complete, 10, 1), "{report:?}");
        assert_eq!(report.stuck, 0);
        let error = records(&batch, Table::Dead)["forever"].error.clone().unwrap_or_default();
        assert!(error.contains("longer than 0.3 s"), "{error}");
    }
}

#[test]
fn a_worker_whose_threads_never_return_ends_as_stuck() {
    let broker = Broker::all().remove(0);
    let batch = broker.batch();
    batch.publish(&settings(), writing(4, 0)).expect("published");
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let gate = CancelToken::new();
    let through = gate.clone();
    let handler = move |_: Errand, context: &Context| {
        // Deaf to its token.
        while !through.is_cancelled() {
            context.clone().wait(Duration::ZERO);
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(Finished::default())
    };
    let report =
        Worker::new(&pool, handler).time_limit(Duration::from_millis(50)).run(&batch).expect("it runs");
    assert_eq!((report.ended, report.done, report.dead, report.stuck), (Ended::Stuck, 0, 1, 1));
    let status = batch.status().expect("a status");
    assert_eq!((status.dead, status.waiting + status.given_out), (1, 3));
    gate.cancel();
}

#[test]
fn a_machine_that_can_do_nothing_leaves_the_jobs_to_others() {
    for broker in Broker::all() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let batch = broker.batch();
        batch.publish(&settings(), writing(30, 20)).expect("published");
        let full = |_: Errand, _: &Context| -> Result<Finished, Fault> {
            Err(Fault::Machine("no space left on device".into()))
        };
        let pool = Pool::builder().workers(2).build().expect("a pool");
        let sick = Worker::new(&pool, full)
            .first_delay(Duration::from_millis(200))
            .name("sick".parse().expect("a name"));
        let (sick, well) = std::thread::scope(|scope| {
            let sick = scope.spawn(|| sick.run(&batch).expect("it runs"));
            wait_until("it pauses", || {
                let status = batch.status().expect("a status");
                status.workers.iter().any(|worker| worker.beat.paused.is_some())
            });
            let well = scope.spawn(|| work_on::<Pool>(&batch, &shelf, 2));
            (sick.join().expect("no panic"), well.join().expect("no panic"))
        });
        assert_eq!((sick.done, sick.dead, well.done, well.dead), (0, 0, 30, 0), "{broker:?}");
        assert_eq!(shelf.outputs().len(), 30);
        // It is asked now and then, and not with every job.
        assert!(sick.returned < 30, "{sick:?}");
    }
}

#[test]
fn a_job_is_explained() {
    for broker in Broker::all() {
        let batch = broker.batch();
        batch.publish(&settings(), writing(3, 0)).expect("published");
        let explain = |name: &str| batch.explain(&name.parse().expect("a name")).expect("explained");
        assert_eq!(explain("job-2"), Explanation::Waiting { ahead: 2, threads: 0 });
        assert_eq!(explain("none"), Explanation::Unknown);
        let pool = Pool::builder().workers(1).build().expect("a pool");
        let gate = CancelToken::new();
        let through = gate.clone();
        let handler = move |_: Errand, context: &Context| {
            while !through.is_cancelled() {
                context.wait(Duration::from_millis(2));
            }
            Err(Fault::Job("bad".into()))
        };
        let worker = Worker::new(&pool, handler).name("explained".parse().expect("a name"));
        std::thread::scope(|scope| {
            let running = scope.spawn(|| worker.run(&batch).expect("it runs"));
            wait_until("a worker has it", || {
                matches!(explain("job-0"), Explanation::With { worker, seconds, is_silent: false }
                    if worker == "explained" && seconds > 0.0)
            });
            assert!(explain("job-0").to_string().contains("explained works on it"));
            gate.cancel();
            assert_eq!(running.join().expect("no panic").dead, 3);
        });
        match explain("job-1") {
            Explanation::Ended(record) => assert_eq!(record.error.as_deref(), Some("bad")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_worker_waits_for_a_batch_and_stays_for_more() {
    for broker in Broker::all() {
        let batch = broker.batch();
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let (pool, stop) = (Pool::builder().workers(2).build().expect("a pool"), CancelToken::new());
        let of_worker = shelf.clone();
        let worker =
            Worker::new(&pool, move |job: Errand, context: &Context| of_worker.handle(&job, context));
        let (told, listening) = std::sync::mpsc::channel();
        let worker = worker.stop(&stop).end(End::Never).tell(move |text| _ = told.send(text.to_owned()));
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| worker.run(&batch).expect("it runs"));
            let line = listening.recv_timeout(crate::support::PATIENCE).expect("a line");
            assert!(line.contains("waiting for it"), "{line}");
            batch.publish(&settings(), writing(5, 0)).expect("published");
            wait_until("all are done", || batch.status().expect("a status").done == 5);
            assert_eq!(batch.resume(writing(8, 0)).expect("published"), 3);
            wait_until("all are done", || batch.status().expect("a status").done == 8);
            stop.cancel();
            running.join().expect("no panic")
        });
        assert_eq!((report.ended, report.done), (Ended::Stopped, 8));
    }
}
