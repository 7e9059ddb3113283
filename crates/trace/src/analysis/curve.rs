//! The speed-up that can be expected on other numbers of cores.

use super::span::Span;
use crate::run::Nanos;

/// Numbers of cores that are looked at.
pub const CORES: [u32; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// Cilkview's factor before the burdened span.
const SPAN_FACTOR: f64 = 1.7;

/// A place of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Cores.
    pub cores: f64,
    /// No schedule is faster (work law and span law).
    pub best: f64,
    /// A work-stealing scheduler should reach this at least: Cilkview's estimate from the burdened span.
    pub expected: f64,
}

/// Expected speed-ups, and the one that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// For each of [`CORES`].
    pub points: Vec<Point>,
    /// What the law says for the workers that there were.
    pub here: Point,
    /// The work divided by the length of the run.
    pub measured: f64,
}

impl Curve {
    /// For a run of this length.
    pub fn new(span: &Span, workers: f64, length: Nanos) -> Curve {
        let point = |cores: f64| {
            let work = span.work.max(1) as f64;
            let best = work / (work / cores).max(span.span as f64).max(1.0);
            let expected = work / (work / cores + (1.0 - 1.0 / cores) * SPAN_FACTOR * span.burdened as f64);
            Point { cores, best, expected: expected.min(best) }
        };
        Curve {
            points: CORES.iter().map(|cores| point(f64::from(*cores))).collect(),
            here: point(workers.max(1.0)),
            measured: span.work as f64 / length.max(1) as f64,
        }
    }
}
