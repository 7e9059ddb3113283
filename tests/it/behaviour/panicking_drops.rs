//! Destructors that panic: of captures (run, discarded, cancelled, refused), of results, of payloads.

use std::sync::{Arc, Mutex};

use longshore::JoinError;

use super::*;
use crate::support::{Gate, quiet_panic, text, wait_until};

/// Panics when it is dropped, unless another panic unwinds already (the process would abort, by Rust's
/// rules).
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            quiet_panic(self.0);
        }
    }
}

type Messages = Arc<Mutex<Vec<String>>>;

fn rig_with_handler(workers: usize) -> (Rig, Messages) {
    let messages = Messages::default();
    let seen = messages.clone();
    let builder = Pool::builder().workers(workers).panic_handler(move |payload| {
        let payload = payload.into_inner();
        seen.lock().expect("not poisoned").push(text(&*payload).to_owned());
    });
    (Rig::with(builder), messages)
}

fn sorted(messages: &Messages) -> Vec<String> {
    let mut messages = messages.lock().expect("not poisoned").clone();
    messages.sort();
    messages
}

#[test]
fn captures_of_tasks_that_ran() {
    let (rig, messages) = rig_with_handler(2);
    let bomb = Bomb("executed");
    rig.execute(move || _ = std::hint::black_box(&bomb).0.len()).expect("open");
    let bomb = Bomb("joined");
    let joined = rig.submit(move || std::hint::black_box(&bomb).0.len()).expect("open");
    match joined.join() {
        Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("joined")),
        other => panic!("the task has the panic of the drop: {other:?}"),
    }
    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.completed), (2, 0));
    assert_eq!(sorted(&messages), ["executed"]);
}

/// Captures of each way to store a closure.
#[test]
fn captures_of_every_size() {
    fn explode<const N: usize>(rig: &Rig) {
        let task = || {
            let (bomb, ballast) = (Bomb("sized"), [1u8; N]);
            move || {
                let _captured = (&bomb, std::hint::black_box(&ballast));
            }
        };
        rig.execute(task()).expect("open");
        assert!(rig.submit(task()).expect("open").join().is_err_and(|error| error.is_panic()));
    }
    let (rig, messages) = rig_with_handler(2);
    explode::<0>(&rig);
    explode::<100>(&rig);
    explode::<900>(&rig);
    explode::<1_500>(&rig);
    explode::<10_000>(&rig);
    assert_eq!(rig.finish().panicked, 10);
    assert_eq!(sorted(&messages), ["sized"; 5]);
}

#[test]
fn captures_of_tasks_discarded_by_a_shutdown() {
    for workers in [1, 2] {
        let (rig, messages) = rig_with_handler(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let handles: Vec<_> = (0..50)
            .map(|_| {
                let (executed, submitted) = (Bomb("executed"), Bomb("submitted"));
                rig.execute(move || _ = &executed).expect("open");
                rig.submit(move || _ = &submitted).expect("open")
            })
            .collect();
        let pool = rig.pool().clone();
        let ends = std::thread::spawn(move || pool.shutdown_now());
        for handle in handles {
            assert!(handle.join().is_err_and(|error| error.is_cancelled()));
        }
        gate.open();
        assert_eq!(ends.join().expect("no panic").expect("shuts down"), 100);
        let stats = rig.finish();
        assert_eq!((stats.cancelled, stats.panicked), (100, 0));
        let messages = sorted(&messages);
        assert_eq!(
            (messages.len(), messages[0].as_str(), messages[99].as_str()),
            (100, "executed", "submitted")
        );
    }
}

/// `panic_handler` promises to be called "when the captures of a task that never ran panic in their `Drop`".
#[test]
fn captures_of_a_cancelled_task() {
    let (rig, messages) = rig_with_handler(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let bomb = Bomb("cancelled");
    let handle = rig.submit(move || _ = &bomb).expect("open");
    assert!(handle.cancel(), "`cancel` does not panic");
    assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.panicked, stats.completed), (1, 0, 1));
    assert!(
        messages.lock().expect("no panic").is_empty(),
        "`cancel` drops the captures, and the panic with them"
    );
}

