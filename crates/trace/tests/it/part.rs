//! Parts of a run: all laws hold for them, and they add up to the whole.

use longshore_trace::analysis::{Analysis, CLASSES, Class, PartError, part, part_window};
use longshore_trace::run::{Nanos, Run};

use crate::known::holds;
use crate::support::*;

/// Some programs on some workers.
fn runs() -> Vec<Run> {
    let programs = [
        (fib(12, 2_000), 4),
        (half_serial(300, 5_000), 4),
        (skynet(3, 3_000), 5),
        (pipeline(200, [3_000, 9_000, 2_000]), 3),
        (chain(300, 4_000), 2),
        (fib_joins(14, 3_000), 4),
    ];
    let mut runs: Vec<Run> = programs.iter().map(|(program, workers)| run(program, *workers)).collect();
    let mut random = Random(0x1234_5678_9abc_def1);
    runs.extend((0..10).map(|_| run(&crate::support::random(&mut random, 4), 3)));
    runs
}

fn analyse(run: &Run, from: Nanos, to: Nanos) -> Analysis {
    let part = part(run, part_window(run, Some(from), Some(to)).expect("it is within"));
    let analysis = Analysis::of_part(run, &part);
    holds(&part, &analysis);
    assert_eq!(analysis.length(), to - from);
    analysis
}

#[test]
fn the_laws_hold_for_parts_which_add_up() {
    for run in runs() {
        let whole = Analysis::new(&run);
        let length = whole.length();
        let cuts = [0, length / 7, length / 3, length / 2, length / 2 + 1, length];
        let mut sums = [0; CLASSES.len()];
        let mut work = 0;
        for cut in cuts.windows(2) {
            let part = analyse(&run, cut[0], cut[1]);
            CLASSES.iter().zip(&mut sums).for_each(|(class, sum)| *sum += part.total.get(*class));
            work += part.span.work;
            assert!(part.tasks <= whole.tasks);
        }
        assert_eq!(work, whole.span.work);
        for (class, sum) in CLASSES.iter().zip(sums) {
            // The parts of a sample of processor time are rounded.
            assert!(sum.abs_diff(whole.total.get(*class)) < 100, "{class:?} {sum} {:?}", whole.total);
        }
    }
}

#[test]
fn the_whole_as_a_part_says_the_same() {
    for run in runs() {
        let whole = Analysis::new(&run);
        let all = part(&run, part_window(&run, None, None).unwrap());
        let part = Analysis::of_part(&run, &all);
        holds(&all, &part);
        assert_eq!((part.tasks, part.total, part.labels), (whole.tasks, whole.total, whole.labels));
        assert_eq!((part.span.work, part.span.span), (whole.span.work, whole.span.span));
        assert_eq!((part.burden, part.sleeps, part.slowest), (whole.burden, whole.sleeps, whole.slowest));
        assert_eq!(part.flags, whole.flags);
    }
}

/// The loop is done after a quarter of the time on 4 workers; then one worker runs the serial half alone.
#[test]
fn a_part_is_told_apart_from_the_rest() {
    let run = run(&half_serial(1000, 10_000), 4);
    let length = Analysis::new(&run).length();
    let (begin, end) = (analyse(&run, 0, length / 5), analyse(&run, length / 2, length));
    assert!(begin.total.share(Class::Running) > 0.95, "{:?}", begin.total);
    assert!((0.2..0.3).contains(&end.total.share(Class::Running)), "{:?}", end.total);
    assert_eq!(end.labels[0].label, "serial");
    assert!((0.99..1.01).contains(&end.span.parallelism()), "{}", end.span.parallelism());
    assert!(begin.span.parallelism() > 3.5, "{}", begin.span.parallelism());
    assert!(begin.flags.is_empty() && !end.flags.is_empty(), "{:?} {:?}", begin.flags, end.flags);
}

#[test]
fn what_is_no_part_is_refused() {
    let run = run(&chain(100, 10_000), 2);
    let (begin, end) = run.window();
    let length = end - begin;
    let window = |from, to| part_window(&run, from, to);
    assert_eq!(window(None, None), Ok((begin, end)));
    assert_eq!(window(Some(7), Some(9)), Ok((begin + 7, begin + 9)));
    assert_eq!(window(Some(9), Some(7)), Err(PartError::Backwards { from: 9, to: 7 }));
    assert_eq!(window(Some(9), Some(9)), Err(PartError::Backwards { from: 9, to: 9 }));
    assert_eq!(window(Some(length), None), Err(PartError::Outside { time: length, length }));
    assert_eq!(window(None, Some(2 * length)), Err(PartError::Outside { time: 2 * length, length }));
    // The length as a report writes it may be rounded up.
    assert_eq!(window(None, Some(length + 1)), Ok((begin, end)));
    let text = window(Some(9_000), Some(7_000)).unwrap_err().to_string();
    assert_eq!(text, "from 9.00 us to 7.00 us is no stretch of time");
    let text = window(None, Some(3_000_000_000)).unwrap_err().to_string();
    assert!(text.starts_with("3.00 s is outside of the run, which takes 1."), "{text}");
}
