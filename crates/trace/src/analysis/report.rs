//! The analysis as text.

use std::fmt::{self, Write};

use super::time::{CLASSES, Class};
use super::{Analysis, LabelTime};
use crate::run::{Nanos, Run};

/// A time in the unit that suits it, with three digits.
pub fn time(nanos: Nanos) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

/// A number with commas.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something.
pub fn count(value: u64, what: &str) -> String {
    format!("{} {what}{}", number(value), if value == 1 { "" } else { "s" })
}

/// A part of a whole in percent.
pub fn share(part: f64) -> String {
    let percent = part * 100.0;
    if percent >= 9.95 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// A text on so many columns.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

/// Rows of workers before the rest is summed up.
const MOST_WORKERS: usize = 64;
/// Rows of labels.
const MOST_LABELS: usize = 20;

impl Analysis {
    /// The report.
    pub fn report(&self, run: &Run) -> String {
        let mut text = String::new();
        self.write(run, &mut text).expect("a string takes all");
        text
    }

    /// The two bounds in a line.
    pub fn bounds(&self) -> String {
        format!(
            "{}; {} if no worker had ever been idle; {} is the longest chain",
            time(self.length()),
            time(self.without_idleness().min(self.length())),
            time(self.span.span),
        )
    }

    fn write(&self, run: &Run, out: &mut impl Write) -> fmt::Result {
        let name = run.pool.get("name").map_or("pool", String::as_str);
        writeln!(out, "{name}: {} on {:.0} workers", count(self.tasks, "task"), self.workers)?;
        if let Some((whole, (from, to))) = self.part {
            let at = |at: Nanos| time(at.saturating_sub(whole.0));
            writeln!(out, "only from {} to {} of {}", at(from), at(to), at(whole.1))?;
        }
        writeln!(out, "{}\n", self.bounds())?;
        self.write_times(run, out)?;
        self.write_span(out)?;
        self.write_curve(out)?;
        self.write_labels(out)?;
        self.write_exactness(run, out)?;
        if !self.flags.is_empty() {
            writeln!(out, "\nred flags")?;
        }
        for flag in &self.flags {
            writeln!(out, "! {} [{}]", flag.text, flag.kind.name())?;
        }
        Ok(())
    }

    fn write_times(&self, run: &Run, out: &mut impl Write) -> fmt::Result {
        writeln!(out, "where the time went, in % of each worker's")?;
        write!(out, "  {}", pad("", 12))?;
        CLASSES.iter().try_for_each(|class| write!(out, "{:>8}", class.short()))?;
        writeln!(out, "{:>12}{:>10}", "time", "stolen")?;
        for worker in self.times.iter().take(MOST_WORKERS) {
            let track = &run.tracks[worker.track as usize];
            write!(out, "  {}", pad(&format!("worker {}", track.worker().unwrap_or(0)), 12))?;
            for class in CLASSES {
                write!(out, "{:>8.1}", worker.times.share(class) * 100.0)?;
            }
            writeln!(
                out,
                "{:>12}{:>10}",
                time(worker.times.sum()),
                number(track.stolen + track.stolen_forks)
            )?;
        }
        if self.times.len() > MOST_WORKERS {
            writeln!(out, "  and {} more workers", self.times.len() - MOST_WORKERS)?;
        }
        write!(out, "  {}", pad("all", 12))?;
        CLASSES.iter().try_for_each(|class| write!(out, "{:>8.1}", self.total.share(*class) * 100.0))?;
        writeln!(out, "{:>12}\n", time(self.total.sum()))?;
        let worth: Vec<Class> =
            CLASSES.into_iter().filter(|class| self.total.share(*class) >= 0.0005).collect();
        for class in worth {
            let (name, spent) = (pad(class.name(), 22), self.total.get(class));
            writeln!(out, "  {name}{:>8} {:>12}", share(self.total.share(class)), time(spent))?;
        }
        writeln!(out)
    }

    fn write_span(&self, out: &mut impl Write) -> fmt::Result {
        let span = &self.span;
        writeln!(
            out,
            "work {}, longest chain {}: parallelism {:.1}",
            time(span.work),
            time(span.span),
            span.parallelism()
        )?;
        if self.total.share(Class::Kernel) >= 0.01 {
            // A task's time is that on the clock. What the kernel took is known of the worker only.
            writeln!(out, "(both include what the kernel took from the tasks for other threads)")?;
        }
        let samples = match self.burden.samples {
            0 => "a guess: no idle worker took a task".to_owned(),
            samples => format!(
                "measured {} here",
                if samples == 1 { "once".into() } else { number(samples) + " times" }
            ),
        };
        writeln!(
            out,
            "with a burden of {} a step ({samples}): chain {}, parallelism {:.1}",
            time(self.burden.nanos),
            time(span.burdened),
            span.burdened_parallelism(),
        )?;
        if span.at_most > span.span {
            writeln!(
                out,
                "forks that no thief took are estimated; without them the chain is {}",
                time(span.at_most)
            )?;
        }
        let matters = |part: &&super::PathPart| part.time > 0 && part.time * 1_000 >= span.span;
        for part in span.path.iter().filter(matters).take(8) {
            let of = share(part.time as f64 / span.span.max(1) as f64);
            let label = if part.label.is_empty() { "(no label)" } else { &part.label };
            writeln!(
                out,
                "  {:>8}  {} in {} of {label}",
                of,
                time(part.time),
                count(part.tasks, "stretch").replace("stretchs", "stretches")
            )?;
        }
        writeln!(out)
    }

    fn write_curve(&self, out: &mut impl Write) -> fmt::Result {
        let row = |out: &mut dyn Write, name: &str, value: &dyn Fn(usize) -> String| {
            write!(out, "  {}", pad(name, 10))?;
            (0..self.curve.points.len()).try_for_each(|i| write!(out, "{:>7}", value(i)))?;
            writeln!(out)
        };
        let short = |value: f64| if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        writeln!(
            out,
            "speed-up to expect (measured here: {:.2} on {:.0} cores)",
            self.curve.measured, self.workers
        )?;
        row(out, "cores", &|i| format!("{}", self.curve.points[i].cores))?;
        row(out, "at best", &|i| short(self.curve.points[i].best))?;
        row(out, "at least", &|i| short(self.curve.points[i].expected))?;
        writeln!(out)
    }

    fn write_labels(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(
            out,
            "  {}{:>11}{:>8}{:>11}{:>11}{:>11}",
            pad("label", 22),
            "tasks",
            "work",
            "mean",
            "median",
            "longest"
        )?;
        for label in self.labels.iter().take(MOST_LABELS) {
            let LabelTime { count, total, longest, median, .. } = label;
            let name: String =
                if label.label.is_empty() { "(no label)" } else { &label.label }.chars().take(21).collect();
            let part = share(*total as f64 / self.span.work.max(1) as f64);
            let [mean, median, longest] = [label.mean(), *median, *longest].map(time);
            writeln!(
                out,
                "  {}{:>11}{part:>8}{mean:>11}{median:>11}{longest:>11}",
                pad(&name, 22),
                number(*count)
            )?;
        }
        if self.labels.len() > MOST_LABELS {
            writeln!(out, "  and {} more labels", self.labels.len() - MOST_LABELS)?;
        }
        Ok(())
    }

    fn write_exactness(&self, run: &Run, out: &mut impl Write) -> fmt::Result {
        let exactness = &run.exactness;
        let all = (exactness.exact_times + exactness.shared_times).max(1) as f64;
        let known = exactness.known_parents.max(1) as f64;
        writeln!(
            out,
            "\nhow exact: {} of the tasks have times of their own, {} a known parent ({} of these a known time of submission)",
            share(exactness.exact_times as f64 / all),
            share(exactness.known_parents as f64 / all),
            share(exactness.exact_submissions as f64 / known),
        )?;
        if exactness.contradictions > 0 {
            writeln!(
                out,
                "{} were dropped because their times contradict them",
                count(exactness.contradictions, "edge")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_readable() {
        assert_eq!(
            [time(7), time(1_234), time(45_678), time(999_960)],
            ["7 ns", "1.23 us", "45.7 us", "1000 us"]
        );
        assert_eq!([time(1_840_000_000), time(123_456_000_000)], ["1.84 s", "123 s"]);
        assert_eq!([number(0), number(999), number(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([share(0.6123), share(0.0049)], ["61 %", "0.5 %"]);
        assert_eq!([count(1, "task"), count(4_000, "task")], ["1 task", "4,000 tasks"]);
    }
}
