//! Stress that accounts for every task: it ran once, or was cancelled, or came back; and everything that went into
//! closures and results was dropped once. `LONGSHORE_STRESS=n` makes it n times longer, `LONGSHORE_TEST_SEED` repeats
//! the random choices.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{BatchError, JoinHandle, Pool, ShutdownError, SubmitErrorKind};
use rand::RngExt;
use rand::rngs::SmallRng;

use support::ledger::{Ledger, check, silent, take_back};
use support::{PATIENCE, Tracked, assert_quiescent, rng, scaled, seed, watchdog};

type Handle = JoinHandle<Tracked>;

/// What a producer does with a handle.
fn use_handle(mut handle: Handle, rng: &mut SmallRng, kept: &mut Vec<Handle>) {
    match rng.random_range(0..10) {
        0 => drop(handle),
        1 => {
            handle.cancel();
            drop(handle);
        }
        2 => {
            let cancelled = handle.cancel();
            let result = handle.join();
            assert_eq!(cancelled, result.as_ref().is_err_and(|error| error.is_cancelled()));
            check(result);
        }
        3 => check(handle.join()),
        4 => _ = handle.try_join().map(check),
        5 => _ = handle.join_timeout(Duration::from_micros(rng.random_range(0..200))).map(check),
        6 => check(futures_executor::block_on(handle)),
        _ => kept.push(handle),
    }
    if kept.len() > 50 {
        let index = rng.random_range(0..kept.len());
        check(kept.swap_remove(index).join());
    }
}

fn take_back_batch<F: FnOnce() -> T, T, H>(error: BatchError<F, H>) -> Vec<H> {
    assert_eq!(error.kind, SubmitErrorKind::Closed);
    error.rejected.into_iter().for_each(|task| drop(take_back(task)));
    error.accepted
}

/// One random submission; whether the pool was still open.
fn submit_something(pool: &Pool, ledger: &Ledger, rng: &mut SmallRng, kept: &mut Vec<Handle>) -> bool {
    macro_rules! single {
        ($size:literal) => {{
            let Some(task) = ledger.task::<$size>(rng) else { return true };
            if rng.random() {
                return pool.execute(silent(task)).map_err(|refused| take_back(refused.task)).is_ok();
            }
            match pool.submit(task) {
                Ok(handle) => use_handle(handle, rng, kept),
                Err(refused) => {
                    take_back(refused.task).check();
                    return false;
                }
            }
            true
        }};
    }
    match rng.random_range(0..8) {
        0 => single!(0),
        1 => single!(40),
        2 => single!(300),
        3 => single!(3_000),
        way => {
            let mut left = rng.random_range(0..80);
            let mut numbers = rng.clone();
            let tasks = std::iter::from_fn(|| {
                left -= 1;
                (left >= 0).then(|| ledger.task::<10>(&mut numbers)).flatten()
            });
            let (handles, open) = if way % 2 == 0 {
                match pool.execute_batch(tasks.map(silent)) {
                    Ok(_) => (Vec::new(), true),
                    Err(error) => (
                        take_back_batch(error).into_iter().map(|()| unreachable_handle()).take(0).collect(),
                        false,
                    ),
                }
            } else {
                match pool.submit_batch(tasks) {
                    Ok(handles) => (handles, true),
                    Err(error) => (take_back_batch(error), false),
                }
            };
            for handle in handles {
                use_handle(handle, rng, kept);
            }
            rng.random::<u64>();
            open
        }
    }
}
