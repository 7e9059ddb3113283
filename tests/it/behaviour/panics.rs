//! Panics in tasks: the payload reaches the handle or the handler, once, and the workers continue to run.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::{self, ThreadId};

use longshore::JoinError;

use super::*;
use crate::support::{Gate, quiet_panic, text, wait_until};

/// The messages of the payloads that a handler has got.
type Messages = Arc<Mutex<Vec<String>>>;

fn rig_with_handler(workers: usize) -> (Rig, Messages) {
    let messages = Messages::default();
    let seen = messages.clone();
    let builder = Pool::builder().workers(workers).panic_handler(move |payload| {
        let message = payload.message().unwrap_or("none").to_owned();
        seen.lock().expect("not poisoned").push(message);
    });
    (Rig::with(builder), messages)
}

fn payload_of<T>(result: Result<T, JoinError>) -> longshore::PanicPayload {
    match result {
        Err(JoinError::Panicked(payload)) => payload,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has panicked"),
    }
}

#[test]
fn payloads_of_every_type_reach_the_handle() {
    #[derive(Debug, PartialEq)]
    struct Custom(u64);

    let (rig, messages) = rig_with_handler(2);
    let literal = payload_of(rig.submit(|| panic!("a literal")).expect("open").join().map(|(): ()| ()));
    assert_eq!((literal.message(), literal.to_string().as_str()), (Some("a literal"), "a literal"));
    assert_eq!(text(&*literal.into_inner()), "a literal");

    let number = 3;
    let formatted =
        payload_of(rig.submit(move || panic!("number {number}")).expect("open").join().map(|(): ()| ()));
    assert_eq!(formatted.message(), Some("number 3"));
    assert_eq!(formatted.into_inner().downcast_ref::<String>().map(String::as_str), Some("number 3"));

    let custom = payload_of(rig.submit(|| quiet_panic(Custom(9))).expect("open").join().map(|(): ()| ()));
    assert_eq!(custom.message(), None);
    assert!(!custom.to_string().is_empty());
    assert_eq!(custom.into_inner().downcast_ref(), Some(&Custom(9)));

    let error =
        rig.submit(|| quiet_panic("shown")).expect("open").join().map(|(): ()| ()).expect_err("panics");
    assert!(error.is_panic() && !error.is_cancelled());
    assert!(error.to_string().contains("shown"), "{error}");

    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.completed, stats.hook_panics), (4, 0, 0));
    assert!(messages.lock().expect("not poisoned").is_empty(), "each payload went to a handle");
}

#[test]
fn the_other_ways_to_take_a_result_yield_the_payload_too() {
    let rig = Rig::new(1);
    let mut tried = rig.submit(|| quiet_panic(1u8)).expect("open");
    wait_until("the task has ended", || tried.is_finished());
    assert!(payload_of::<()>(tried.try_join().expect("there")).into_inner().is::<u8>());
    assert!(matches!(tried.try_join(), Some(Err(JoinError::Taken))));
    let mut timed = rig.submit(|| quiet_panic(1u8)).expect("open");
    let result = timed.join_timeout(std::time::Duration::MAX).expect("waits");
    assert!(payload_of::<()>(result).into_inner().is::<u8>());
    rig.finish();
}

#[test]
fn without_a_handle_the_handler_gets_the_payload() {
    let (rig, messages) = rig_with_handler(2);
    rig.execute(|| quiet_panic("executed")).expect("open");
    let gate = Gate::new();
    let visitor = gate.visitor();
    let detached = rig.submit(move || {
        visitor.pass();
        quiet_panic("detached".to_owned())
    });
    drop::<longshore::JoinHandle<()>>(detached.expect("open"));
    gate.open();
    rig.execute_batch((0..3).map(|n| move || quiet_panic(format!("batch {n}")))).expect("open");
    rig.execute(|| longshore::execute(|| quiet_panic("inner")).expect("inside")).expect("open");
    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.completed), (6, 1));
    let mut messages = messages.lock().expect("not poisoned").clone();
    messages.sort();
    assert_eq!(messages, ["batch 0", "batch 1", "batch 2", "detached", "executed", "inner"]);
}

#[test]
fn a_payload_can_be_thrown_again() {
    let rig = Rig::new(1);
    let outer = rig.submit(|| {
        let inner = longshore::submit(|| quiet_panic("thrown twice")).expect("inside");
        if let Err(JoinError::Panicked(payload)) = inner.join().map(|(): ()| ()) {
            std::panic::resume_unwind(payload.into_inner());
        }
    });
    let payload = payload_of(outer.expect("open").join());
    assert_eq!(payload.message(), Some("thrown twice"));
    assert_eq!(rig.finish().panicked, 2);
}

/// The threads that act as the workers of a pool. A barrier that needs all of them makes each run one task.
fn threads_of(rig: &Rig) -> Vec<ThreadId> {
    let barrier = Arc::new(Barrier::new(rig.workers()));
    let handles: Vec<_> = (0..rig.workers())
        .map(|_| {
            let barrier = barrier.clone();
            let task = move || {
                barrier.wait();
                (longshore::current_worker(), thread::current().id())
            };
            rig.submit(task).expect("open")
        })
        .collect();
    let mut threads: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("ran")).collect();
    threads.sort_by_key(|&(worker, _)| worker);
    threads.into_iter().map(|(_, thread)| thread).collect()
}

#[test]
fn ten_thousand_panics_cost_no_worker() {
    for workers in [1, 4] {
        let rig = Rig::new(workers);
        let before = threads_of(&rig);
        for n in 0..5_000 {
            rig.execute(move || quiet_panic(n)).expect("open");
            // Waiting for some tasks limits the queue, and not waiting for the others lets tasks accumulate.
            let handle = rig.submit(|| quiet_panic("with a handle")).expect("open");
            if n % 10 == 0 {
                assert!(handle.join().map(|(): ()| ()).is_err_and(|error| error.is_panic()));
            }
        }
        assert_eq!(threads_of(&rig), before, "the same threads");
        assert_eq!(rig.workers(), workers);
        let stats = rig.finish();
        assert_eq!(stats.panicked, 10_000);
        assert_eq!(stats.completed, 2 * workers as u64);
    }
}

#[test]
fn a_lock_poisoned_by_a_task_does_not_concern_the_pool() {
    let rig = Rig::new(2);
    let lock = Arc::new(Mutex::new(0));
    let poisons = lock.clone();
    let task = rig.submit(move || {
        let _held = poisons.lock().expect("not poisoned yet");
        quiet_panic("with the lock")
    });
    payload_of::<()>(task.expect("open").join());
    assert!(lock.is_poisoned());
    rig.submit(|| ()).expect("open").join().expect("the pool still works");
    rig.finish();
}

#[test]
fn a_panic_while_tasks_wait_for_each_other() {
    let rig = Rig::new(1);
    let (sender, receiver) = mpsc::channel();
    let outer = rig.submit(move || {
        let inner: Vec<_> = (0..10)
            .map(|n| longshore::submit(move || if n % 2 == 0 { quiet_panic(n) } else { n }).expect("inside"))
            .collect();
        for handle in inner {
            sender.send(handle.join().map_err(|error| error.is_panic())).expect("received");
        }
    });
    outer.expect("open").join().expect("ran");
    let results: Vec<_> = receiver.iter().collect();
    let expected: Vec<_> = (0..10).map(|n| if n % 2 == 0 { Err(true) } else { Ok(n) }).collect();
    assert_eq!(results, expected);
    rig.finish();
}
