//! Handles as futures: awaited, and with wakers that misbehave. `crates/together` has the common executors.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use longshore::{JoinError, JoinHandle};

use super::*;
use crate::support::{Gate, quiet_panic, wait_until};

fn poll<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// Counts its wakes. The count of its `Arc` tells how many wakers exist.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Awaits 200 results, and one failure of each kind.
async fn awaits(rig: &Rig) -> u64 {
    let mut sum = 0;
    for n in 0..200u64 {
        sum += rig.submit(move || n).expect("open").await.expect("ran");
    }
    let panicked = rig.submit(|| quiet_panic("in a future")).expect("open");
    match panicked.await {
        Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("in a future")),
        Err(other) => panic!("{other}"),
        Ok(()) => panic!("it panics"),
    }
    sum
}

#[test]
fn under_a_simple_executor() {
    let rig = Rig::new(2);
    assert_eq!(pollster::block_on(awaits(&rig)), 19_900);
    rig.finish();
}

#[test]
fn awaited_inside_a_task() {
    let rig = Rig::new(2);
    let outer = rig.submit(|| {
        let inner = longshore::submit(|| 8).expect("inside");
        pollster::block_on(inner).expect("the other worker runs it")
    });
    assert_eq!(outer.expect("open").join().expect("ran"), 8);
    rig.finish();
}

#[test]
fn only_the_last_waker_is_woken_and_no_waker_is_kept() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let mut handle = rig
        .submit(move || {
            visitor.pass();
            6
        })
        .expect("open");
    let counts: [Arc<Counting>; 3] = Default::default();
    for count in &counts {
        let waker = Waker::from(count.clone());
        assert!(poll(&mut handle, &waker).is_pending());
        assert!(poll(&mut handle, &waker).is_pending(), "the same waker again");
    }
    assert_eq!(Arc::strong_count(&counts[0]), 1, "the replaced ones are dropped");
    assert_eq!(Arc::strong_count(&counts[2]), 2, "the last one is kept");
    gate.open();
    wait_until("the last waker is woken", || counts[2].wakes() == 1);
    assert_eq!(counts.each_ref().map(|count| count.wakes()), [0, 0, 1]);
    wait_until("the waker is dropped", || Arc::strong_count(&counts[2]) == 1);
    let Poll::Ready(Ok(6)) = poll(&mut handle, Waker::noop()) else {
        panic!("ready");
    };
    rig.finish();
}

#[test]
fn polled_again_after_it_was_ready() {
    let rig = Rig::new(1);
    let mut handle = rig.submit(|| 1).expect("open");
    wait_until("the task has ended", || handle.is_finished());
    assert!(matches!(poll(&mut handle, Waker::noop()), Poll::Ready(Ok(1))));
    for _ in 0..3 {
        assert!(matches!(poll(&mut handle, Waker::noop()), Poll::Ready(Err(JoinError::Taken))));
    }
    assert!(matches!(handle.join(), Err(JoinError::Taken)));
    rig.finish();
}

#[test]
fn another_kind_of_wait_removes_the_waker() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let count = Arc::<Counting>::default();
    let waker = Waker::from(count.clone());
    // Polled, then joined.
    let mut joined = rig.submit(|| 1).expect("open");
    assert!(poll(&mut joined, &waker).is_pending());
    assert!(joined.join_timeout(std::time::Duration::from_millis(1)).is_none());
    // Polled, then dropped.
    let mut dropped = rig.submit(|| 2).expect("open");
    assert!(poll(&mut dropped, &waker).is_pending());
    drop(dropped);
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "both wakers were dropped");
    gate.open();
    assert_eq!(joined.join().expect("ran"), 1);
    assert_eq!(rig.finish().completed, 3);
    assert_eq!(count.wakes(), 0);
}

#[test]
fn a_panic_in_a_waker_does_no_harm() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            quiet_panic("in a waker");
        }
    }
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let waker = Waker::from(Arc::new(Bomb));
        let mut handles: Vec<_> = (0..100).map(|n| rig.submit(move || n).expect("open")).collect();
        assert!(handles.iter_mut().all(|handle| poll(handle, &waker).is_pending()));
        // A cancel wakes as well, on the thread that cancels.
        assert!(handles[99].cancel());
        gate.open();
        for (n, handle) in handles.drain(..99).enumerate() {
            assert_eq!(handle.join().expect("ran"), n);
        }
        assert_eq!(rig.finish().cancelled, 1);
    }
}

/// The drop of the last reference to a waker panics.
#[test]
fn a_panic_in_the_drop_of_a_waker_does_no_harm() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                quiet_panic("in the drop of a waker");
            }
        }
    }
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let mut handles: Vec<_> = (0..50).map(|n| rig.submit(move || n).expect("open")).collect();
    for handle in &mut handles {
        let waker = Waker::from(Arc::new(Bomb));
        assert!(poll(handle, &waker).is_pending());
        drop(waker); // the handle holds the last reference now
    }
    // The handle is dropped while it holds the waker.
    drop(handles.pop());
    gate.open();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().expect("ran"), n);
    }
    rig.finish();
}

/// A waker that submits to the pool, like that of an executor that runs on the pool.
#[test]
fn a_waker_may_use_the_pool() {
    struct Submits(Arc<Pool>, Arc<AtomicUsize>);
    impl Wake for Submits {
        fn wake(self: Arc<Self>) {
            let count = self.1.clone();
            let task = move || _ = count.fetch_add(1, Ordering::Relaxed);
            self.0.execute(task).expect("open");
        }
    }
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let count = Arc::new(AtomicUsize::new(0));
    let waker = Waker::from(Arc::new(Submits(rig.pool().clone(), count.clone())));
    let mut handles: Vec<_> = (0..100).map(|n| rig.submit(move || n).expect("open")).collect();
    assert!(handles.iter_mut().all(|handle| poll(handle, &waker).is_pending()));
    gate.open();
    wait_until("every wake has submitted a task", || count.load(Ordering::Relaxed) == 100);
    drop((waker, handles));
    rig.finish();
}
