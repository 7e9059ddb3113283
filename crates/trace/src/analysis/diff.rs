//! How two runs of the same program differ.

use super::report::{number, pad, share, time};
use super::time::CLASSES;
use super::{Analysis, LabelTime};
use crate::run::Nanos;
use std::fmt;

/// A label of which tasks take another time.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelChange {
    /// In the first run.
    pub before: LabelTime,
    /// In the second.
    pub after: LabelTime,
}

impl LabelChange {
    /// How many times as long tasks take in the second run: work inflation, if that one had more workers
    /// (Olivier, de Supinski, Schulz and Prins, "Characterizing and Mitigating Work Time Inflation", SC
    /// 2012).
    pub fn factor(&self) -> f64 {
        self.after.mean() as f64 / self.before.mean().max(1) as f64
    }
}

/// Two runs.
#[derive(Debug, Clone)]
pub struct Diff {
    /// Lengths.
    pub lengths: (Nanos, Nanos),
    /// Workers.
    pub workers: (f64, f64),
    /// Numbers of tasks.
    pub tasks: (u64, u64),
    /// Work.
    pub work: (Nanos, Nanos),
    /// Span.
    pub span: (Nanos, Nanos),
    /// For each class, its part of the workers' time.
    pub classes: Vec<(&'static str, f64, f64)>,
    /// Labels that both runs have, those that matter most first.
    pub labels: Vec<LabelChange>,
    /// Labels that only one run has.
    pub only: (Vec<String>, Vec<String>),
}

/// Tasks that take so many times as long are worth a word.
const INFLATION: f64 = 1.25;

impl Diff {
    /// Compares them.
    pub fn new(before: &Analysis, after: &Analysis) -> Diff {
        let find =
            |labels: &[LabelTime], label: &str| labels.iter().find(|other| other.label == label).cloned();
        let both = |label: &LabelTime| {
            find(&after.labels, &label.label).map(|after| LabelChange { before: label.clone(), after })
        };
        let missing = |a: &Analysis, b: &Analysis| {
            a.labels
                .iter()
                .filter(|label| find(&b.labels, &label.label).is_none())
                .map(|l| l.label.clone())
                .collect()
        };
        Diff {
            lengths: (before.length(), after.length()),
            workers: (before.workers, after.workers),
            tasks: (before.tasks, after.tasks),
            work: (before.span.work, after.span.work),
            span: (before.span.span, after.span.span),
            classes: CLASSES
                .iter()
                .map(|c| (c.name(), before.total.share(*c), after.total.share(*c)))
                .collect(),
            labels: before.labels.iter().filter_map(both).collect(),
            only: (missing(before, after), missing(after, before)),
        }
    }

    /// What is worth a word, in sentences.
    pub fn flags(&self) -> Vec<String> {
        let matters = |change: &&LabelChange| {
            change.after.total as f64 >= 0.02 * self.work.1 as f64
                && change.before.count > 0
                && change.after.count > 0
        };
        let word = |change: &LabelChange| {
            let of = if change.before.label.is_empty() {
                "tasks without a label".to_owned()
            } else {
                format!("tasks of label `{}`", change.before.label)
            };
            let run = |workers: f64| match workers.round() as u64 {
                0 | 1 => "the run with one worker".to_owned(),
                workers => format!("the run with {workers} workers"),
            };
            let (factor, other) = (change.factor(), run(self.workers.0));
            match factor {
                f if f >= INFLATION => Some(format!("{of} take {f:.1} times as long as in {other}")),
                f if f <= 1.0 / INFLATION => {
                    Some(format!("{of} take {f:.2} of the time that they take in {other}"))
                }
                _ => None,
            }
        };
        self.labels.iter().filter(matters).filter_map(word).collect()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = |(a, b): (Nanos, Nanos)| b as f64 / a.max(1) as f64;
        let mut row = |name: &str, a: String, b: String, change: String| {
            writeln!(f, "  {}{}{}{}", pad(name, 26), pad(&a, 14), pad(&b, 14), change)
        };
        row("", "first".into(), "second".into(), "second / first".into())?;
        row("length", time(self.lengths.0), time(self.lengths.1), format!("{:.3}", ratio(self.lengths)))?;
        row("workers", format!("{:.1}", self.workers.0), format!("{:.1}", self.workers.1), String::new())?;
        row("tasks", number(self.tasks.0), number(self.tasks.1), format!("{:.3}", ratio(self.tasks)))?;
        row("work (T1)", time(self.work.0), time(self.work.1), format!("{:.3}", ratio(self.work)))?;
        row("longest chain", time(self.span.0), time(self.span.1), format!("{:.3}", ratio(self.span)))?;
        for (name, a, b) in &self.classes {
            if *a >= 0.0005 || *b >= 0.0005 {
                row(name, share(*a), share(*b), format!("{:+.1} points", (b - a) * 100.0))?;
            }
        }
        for change in self.labels.iter().take(20) {
            let name = if change.before.label.is_empty() { "(no label)" } else { &change.before.label };
            let (a, b) = (change.before.mean(), change.after.mean());
            row(name, time(a), time(b), format!("{:.3} a task", change.factor()))?;
        }
        for (labels, which) in [(&self.only.0, "first"), (&self.only.1, "second")] {
            if !labels.is_empty() {
                writeln!(f, "  only in the {which}: {}", labels.join(", "))?;
            }
        }
        for flag in self.flags() {
            writeln!(f, "! {flag}")?;
        }
        Ok(())
    }
}
