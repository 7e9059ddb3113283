//! Programs whose longest chain is known. The number of its tasks is checked, and not how long they took,
//! because a loaded machine interrupts some of them for long.

use longshore::{AnyPool, Pool, PullPool};

use longshore_trace::analysis::Analysis;
use longshore_trace::run::Parent;

use super::{compute, ran_as, recorded};

/// Runs of a program whose longest chain an interruption may cut.
const RUNS: usize = 20;

/// Tasks in the longest chain; a task counts again after each of its waits.
fn steps(analysis: &Analysis) -> usize {
    analysis.span.steps.len()
}

fn independent<P: AnyPool>() {
    let (run, analysis) = recorded::<P>(3, |pool| {
        (0..300).for_each(|_| pool.task().label("part").execute(|| compute(200)).expect("accepts"));
    });
    assert_eq!(ran_as(&run, "part"), 300);
    assert_eq!(steps(&analysis), 1);
}

#[test]
fn independent_tasks() {
    independent::<Pool>();
    independent::<PullPool>();
}

/// Each task is submitted when the one before it has been joined. Returns the tasks in the longest chain, and
/// how many it has if it passes through each recorded wait.
fn chain<P: AnyPool>() -> (usize, usize) {
    let (run, analysis) = recorded::<P>(3, |pool| {
        for _ in 0..99 {
            pool.task().label("link").submit(|| compute(200)).expect("accepts").join().expect("no panic");
        }
        pool.task().label("link").execute(|| compute(200)).expect("accepts");
    });
    assert_eq!(ran_as(&run, "link"), 100);
    // A join that finds its task finished does not wait, and a recording has no edge for it.
    let waits = run.waits.iter().filter(|wait| wait.task.is_none()).count();
    assert!((1..=99).contains(&waits), "{waits}");
    (steps(&analysis), 1 + waits)
}

/// A task whose join found it finished is a branch of the chain. If that task was interrupted for long, the
/// longest chain ends with it, so only one of many runs must have every wait in its longest chain.
#[test]
fn a_chain_has_no_parallelism() {
    for chain in [chain::<Pool>, chain::<PullPool>] {
        let whole_chain = (0..RUNS).map(|_| chain()).any(|(steps, whole)| {
            assert!(steps <= whole, "{steps} tasks in a chain of {whole}");
            steps == whole
        });
        assert!(whole_chain, "the longest chain of {RUNS} runs leaves out some of the waits");
    }
}

/// A task submits the next one, so no thread waits. Returns the tasks in the longest chain.
fn chain_of_tasks<P: AnyPool>() -> usize {
    let (run, analysis) = recorded::<P>(2, |pool| {
        fn next(left: u32) {
            longshore::label("link");
            compute(200);
            if left > 0 {
                longshore::execute(move || next(left - 1)).expect("accepts");
            }
        }
        pool.execute(|| next(99)).expect("accepts");
    });
    assert_eq!(ran_as(&run, "link"), 100);
    assert_eq!(run.tasks.iter().filter(|task| matches!(task.parent, Parent::Task(_))).count(), 99);
    steps(&analysis)
}

/// A link whose thread is taken off after it has submitted the next one may last longer than all later links.
/// The longest chain ends there then, so only one of many runs must have the whole chain.
#[test]
fn a_chain_of_tasks_has_no_parallelism() {
    for chain in [chain_of_tasks::<Pool>, chain_of_tasks::<PullPool>] {
        let longest = (0..RUNS).map(|_| chain()).find(|steps| *steps >= 100);
        assert_eq!(longest, Some(100));
    }
}

/// As many small tasks as one task takes alone: parallelism 2.
fn half_serial<P: AnyPool>() {
    let (run, analysis) = recorded::<P>(2, |pool| {
        pool.task().label("serial").execute(|| compute(40_000)).expect("accepts");
        (0..200).for_each(|_| pool.task().label("part").execute(|| compute(200)).expect("accepts"));
    });
    assert_eq!((steps(&analysis), run.tasks.len()), (1, 201));
}

#[test]
fn a_serial_half() {
    half_serial::<Pool>();
    half_serial::<PullPool>();
}

/// A tree of tasks that wait for their children.
fn skynet<P: AnyPool>() {
    fn node(depth: u32) -> u64 {
        if depth == 0 {
            compute(50);
            return 1;
        }
        let children: Vec<_> =
            (0..5).map(|_| longshore::submit(move || node(depth - 1)).expect("accepts")).collect();
        children.into_iter().map(|child| child.join().expect("no panic")).sum()
    }
    let (run, analysis) = recorded::<P>(3, |pool| {
        assert_eq!(pool.submit(|| node(4)).expect("accepts").join().expect("no panic"), 625);
    });
    let known = run.exactness.known_parents as f64
        / (run.exactness.known_parents + run.exactness.unknown_parents).max(1) as f64;
    assert!(known > 0.9, "{:?}", run.exactness);
    // Down to a leaf and up again: parts of nine tasks, of which the four that wait go on after each wait.
    assert!(steps(&analysis) <= 60, "{} of {} tasks", steps(&analysis), run.tasks.len());
}

#[test]
fn a_tree() {
    skynet::<Pool>();
    skynet::<PullPool>();
}

/// Three stages; each item is a chain of three tasks.
fn pipeline<P: AnyPool>() {
    let (run, analysis) = recorded::<P>(3, |pool| {
        for _ in 0..60 {
            let encode = || {
                longshore::label("encode");
                compute(100);
            };
            let resize = move || {
                longshore::label("resize");
                compute(300);
                longshore::execute(encode).expect("accepts");
            };
            let decode = move || {
                longshore::label("decode");
                compute(100);
                longshore::execute(resize).expect("accepts");
            };
            pool.execute(decode).expect("accepts");
        }
    });
    assert_eq!(["decode", "resize", "encode"].map(|label| ran_as(&run, label)), [60; 3]);
    // Two, if the thread was taken off in the middle stage after that had submitted the last.
    assert!((1..=3).contains(&steps(&analysis)), "{:?}", analysis.span);
}

#[test]
fn a_pipeline() {
    pipeline::<Pool>();
    pipeline::<PullPool>();
}

#[test]
fn joins_scopes_and_loops() {
    fn fib(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let (a, b) = longshore::join(|| fib(n - 1), || fib(n - 2));
        a + b
    }
    let (run, _) = recorded::<Pool>(3, |pool| {
        assert_eq!(pool.enter(|_| fib(22)), 17_711);
        assert_eq!(pool.submit(|| fib(22)).expect("accepts").join().expect("no panic"), 17_711);
        let squares = pool.map(0..10_000u64, |n| n * n);
        assert_eq!(squares[99], 9801);
        let mut numbers = vec![1u64; 500];
        pool.scope(|scope| {
            numbers.iter_mut().for_each(|number| scope.spawn(move || *number += 1));
        });
        assert_eq!(numbers.iter().sum::<u64>(), 1000);
        let nested = pool.submit(|| {
            let mut sum = 0;
            longshore::scope(|scope| {
                (0..50).for_each(|_| scope.spawn(|| compute(20)));
                sum += 1;
            });
            sum
        });
        assert_eq!(nested.expect("accepts").join().expect("no panic"), 1);
    });
    let stolen: u64 = run.tracks.iter().map(|track| track.stolen + track.stolen_forks).sum();
    println!("{stolen} thefts, {:?}", run.exactness);
}
