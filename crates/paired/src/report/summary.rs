//! The summary: how push stands against pull, against rayon and against the best of the peers, row by row.

use std::fmt::{Result, Write};

use longshore_rivals::pools::{SIDE_BY_SIDE, is_ours};
use longshore_rivals::rows::Better;

use super::Entry;
use crate::record::MetricRecord;
use crate::stats::{Line, figure, lines};

/// The rows that a reader with a minute wants to see, by their names.
const HEADLINES: [&str; 12] = [
    "dispatch-16",
    "producers-4",
    "results",
    "tree",
    "round-trip",
    "wake-2ms",
    "skew-last",
    "locality-own-l2",
    "images",
    "memory",
    "fib",
    "uts-t1",
];

/// Differences up to this count as none.
const EVEN: f64 = 0.05;

/// Below this, in whatever it is counted, a figure is as good as none: an allocation in fifty tasks.
const NOTHING: f64 = 0.05;

/// How two competitors stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ahead,
    Even,
    Behind,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Even => "even",
            Self::Behind => "**behind**",
        }
    }
}

/// Push against somebody else.
#[derive(Clone, Debug)]
struct Duel {
    name: String,
    median: f64,
    /// How many times better push is; below 1 if it is worse.
    factor: f64,
}

impl Duel {
    fn verdict(&self) -> Verdict {
        if self.factor > 1.0 + EVEN {
            Verdict::Ahead
        } else if self.factor < 1.0 / (1.0 + EVEN) {
            Verdict::Behind
        } else {
            Verdict::Even
        }
    }

    /// Figure, factor and verdict.
    fn cell(&self, with_name: bool) -> String {
        let name = if with_name { format!("{} ", self.name) } else { String::new() };
        format!("{name}{} ({:.2}x, {})", figure(self.median), self.factor, self.verdict().word())
    }
}

/// One figure of one row, as push sees it.
#[derive(Clone, Debug)]
struct Standing {
    id: String,
    unit: String,
    push: f64,
    pull: Option<Duel>,
    rayon: Option<Duel>,
    best: Option<Duel>,
}

/// The others: neither this project's pools nor the work done without any.
pub fn is_peer(name: &str) -> bool {
    !["none", SIDE_BY_SIDE].contains(&name) && !is_ours(name)
}

fn duel(entry: &Entry<'_>, metric: &MetricRecord, push: &Line, other: &str) -> Option<Duel> {
    let against = lines(entry.row, &metric.key, other);
    let median = against.iter().find(|line| line.name == other)?.summary.as_ref()?.median;
    let paired = against.iter().find(|line| line.name == push.name)?.summary.as_ref()?.ratio;
    let ratio = paired?.value;
    let factor = match metric.better {
        Better::Lower if median.max(push.summary.as_ref()?.median) < NOTHING => 1.0,
        Better::Lower => 1.0 / ratio,
        Better::Higher => ratio,
    };
    Some(Duel { name: other.to_owned(), median, factor })
}

fn standing(entry: &Entry<'_>, metric: &MetricRecord) -> Option<Standing> {
    let all = lines(entry.row, &metric.key, "push");
    let push = all.iter().find(|line| line.name == "push")?;
    let median = push.summary.as_ref()?.median;
    let against = |name: &str| duel(entry, metric, push, name);
    let peers = all.iter().filter(|line| is_peer(&line.name) && line.summary.is_some());
    let value = |line: &&Line| line.summary.as_ref().map_or(f64::NAN, |summary| summary.median);
    let best = match metric.better {
        Better::Lower => peers.min_by(|a, b| value(a).total_cmp(&value(b))),
        Better::Higher => peers.max_by(|a, b| value(a).total_cmp(&value(b))),
    };
    Some(Standing {
        id: entry.row.id.clone(),
        unit: metric.unit.clone(),
        push: median,
        pull: against("pull"),
        rayon: against("rayon"),
        best: best.and_then(|line| against(&line.name)),
    })
}

/// One line of the account: how often ahead, even and behind, and where behind.
fn account(
    text: &mut String,
    who: &str,
    standings: &[Standing],
    of: fn(&Standing) -> Option<&Duel>,
) -> Result {
    let duels: Vec<(&Standing, &Duel)> =
        standings.iter().filter_map(|standing| Some((standing, of(standing)?))).collect();
    let many = |verdict| duels.iter().filter(|(_, duel)| duel.verdict() == verdict).count();
    write!(
        text,
        "- against {who}: ahead in {} of {} figures, even (within {:.0} %) in {}, behind in {}",
        many(Verdict::Ahead),
        duels.len(),
        EVEN * 100.0,
        many(Verdict::Even),
        many(Verdict::Behind)
    )?;
    let behind: Vec<String> = duels
        .iter()
        .filter(|(_, duel)| duel.verdict() == Verdict::Behind)
        .map(|(standing, duel)| format!("`{}` {} ({:.2}x)", standing.id, standing.unit, duel.factor))
        .collect();
    if behind.is_empty() { writeln!(text, ".") } else { writeln!(text, ": {}.", behind.join("; ")) }
}

/// Appends the summary.
pub fn summary(text: &mut String, entries: &[Entry<'_>]) -> Result {
    let of_row = |entry: &Entry<'_>| -> Vec<Standing> {
        entry.row.metrics.iter().filter_map(|metric| standing(entry, metric)).collect()
    };
    let standings: Vec<Standing> = entries.iter().flat_map(of_row).collect();
    if standings.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## In short\n\nHow many times better `push` is, in the median of the rounds:\n")?;
    account(text, "`pull`", &standings, |standing| standing.pull.as_ref())?;
    account(text, "rayon", &standings, |standing| standing.rayon.as_ref())?;
    account(text, "the best of all peers in each", &standings, |standing| standing.best.as_ref())?;
    let headlines: Vec<&Standing> =
        HEADLINES.iter().filter_map(|&id| standings.iter().find(|standing| standing.id == id)).collect();
    table(text, &headlines)?;
    writeln!(text, "\nAll rows:")?;
    table(text, &standings.iter().collect::<Vec<_>>())?;
    let absent: Vec<String> = entries
        .iter()
        .filter(|entry| of_row(entry).is_empty())
        .map(|entry| format!("`{}`", entry.row.id))
        .collect();
    if !absent.is_empty() {
        writeln!(text, "\n`push` has no figure in: {}.", absent.join(", "))?;
    }
    Ok(())
}

fn table(text: &mut String, standings: &[&Standing]) -> Result {
    writeln!(text, "\n| row | figure | push | pull | rayon | best peer |\n|---|---|---:|---:|---:|---:|")?;
    for standing in standings {
        let cell = |duel: &Option<Duel>, with_name| {
            duel.as_ref().map_or_else(|| "-".to_owned(), |duel| duel.cell(with_name))
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            standing.id,
            standing.unit,
            figure(standing.push),
            cell(&standing.pull, false),
            cell(&standing.rayon, false),
            cell(&standing.best, true)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_leave_room() {
        let verdict = |factor| Duel { name: String::new(), median: 1.0, factor }.verdict();
        assert_eq!(verdict(1.2), Verdict::Ahead);
        assert_eq!(verdict(1.04), Verdict::Even);
        assert_eq!(verdict(0.96), Verdict::Even);
        assert_eq!(verdict(0.9), Verdict::Behind);
    }

    #[test]
    fn peers_are_the_others() {
        assert!(is_peer("rayon") && is_peer("channel-bounded") && is_peer("std-thread"));
        assert!(!is_peer("none") && !is_peer("side-by-side") && !is_peer("push") && !is_peer("pull-pinned"));
    }
}
