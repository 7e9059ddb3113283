//! What the drop-in does beyond rayon-core: the calling thread takes part, a pool of Longshore is found, and the
//! statistics are printed. The tests of rayon and rayon-core, which `.ci/dropin` runs, cover the rest.

use std::env;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rayon::prelude::*;

const _: () = assert!(rayon_core::IS_LONGSHORE);

/// Runs the ignored test `name` of this program with these variables.
fn scenario(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env::current_exe().expect("known"));
    child.args(["--ignored", "--exact", "--nocapture", name]).envs(variables.iter().copied());
    let output = child.output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// How often the calling thread itself was the thread of the global pool that called a scope, of 1,000 times.
fn takes_part() -> usize {
    let here = thread::current().id();
    (0..1_000).filter(|_| rayon_core::scope(|_| thread::current().id() == here)).count()
}

#[test]
#[ignore = "a scenario"]
fn the_calling_thread_takes_part() {
    // Now and then no thread of the pool is asleep.
    assert!(takes_part() > 0);
}

#[test]
#[ignore = "a scenario"]
fn the_calling_thread_takes_no_part() {
    assert_eq!(takes_part(), 0);
}

#[test]
#[ignore = "a scenario"]
fn nor_does_it_with_a_start_handler() {
    rayon_core::ThreadPoolBuilder::new().start_handler(|_| ()).build_global().expect("the first");
    assert_eq!(takes_part(), 0);
}

#[test]
#[ignore = "a scenario"]
fn nor_does_it_with_names() {
    rayon_core::ThreadPoolBuilder::new().thread_name(|i| i.to_string()).build_global().expect("the first");
    assert_eq!(takes_part(), 0);
}

#[test]
fn a_thread_takes_part_unless_that_could_be_told() {
    scenario("the_calling_thread_takes_part", &[]);
    scenario("the_calling_thread_takes_no_part", &[("LONGSHORE_RAYON_TAKE_PART", "0")]);
    scenario("nor_does_it_with_a_start_handler", &[]);
    scenario("nor_does_it_with_names", &[]);
}

#[test]
#[ignore = "a scenario"]
fn two_pools_work() {
    let sum = || (0..10_000u64).into_par_iter().sum::<u64>();
    assert_eq!(sum(), 49_995_000);
    let pool = rayon_core::ThreadPoolBuilder::new().num_threads(3).build().expect("starts");
    assert_eq!(pool.install(sum), 49_995_000);
}

#[test]
fn each_pool_prints_its_statistics() {
    let output = scenario("two_pools_work", &[("LONGSHORE_STATS", "1"), ("RAYON_NUM_THREADS", "2")]);
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    let tables: Vec<_> = text.lines().filter(|line| line.starts_with("pool rayon, ")).collect();
    assert_eq!(tables, ["pool rayon, 3 workers", "pool rayon, 2 workers"], "{text}");
    let silent = scenario("two_pools_work", &[]);
    assert!(!String::from_utf8_lossy(&silent.stderr).contains("pool rayon"));
}

#[test]
fn rayon_inside_of_a_task_of_longshore_uses_that_pool() {
    let pool = longshore::Pool::builder().workers(3).thread_name("own").build().expect("starts");
    let strangers = AtomicUsize::new(0);
    let sum: u64 = pool.install(|| {
        assert_eq!(rayon_core::current_num_threads(), 3);
        let items = (0..100_000u64).into_par_iter().inspect(|_| {
            let is_own = thread::current().name().is_some_and(|name| name.starts_with("own-"));
            strangers.fetch_add(usize::from(!is_own), Ordering::Relaxed);
        });
        items.sum()
    });
    assert_eq!((sum, strangers.into_inner()), (4_999_950_000, 0));
    let (sender, receiver) = std::sync::mpsc::channel();
    pool.execute(move || rayon_core::spawn_fifo(move || sender.send(5).expect("waits"))).expect("open");
    assert_eq!(receiver.recv(), Ok(5));
}
