//! The summary: in how many figures push is better, level and worse, and the figures that a reader with a
//! minute wants.

use std::fmt::{Result, Write};

use super::Entry;
use super::standing::{Against, Standing};
use super::text::paragraph;
use crate::ratio::{MARGIN, Verdict, short};
use crate::stats::figure;

/// The rows that a reader with a minute wants to see, by their names.
pub const HEADLINES: [&str; 17] = [
    "dispatch-16",
    "dispatch-64",
    "producers-4",
    "bounded-4",
    "results",
    "tree",
    "round-trip",
    "wake-2ms",
    "ticks",
    "memory",
    "skew-last",
    "length-10us",
    "images",
    "creation",
    "fib",
    "sum-10k",
    "uts-t1",
];

/// All figures that push has.
pub fn standings(entries: &[Entry<'_>]) -> Vec<Standing> {
    entries.iter().flat_map(|entry| Standing::all(entry.row)).collect()
}

/// Appends the account of all figures.
pub fn account(text: &mut String, standings: &[Standing]) -> Result {
    line(text, "`pull`", standings, |standing| standing.pull.as_ref())?;
    line(text, "rayon", standings, |standing| standing.rayon.as_ref())?;
    line(text, "the best peer in each figure", standings, |standing| standing.best.as_ref())
}

/// One line of the account: how often push is better, level, worse and neither, and where it is worse.
fn line(
    text: &mut String,
    other: &str,
    standings: &[Standing],
    of: fn(&Standing) -> Option<&Against>,
) -> Result {
    let all: Vec<(&Standing, &Against)> =
        standings.iter().filter_map(|standing| Some((standing, of(standing)?))).collect();
    let many = |verdict| all.iter().filter(|(_, against)| against.verdict == verdict).count();
    let counts: Vec<String> =
        Verdict::ALL.iter().map(|&verdict| format!("{} in {}", verdict.plain(), many(verdict))).collect();
    let worse: Vec<String> = all
        .iter()
        .filter(|(_, against)| against.verdict == Verdict::Worse)
        .map(|(standing, against)| {
            format!("`{}` {} ({}x)", standing.id, standing.unit, short(against.times.value))
        })
        .collect();
    let worse = if worse.is_empty() { String::new() } else { format!(". Worse: {}", worse.join("; ")) };
    paragraph(text, "- ", &format!("against {other}, {} figures: {}{worse}.", all.len(), counts.join(", ")))
}

/// Appends the table of the headlines.
pub fn headlines(text: &mut String, standings: &[Standing]) -> Result {
    let chosen = HEADLINES.iter().filter_map(|&id| standings.iter().find(|standing| standing.id == id));
    table(text, chosen, Against::cell)
}

/// Appends the table of all figures, with intervals.
pub fn all(text: &mut String, standings: &[Standing]) -> Result {
    table(text, standings.iter(), Against::long_cell)
}

/// Says in a sentence what the cells of these tables mean.
pub fn legend() -> String {
    format!(
        "In brackets: how many times better `push` is, or that it is *level* (the interval of the ratio is within \
         {:.0} %) or *unclear* (the rounds disagree, or the difference may be smaller than that).",
        MARGIN * 100.0
    )
}

fn table<'a>(
    text: &mut String,
    standings: impl Iterator<Item = &'a Standing>,
    cell: fn(&Against) -> String,
) -> Result {
    writeln!(text, "| row | figure | push | pull | rayon | best peer |\n|---|---|---:|---:|---:|---:|")?;
    for standing in standings {
        let some = |against: &Option<Against>| against.as_ref().map_or_else(|| "-".to_owned(), cell);
        let best = standing
            .best
            .as_ref()
            .map_or_else(|| "-".to_owned(), |best| format!("{} {}", best.name, cell(best)));
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {best} |",
            standing.id,
            standing.what(),
            figure(standing.push),
            some(&standing.pull),
            some(&standing.rayon),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::row;

    #[test]
    fn the_account_counts_every_figure_once() {
        let against =
            |rayon: f64| Standing::all(&row("a", &[("push", &[10.0; 6]), ("rayon", &[rayon; 6])])).remove(0);
        let standings = [against(20.0), against(10.1), against(5.0), against(40.0)];
        let mut text = String::new();
        line(&mut text, "rayon", &standings, |standing| standing.rayon.as_ref()).expect("a string");
        let expected = "- against rayon, 4 figures: better in 2, level in 1, worse in 1, unclear in 0. Worse: `a` ns per \
                        task (0.500x).";
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }
}
