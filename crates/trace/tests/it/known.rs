//! Work, span and times of programs with known answers.

use longshore_trace::analysis::{Analysis, CLASSES, Class, FlagKind, format_time};
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

/// The length of the run, what it would be without idleness, and the longest chain; and the same in a line.
#[test]
fn the_two_bounds_are_those_of_the_program() {
    // Serial half and loop: 10 ms each. Two workers need 10 ms, more workers no less.
    for (workers, without) in [(1, 20_000_000), (2, 10_000_000), (4, 5_000_000)] {
        let run = run(&half_serial(1000, 10_000), workers);
        let analysis = analyse(&run);
        is_near(analysis.length(), [20_000_000, 10_000_000][usize::from(workers > 1)], 0.05);
        is_near(analysis.without_idleness(), without, 0.05);
        is_near(analysis.span.span, 10_000_000, 0.02);
        let times = [analysis.length(), analysis.without_idleness(), analysis.span.span].map(format_time);
        let line = format!(
            "{}; {} if no worker had ever been idle; {} is the longest chain",
            times[0], times[1], times[2]
        );
        assert_eq!(analysis.bounds(), line);
        assert!(analysis.report(&run).contains(&line));
    }
}

#[test]
fn the_curve_goes_from_1_to_1024_cores_and_ends_at_the_parallelism() {
    let programs = [
        (half_serial(1000, 10_000), 2.0),
        (chain(300, 20_000), 1.0),
        (skynet(3, 20_000), cost_ratio(&skynet(3, 20_000))),
        (fib(14, 20_000), cost_ratio(&fib(14, 20_000))),
        (pipeline(300, [30_000, 90_000, 20_000]), cost_ratio(&pipeline(300, [30_000, 90_000, 20_000]))),
    ];
    for (program, parallelism) in &programs {
        for workers in [1, 4] {
            let run = run(program, workers);
            let analysis = analyse(&run);
            let points = &analysis.curve.points;
            let cores: Vec<f64> = points.iter().map(|point| point.cores).collect();
            assert_eq!(cores, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0]);
            for point in points {
                let best = point.cores.min(*parallelism);
                assert!((0.95..1.05).contains(&(point.best / best)), "{best} {point:?}");
            }
            let rises = |value: fn(&longshore_trace::analysis::Point) -> f64| {
                points.windows(2).all(|two| value(&two[0]) <= value(&two[1]) + 1e-9)
            };
            assert!(rises(|point| point.best), "{points:?}");
            // Cilkview's estimate takes a step to another core to cost more than it gains if that is little.
            assert!(*parallelism <= 2.1 || rises(|point| point.expected), "{points:?}");
            assert!((0.99..1.01).contains(&points[0].expected), "one core does the work, no more");
            // The measured point is on or below the law's.
            let (curve, here) = (&analysis.curve, analysis.curve.here);
            is_near((here.cores * 1e3) as u64, workers as u64 * 1_000, 0.05);
            assert!(curve.measured <= here.best * 1.01, "{curve:?}");
        }
    }
}

fn cost_ratio(program: &std::rc::Rc<Script>) -> f64 {
    let cost = cost(program);
    cost.work as f64 / cost.span as f64
}

/// Each edge of the longest chain costs the burden once: a chain of `n` links has `n` of them.
#[test]
fn the_burden_is_measured_and_paid_at_each_step() {
    let run = run(&chain(200, 20_000), 1);
    let analysis = analyse(&run);
    let (span, burden) = (analysis.span.span, analysis.burden.nanos);
    is_near(analysis.span.burdened, span + 200 * burden, 0.001);
    // From one submission to the begin on a worker that sleeps: the wake-up of the simulated pool.
    let costs = Costs { submit: 200_000, precision: Precision::Exact, wake: 7_000, ..Costs::default() };
    let tasks: Vec<_> = (0..50).map(|_| leaf("", 10_000)).collect();
    let analysis = analyse(&read(&Pool::new(2, costs).run_all(&tasks)));
    assert!(analysis.burden.samples >= 40, "{:?}", analysis.burden);
    assert!((7_000..9_000).contains(&analysis.burden.nanos), "{:?}", analysis.burden);
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
