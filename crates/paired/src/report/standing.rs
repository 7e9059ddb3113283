//! How push stands in one figure of one row: against pull, against rayon and against the best of all peers.

use longshore_rivals::pools::{SIDE_BY_SIDE, is_ours};
use longshore_rivals::rows::Better;

use crate::ratio::{MARGIN, Ratio, Verdict, median, short};
use crate::record::{MetricRecord, RowRecord};
use crate::stats::figure;

/// Below this, in whatever it is counted, a figure is as good as none: an allocation in fifty tasks.
const NOTHING: f64 = 0.05;

/// Push against another competitor.
#[derive(Clone, Debug)]
pub struct Against {
    /// The other.
    pub name: String,
    /// The median of the other's figures.
    pub median: f64,
    /// How many times better push is.
    pub times: Ratio,
    /// The verdict on push.
    pub verdict: Verdict,
}

impl Against {
    /// How many times better push is, or that nothing can be said about it; never a number that contradicts
    /// the medians beside it.
    pub fn times(&self) -> String {
        match self.verdict {
            Verdict::Better => format!("{}x", short(self.times.value)),
            Verdict::Worse => format!("**{}x**", short(self.times.value)),
            Verdict::Level | Verdict::Unclear => self.verdict.word().to_owned(),
        }
    }

    /// The other's median, and how many times better push is.
    pub fn cell(&self) -> String {
        format!("{} ({})", figure(self.median), self.times())
    }

    /// The same with the interval.
    pub fn long_cell(&self) -> String {
        format!("{} ({}, {})", figure(self.median), self.times(), self.times.interval())
    }
}

/// One figure of one row, as push sees it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The row.
    pub id: String,
    /// What it is counted in.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// The median of push's figures.
    pub push: f64,
    /// Against the other kind of pool.
    pub pull: Option<Against>,
    /// Against rayon.
    pub rayon: Option<Against>,
    /// Against the peer that does best beside push.
    pub best: Option<Against>,
}

impl Standing {
    /// Of one figure; nothing if push has none.
    pub fn of(row: &RowRecord, metric: &MetricRecord) -> Option<Self> {
        Some(Self {
            id: row.id.clone(),
            unit: metric.unit.clone(),
            better: metric.better,
            push: middle(row, metric, "push")?,
            pull: against(row, metric, "pull"),
            rayon: against(row, metric, "rayon"),
            best: best(row, metric, |_| true),
        })
    }

    /// Of all figures of a row.
    pub fn all(row: &RowRecord) -> Vec<Self> {
        row.metrics.iter().filter_map(|metric| Self::of(row, metric)).collect()
    }

    /// The figure in words.
    pub fn what(&self) -> String {
        let direction = match self.better {
            Better::Lower => "",
            Better::Higher => " (more is better)",
        };
        format!("{}{direction}", self.unit)
    }
}

/// Neither one of this project's pools nor the work done without any.
pub fn is_peer(name: &str) -> bool {
    !["none", SIDE_BY_SIDE].contains(&name) && !is_ours(name)
}

/// The median of a competitor's figures.
pub fn middle(row: &RowRecord, metric: &MetricRecord, name: &str) -> Option<f64> {
    median(row.competitor(name)?.figures(&metric.key).into_iter().flatten())
}

/// Push against the peer that does best beside it, among those that a reader asks for.
pub fn best(row: &RowRecord, metric: &MetricRecord, is_wanted: impl Fn(&str) -> bool) -> Option<Against> {
    let names = row.competitors.iter().map(|competitor| competitor.name.as_str());
    names
        .filter(|name| is_peer(name) && is_wanted(name))
        .filter_map(|name| against(row, metric, name))
        .min_by(|a, b| a.times.value.total_cmp(&b.times.value))
}

/// Push against the competitor of that name; nothing if no round has figures of both.
fn against(row: &RowRecord, metric: &MetricRecord, name: &str) -> Option<Against> {
    let (push, other) = (row.competitor("push")?, row.competitor(name)?);
    let ratio = Ratio::of(&push.figures(&metric.key), &other.figures(&metric.key))?;
    let median = middle(row, metric, name)?;
    let is_nothing = metric.better == Better::Lower && median.max(middle(row, metric, "push")?) < NOTHING;
    let verdict = if is_nothing { Verdict::Level } else { ratio.verdict(metric.better, MARGIN) };
    Some(Against { name: name.to_owned(), median, times: ratio.times_better(metric.better), verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::row;

    #[test]
    fn peers_are_the_others() {
        assert!(is_peer("rayon") && is_peer("channel-bounded") && is_peer("std-thread"));
        assert!(!is_peer("none") && !is_peer("side-by-side") && !is_peer("push") && !is_peer("pull-pinned"));
    }

    #[test]
    fn the_best_peer_is_the_one_with_the_ratio_that_is_shown() {
        let all = [
            ("none", &[1.0; 6][..]),
            ("push", &[10.0, 20.0, 10.0, 20.0, 10.0, 20.0]),
            ("pull", &[10.1, 20.2, 10.1, 20.2, 10.1, 20.2]),
            ("rayon", &[30.0, 60.0, 30.0, 60.0, 30.0, 60.0]),
            ("chili", &[20.0, 40.0, 20.0, 40.0, 20.0, 40.0]),
        ];
        let standing = Standing::all(&row("a", &all)).remove(0);
        let best = standing.best.expect("peers");
        assert_eq!((best.name.as_str(), best.times.value, best.verdict), ("chili", 2.0, Verdict::Better));
        assert_eq!(best.cell(), "30.0 (2.00x)");
        assert_eq!(standing.pull.expect("pull").cell(), "15.1 (level)");
        let other = best_of(&all, |name| name != "chili");
        assert_eq!(
            (other.name.as_str(), other.long_cell().as_str()),
            ("rayon", "45.0 (3.00x, 3.00 to 3.00)")
        );
    }

    fn best_of(all: &[(&str, &[f64])], is_wanted: impl Fn(&str) -> bool) -> Against {
        let row = row("a", all);
        best(&row, &row.metrics[0], is_wanted).expect("a peer")
    }

    #[test]
    fn no_factor_stands_beside_medians_that_contradict_it() {
        // 164 against 156, and yet ahead in the median of the rounds.
        let all = [
            ("push", &[46.0, 164.0, 183.0, 170.0, 80.0][..]),
            ("rayon", &[100.0, 312.0, 140.0, 156.0, 160.0]),
        ];
        let best = best_of(&all, |_| true);
        assert!(best.times.value > 1.0);
        assert_eq!(best.cell(), "156 (unclear)");
    }

    #[test]
    fn next_to_nothing_is_level_with_nothing() {
        let all = [("push", &[0.0001; 5][..]), ("rayon", &[0.02; 5])];
        assert_eq!(best_of(&all, |_| true).verdict, Verdict::Level);
    }
}
