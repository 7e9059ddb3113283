//! The parents that a recording tells are those of the program.

use longshore_trace::run::{Parent, Run};

use crate::support::{chain, fib, fib_joins, half_serial, pipeline, run, skynet};

fn tasks_of(run: &Run) -> usize {
    run.tasks.iter().filter(|task| !task.is_fork()).count()
}

/// All but the first have a task as their parent.
fn all_known(run: &Run) {
    let unknown = run.tasks.iter().filter(|task| task.parent == Parent::Unknown).count();
    assert_eq!(unknown, 0, "of {}: {:?}", run.tasks.len(), run.exactness);
    let from_outside = run.tasks.iter().filter(|task| matches!(task.parent, Parent::Thread(_))).count();
    assert_eq!(from_outside, 1);
}

/// What kind of task is the parent of what kind.
fn check_labels(run: &Run, allowed: &[(&str, &str)]) {
    for task in &run.tasks {
        if let Parent::Task(parent) = task.parent {
            let pair = (run.label(run.tasks[parent as usize].label), run.label(task.label));
            assert!(allowed.contains(&pair), "{pair:?}");
        }
    }
}

#[test]
fn trees_of_tasks_are_found_again() {
    for workers in [1, 2, 7, 64] {
        let run = run(&skynet(3, 2_000), workers);
        assert_eq!(tasks_of(&run), 1111);
        all_known(&run);
        check_labels(&run, &[("node", "node"), ("node", "leaf")]);
        let mut children = vec![0; run.tasks.len()];
        for task in &run.tasks {
            if let Parent::Task(parent) = task.parent {
                children[parent as usize] += 1;
            }
        }
        for (task, children) in run.tasks.iter().zip(children) {
            assert_eq!(children, if run.label(task.label) == "node" { 10 } else { 0 });
        }
    }
}

#[test]
fn tiny_tasks_that_share_times_have_the_right_parents() {
    let recursive = run(&fib(15, 20), 4);
    all_known(&recursive);
    check_labels(&recursive, &[("fib", "fib"), ("fib", "leaf")]);
    let flat = run(&half_serial(2000, 20), 3);
    all_known(&flat);
    check_labels(&flat, &[("loop", "serial"), ("loop", "body")]);
    assert!(flat.exactness.shared_times > 1000, "{:?}", flat.exactness);
}

#[test]
fn other_shapes() {
    for workers in [1, 3, 16] {
        let run_of = |script| run(&script, workers);
        let pipeline = run_of(pipeline(100, [3_000, 9_000, 2_000]));
        all_known(&pipeline);
        check_labels(&pipeline, &[("feed", "read"), ("read", "compress"), ("compress", "store")]);
        let chain = run_of(chain(500, 3_000));
        all_known(&chain);
        let half = run_of(half_serial(200, 5_000));
        all_known(&half);
        check_labels(&half, &[("loop", "serial"), ("loop", "body")]);
    }
}

#[test]
fn forks_that_were_taken_have_their_forker() {
    let run = run(&fib_joins(18, 500), 4);
    let forks: Vec<_> = run.tasks.iter().filter(|task| task.is_fork()).collect();
    assert!(forks.len() > 3, "{}", forks.len());
    for fork in forks {
        assert!(matches!(fork.parent, Parent::Task(_)), "{fork:?}");
        assert!(fork.submitted <= fork.begin);
    }
    let joined = run.waits.iter().filter(|wait| wait.what.is_none());
    assert!(joined.clone().count() > 3);
    assert!(joined.clone().all(|wait| matches!(wait.on, longshore_trace::run::Awaited::Task(_))));
}
