//! M11: the permits of a bounded pool. No permit is lost or given twice, "full" is true, and no waiter sleeps
//! beside a free permit, also while waiters arrive and cancel and while the permits are closed.

use std::sync::Arc;

use super::common::{end, spawn};
use super::semaphore::{acquire, this_thread};
use crate::code::barrier::Barrier;
use crate::code::permits::Permits;
use crate::code::wait_queue::{Acquired, Semaphore};

const STRIPES: usize = 2;
const WORKERS: usize = 2;

fn permits(limit: u64) -> Arc<Permits> {
    Arc::new(Permits::new(limit, STRIPES, WORKERS, WORKERS, Barrier::symmetric()))
}

/// Permits of which all are with tasks.
fn full(limit: u64) -> Arc<Permits> {
    let permits = permits(limit);
    assert_eq!(permits.try_acquire(0, limit), limit);
    permits
}

/// One free permit, in the first stripe. Of nine permits the first producer has fetched two and used one, and
/// the second producer has used seven.
fn one_left_in_a_stripe() -> Arc<Permits> {
    let permits = permits(9);
    assert_eq!((permits.try_acquire(0, 1), permits.try_acquire(1, 7)), (1, 7));
    permits
}

/// Nothing was lost or gained: `free` can be acquired, and no more.
fn assert_free(permits: &Permits, free: u64) {
    let got = std::iter::from_fn(|| Some(permits.try_acquire(1, 10)).filter(|&got| got > 0));
    assert_eq!(got.sum::<u64>(), free);
}

/// Two producers at two stripes, and one permit in one of the stripes: one producer gets it.
pub fn the_last_permit_goes_to_one_producer() {
    let permits = one_left_in_a_stripe();
    let producer = spawn(&permits, |permits| permits.try_acquire(1, 1));
    let got = permits.try_acquire(0, 1) + end(producer);
    assert_eq!(got, 1);
    assert_free(&permits, 0);
}

/// The same while a worker starts a task.
pub fn permits_are_conserved() {
    let permits = one_left_in_a_stripe();
    let producers = [0, 1].map(|stripe| spawn(&permits, move |permits| permits.try_acquire(stripe, 1)));
    permits.release(0);
    let got: u64 = producers.into_iter().map(end).sum();
    assert!((1..=2).contains(&got));
    assert_free(&permits, 2 - got);
}

/// A producer waits while a worker starts a task.
pub fn a_waiter_gets_the_released_permit() {
    let permits = full(1);
    let worker = spawn(&permits, |permits| permits.release(0));
    assert!(acquire(&*permits, 1));
    end(worker);
    assert_free(&permits, 0);
}

/// Two producers wait for one permit, and the first one passes it to the second.
pub fn a_permit_goes_from_waiter_to_waiter() {
    let permits = full(1);
    let producers = [(); 2].map(|()| {
        spawn(&permits, |permits| {
            assert!(acquire(permits, 1));
            permits.release_from_outside(1); // its task is discarded
        })
    });
    permits.release(0);
    producers.into_iter().for_each(end);
    assert_free(&permits, 1);
}

/// Two workers start tasks while a producer waits for one permit.
pub fn two_workers_serve_one_waiter() {
    let permits = full(2);
    let workers = [0, 1].map(|worker| spawn(&permits, move |permits| permits.release(worker)));
    assert!(acquire(&*permits, 1));
    workers.into_iter().for_each(end);
    assert_free(&permits, 1);
}

/// Every waiter sees the close, and a permit that is released at the same time is not lost.
pub fn a_close_releases_all_waiters() {
    let permits = full(1);
    let producers = [(); 2].map(|()| spawn(&permits, move |permits| u64::from(acquire(permits, 1))));
    let closer = spawn(&permits, |permits| permits.close());
    permits.release(0);
    let got: u64 = producers.into_iter().map(end).sum();
    end(closer);
    assert!(got <= 1);
    assert_free(&permits, 1 - got);
}

/// A future cancels when its permit may have been granted already: the next waiter gets it.
pub fn a_cancelled_turn_goes_to_the_next_waiter() {
    let permits = full(1);
    let Acquired::Queued(first) = permits.acquire_or_enqueue(1, this_thread()) else {
        panic!("no permit is free")
    };
    let next = spawn(&permits, |permits| assert!(acquire(permits, 1)));
    let worker = spawn(&permits, |permits| permits.release(0));
    permits.cancel(first);
    end(next);
    end(worker);
    assert_free(&permits, 0);
}

/// Two waiters, and a permit for each.
pub fn each_of_two_waiters_gets_a_permit() {
    let permits = full(2);
    let producers = [(); 2].map(|()| spawn(&permits, move |permits| assert!(acquire(permits, 1))));
    permits.release(0);
    permits.release(0);
    producers.into_iter().for_each(end);
    assert_free(&permits, 0);
}

/// A task enters beyond the limit and starts on another worker. (Both workers are one thread here, because
/// the permits do not order the handover of the task.) That makes no permit free.
pub fn an_overdraft_is_never_taken_for_a_free_permit() {
    let permits = full(1);
    let workers = spawn(&permits, |permits| {
        permits.overdraw_by(0);
        permits.release(1);
    });
    let producer = spawn(&permits, |permits| {
        assert_eq!(permits.try_acquire(0, 1), 0, "the task with the permit still waits");
    });
    end(workers);
    end(producer);
}

/// `Capacity::disallow_workers` against a worker that releases the only permit, and a producer. In the end no
/// permit is left, whatever the order.
pub fn a_lowered_limit_stays_lowered() {
    let permits = full(1);
    let worker = spawn(&permits, |permits| permits.release(0));
    let producer = spawn(&permits, |permits| {
        if permits.try_acquire(1, 1) == 1 {
            permits.release(1);
        }
    });
    if permits.try_acquire(0, 1) == 0 {
        permits.overdraw_from_outside(1);
    }
    end(worker);
    end(producer);
    assert_eq!((permits.try_acquire(0, 1), permits.try_acquire(1, 1)), (0, 0));
    permits.release_from_outside(1);
    assert_eq!(permits.try_acquire(0, 2), 1, "the limit is raised again");
}
