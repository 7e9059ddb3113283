//! Work, span and times of programs with known answers.

use longshore_trace::analysis::{Analysis, CLASSES, Class, FlagKind};
use longshore_trace::run::Run;

use longshore_trace::recorder::Precision;

use crate::support::*;

/// The run of a program whose every time was recorded.
fn run(program: &std::rc::Rc<Script>, workers: usize) -> Run {
    read(&Pool::new(workers, Costs { precision: Precision::Exact, ..Costs::default() }).run_one(program))
}

fn analyse(run: &Run) -> Analysis {
    let analysis = Analysis::new(run);
    holds(run, &analysis);
    analysis
}

/// What holds for every run.
pub fn holds(run: &Run, analysis: &Analysis) {
    let length = analysis.length();
    for worker in &analysis.times {
        let track = &run.tracks[worker.track as usize];
        let there = track.end.min(analysis.window.1) - track.begin.max(analysis.window.0).min(track.end);
        assert_eq!(
            worker.times.sum(),
            there,
            "the classes of worker {:?} add up to its time",
            track.worker()
        );
        let shares: f64 = CLASSES.iter().map(|class| worker.times.share(*class)).sum();
        assert!(there == 0 || (shares - 1.0).abs() < 1e-9);
    }
    let span = &analysis.span;
    assert!(span.span <= span.burdened && span.span <= span.at_most);
    assert!(span.span <= length, "a chain of {} in a run of {length}", span.span);
    assert!(span.work as f64 <= analysis.workers * length as f64 + 1.0);
    assert!(analysis.without_idleness() <= length);
    let path: u64 = span.path.iter().map(|part| part.time).sum();
    assert_eq!(path, span.span, "the parts of the longest chain add up to it");
    for point in &analysis.curve.points {
        assert!(point.expected <= point.best && point.best <= point.cores + 1e-9);
    }
}

fn is_near(found: u64, right: u64, tolerance: f64) {
    let ratio = found as f64 / right as f64;
    assert!((1.0 - tolerance..=1.0 + tolerance).contains(&ratio), "{found} instead of {right}");
}

#[test]
fn work_and_span_are_those_of_the_program() {
    let programs = [
        fib(12, 2_000),
        half_serial(300, 5_000),
        skynet(3, 3_000),
        pipeline(200, [3_000, 9_000, 2_000]),
        chain(300, 4_000),
    ];
    for program in &programs {
        let right = cost(program);
        for workers in [1, 2, 5, 32] {
            let run = run(program, workers);
            let analysis = analyse(&run);
            assert_eq!(analysis.tasks, right.tasks + 1);
            is_near(analysis.span.work, right.work, 0.01);
            is_near(analysis.span.span, right.span, 0.02);
        }
    }
}

#[test]
fn a_loop_beside_a_serial_half_has_parallelism_two() {
    let run = run(&half_serial(1000, 10_000), 4);
    let analysis = analyse(&run);
    assert!((1.9..2.05).contains(&analysis.span.parallelism()), "{}", analysis.span.parallelism());
    assert_eq!(analysis.span.path[0].label, "serial");
    let kinds: Vec<_> = analysis.flags.iter().map(|flag| flag.kind).collect();
    assert!(kinds.contains(&FlagKind::LongTask) && kinds.contains(&FlagKind::LittleParallelism), "{kinds:?}");
    // Three workers have half of the work.
    is_near(analysis.total.get(Class::Running), 20_000_000, 0.02);
    assert!(
        analysis.total.share(Class::Idle) > 0.25 && analysis.total.share(Class::Wait) > 0.1,
        "{:?}",
        analysis.total
    );
}

#[test]
fn a_chain_has_parallelism_one_and_leaves_workers_idle() {
    let run = run(&chain(1000, 20_000), 4);
    let analysis = analyse(&run);
    assert!((0.99..1.01).contains(&analysis.span.parallelism()));
    assert!(analysis.total.share(Class::Idle) > 0.6, "{:?}", analysis.total);
    assert!(analysis.total.share(Class::Missed) < 0.02, "{:?}", analysis.total);
}

#[test]
fn joins_are_estimated_between_known_bounds() {
    let program = fib_joins(20, 300);
    let right = cost(&program);
    for workers in [2, 8] {
        let run = run(&program, workers);
        let analysis = analyse(&run);
        is_near(analysis.span.work, right.work, 0.01);
        assert!(analysis.span.at_most >= right.span, "{} {}", analysis.span.at_most, right.span);
        // The estimate is one, but of the right order.
        let ratio = analysis.span.span as f64 / right.span as f64;
        assert!((0.2..20.0).contains(&ratio), "{} instead of {}", analysis.span.span, right.span);
        assert!(analysis.span.parallelism() > workers as f64);
    }
}

#[test]
fn random_programs_keep_the_laws() {
    let mut random = Random(0x5eed_1234_5678_9abc);
    for round in 0..60 {
        let program = crate::support::random(&mut random, 4);
        let workers = 1 + random.below(9) as usize;
        let mut costs = Costs {
            steal: 100 + random.below(2_000),
            wake: 1_000 + random.below(20_000),
            ..Costs::default()
        };
        let is_exact = round % 2 == 0;
        costs.precision = if is_exact { Precision::Exact } else { Precision::Adaptive };
        let run = read(&Pool::new(workers, costs).run_one(&program));
        let analysis = analyse(&run);
        let right = cost(&program);
        assert_eq!(analysis.tasks, right.tasks + 1, "round {round}");
        is_near(analysis.span.work, right.work, 0.01);
        is_near(analysis.span.span, right.span, if is_exact { 0.02 } else { 0.25 });
    }
}