#[test]
fn captures_of_a_refused_task_are_returned_whole() {
    let (rig, messages) = rig_with_handler(1);
    rig.shutdown().expect("shuts down");
    let bomb = Bomb("refused");
    let refused = rig.submit(move || _ = &bomb).expect_err("closed");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(refused)));
    assert_eq!(text(&*dropped.expect_err("dropped by the caller")), "refused");
    rig.finish();
    assert!(sorted(&messages).is_empty());
}

#[test]
fn a_result_without_a_handle() {
    let (rig, messages) = rig_with_handler(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    drop(rig.submit(|| Bomb("result")).expect("open"));
    gate.open();
    let stats = rig.finish();
    assert_eq!(sorted(&messages), ["result"]);
    assert_eq!((stats.completed, stats.panicked), (2, 0), "the task itself has returned");
}

#[test]
fn a_result_dropped_with_its_handle() {
    let rig = Rig::new(1);
    let handle = rig.submit(|| Bomb("result")).expect("open");
    wait_until("the task has ended", || handle.is_finished());
    drop(handle); // the drop of the handle does not panic
    let taken = rig.submit(|| Bomb("taken")).expect("open").join().expect("ran");
    std::mem::forget(taken);
    assert_eq!(rig.finish().completed, 2);
}

/// A payload that panics in its own drop, wherever the library drops a payload.
#[test]
fn payloads() {
    let payload = || quiet_panic(Bomb("payload"));
    let rig = Rig::new(1);
    // Without a handler the pool drops the payload.
    rig.execute(payload).expect("open");
    // Dropped with the handle, after the task has ended and before.
    let handle = rig.submit(payload).expect("open");
    wait_until("the task has ended", || handle.is_finished());
    drop::<longshore::JoinHandle<()>>(handle);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    drop::<longshore::JoinHandle<()>>(rig.submit(payload).expect("open"));
    gate.open();
    rig.submit(|| ()).expect("open").join().expect("the worker still runs");
    assert_eq!(rig.finish().panicked, 3);
}

#[test]
#[cfg_attr(
    longshore_no_recycling,
    ignore = "a payload that cannot be dropped is leaked, which AddressSanitizer reports"
)]
fn payloads_of_payloads() {
    struct Nested;
    impl Drop for Nested {
        fn drop(&mut self) {
            quiet_panic(Bomb("from the payload's drop"));
        }
    }
    let rig = Rig::new(1);
    rig.execute(|| quiet_panic(Nested)).expect("open");
    rig.submit(|| ()).expect("open").join().expect("the worker still runs");
    assert_eq!(rig.finish().panicked, 1);
}

/// A handler that drops the payload that it gets, and so panics itself.
#[test]
fn payloads_in_the_handler() {
    let builder = Pool::builder().workers(1).panic_handler(drop);
    let rig = Rig::with(builder);
    rig.execute(|| quiet_panic(Bomb("payload"))).expect("open");
    rig.submit(|| ()).expect("open").join().expect("the worker still runs");
    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.hook_panics), (1, 1));
}

/// The last reference to a value is captured by a closure, and its drop uses the pool.
#[test]
fn captures_that_submit_in_their_drop() {
    struct Submits(Arc<Mutex<u32>>);
    impl Drop for Submits {
        fn drop(&mut self) {
            let count = self.0.clone();
            longshore::execute(move || *count.lock().expect("not poisoned") += 1).expect("inside a task");
        }
    }
    let rig = Rig::new(2);
    let count = Arc::new(Mutex::new(0));
    for _ in 0..100 {
        let submits = Submits(count.clone());
        rig.execute(move || _ = &submits).expect("open");
    }
    rig.finish();
    assert_eq!(*count.lock().expect("not poisoned"), 100);
}
