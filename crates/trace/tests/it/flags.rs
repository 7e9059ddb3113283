//! Each red flag is raised by a run that deserves it, in these words, and by no healthy one.

use longshore_trace::analysis::{Analysis, FlagKind};

use crate::support::{Costs, Pool, Script, fib, leaf, pipeline, read, script};

fn flags(workers: usize, submit: u64, scripts: &[std::rc::Rc<Script>]) -> Vec<(FlagKind, String)> {
    let costs = Costs { submit, ring_bytes: 1 << 23, ..Costs::default() };
    let run = read(&Pool::new(workers, costs).run_all(scripts));
    Analysis::new(&run).flags.into_iter().map(|flag| (flag.kind, flag.text)).collect()
}

fn text(flags: &[(FlagKind, String)], kind: FlagKind) -> &str {
    let found = flags.iter().find(|(other, _)| *other == kind);
    &found.unwrap_or_else(|| panic!("{kind:?} is not among {flags:?}")).1
}

#[test]
fn a_producer_that_is_too_slow() {
    let tasks: Vec<_> = (0..400).map(|_| leaf("hash", 10_000)).collect();
    let flags = flags(4, 20_000, &tasks);
    let text = text(&flags, FlagKind::SingleProducer);
    assert!(text.starts_with("a single producer (`main`) cannot feed more than 0.5 workers"), "{text}");
    assert!(text.contains("a task each 20.0 us") && text.ends_with("tasks take 10.0 us"), "{text}");
}

#[test]
fn tasks_that_are_too_small() {
    let tasks: Vec<_> = (0..5_000).map(|_| leaf("", 400)).collect();
    let flags = flags(1, 50, &tasks);
    assert!(text(&flags, FlagKind::TinyTasks).ends_with("ns: use a loop or a batch"), "{flags:?}");
}

#[test]
fn one_task_that_is_most_of_the_run() {
    let mut tasks = vec![leaf("long", 610_000)];
    tasks.extend((0..40).map(|_| leaf("short", 10_000)));
    tasks.push(leaf("last", 1));
    let flags = flags(3, 50, &tasks);
    let text = text(&flags, FlagKind::LongTask);
    assert!(text.starts_with("one task (`long`) is ") && text.ends_with("of the run: 610 us"), "{text}");
}

#[test]
fn waits_that_take_long() {
    // Each level waits for a child that takes most of the time elsewhere.
    let slow = leaf("slow", 900_000);
    let wait = script("parent", vec![crate::support::Step::Spawn(slow), crate::support::Step::Work(20_000)]);
    let mut steps = wait.steps.clone();
    steps.push(crate::support::Step::Sync);
    let parents: Vec<_> = (0..4).map(|_| script("parent", steps.clone())).collect();
    let flags = flags(8, 50, &parents);
    assert!(text(&flags, FlagKind::LongJoins).starts_with("workers wait in joins for "), "{flags:?}");
}

#[test]
fn healthy_runs_have_none() {
    let even: Vec<_> = (0..4_000).map(|_| leaf("even", 20_000)).collect();
    for (workers, program) in
        [(1, vec![fib(12, 4_000)]), (4, vec![pipeline(400, [9_000, 30_000, 12_000])]), (4, even)]
    {
        let flags = flags(workers, 50, &program);
        assert!(flags.is_empty(), "{flags:?}");
    }
}
