//! What a pool could come to at best: the ideal that figures are a share of, and how near to it the machine
//! itself comes.

use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::{self, Expected};
use crate::outcome::Failure;
use crate::pools::Execute;

/// Workers that can run at the same time.
#[must_use]
pub fn parallelism<R: Execute>(workers: usize) -> usize {
    if R::IN_PLACE { 1 } else { at_once(workers) }
}

/// So many threads, or as many cores, whichever is less.
pub fn at_once(threads: usize) -> usize {
    threads.min(thread::available_parallelism().map_or(1, usize::from))
}

/// As many threads as can run at the same time, each of which does all of the tasks by itself, from a place
/// of its own on, so that no two are at the same task: no pool can do that much work in less time. `work`
/// says what goes into the ledger for the task of a number.
pub fn side_by_side(
    threads: usize,
    tasks: u64,
    work: impl Fn(u64) -> u64 + Sync,
) -> Result<Duration, Failure> {
    let threads = at_once(threads) as u64;
    let mark = ledger::mark();
    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || {
                for number in 0..tasks {
                    ledger::enter(work((number + thread * tasks / threads) % tasks));
                }
            });
        }
    });
    let elapsed = start.elapsed();
    mark.check(Expected::of((0..threads).flat_map(|_| 0..tasks)))?;
    Ok(elapsed)
}

/// How long so many workers take for tasks of these lengths if each that has nothing to do begins the next
/// one at once. What is missing to an even division is due to the tasks and their order: the last task
/// cannot be shared.
pub fn in_order(lengths: &[f64], workers: usize) -> f64 {
    let mut busy_until = vec![0.0_f64; workers];
    for length in lengths {
        let next = busy_until.iter_mut().min_by(|a, b| f64::total_cmp(a, b)).expect("a worker");
        *next += length;
    }
    busy_until.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_task_is_waited_for() {
        assert_eq!(in_order(&[1.0, 1.0, 1.0], 2), 2.0);
        assert_eq!(in_order(&[3.0, 1.0, 1.0, 1.0], 2), 3.0);
        assert_eq!(in_order(&[1.0, 1.0, 1.0, 3.0], 1), 6.0);
    }

    #[test]
    fn each_thread_does_all_of_it() {
        let _alone = ledger::TESTED.lock().expect("the other tests have passed");
        assert!(side_by_side(2, 10, |number| number).is_ok());
        assert!(side_by_side(2, 10, |_| 3).is_err(), "the wrong ones");
    }
}
