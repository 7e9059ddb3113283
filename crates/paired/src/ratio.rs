//! The one definition of a ratio, of its interval and of the verdict on it, for every table and every plot.
//!
//! **The ratio** of one side to another is the median, over the rounds that both took part in, of the
//! quotients of their figures in the same round. It is not the quotient of the two medians, because a machine
//! drifts: over 31 rounds of one program against itself on a shared two-core machine the figures of a round
//! moved together (correlation 0.4 to 0.95), and the quotient of the medians of 15 rounds scattered 1.5 to 4
//! times as wide as the median of the quotients (dispatch: 10 % against 3.7 %). For an even number of rounds
//! the median is the geometric mean of the two quotients in the middle, so that the ratio of A to B is always
//! the inverse of the ratio of B to A.
//!
//! **The interval** holds the true median of the quotients with a probability of at least 95 %, whatever
//! their distribution: it reaches from the k-th smallest to the k-th largest quotient, with the largest k
//! that binomial tails of 1/2 allow (the sign test's interval: Hahn and Meeker, *Statistical Intervals*,
//! 1991, section 5.2). With five rounds or fewer no such interval exists; then it is the whole range, and
//! [`confidence`] says how much that is worth (five rounds: 94 %).
//!
//! **The verdict** needs all of four things to call one side better: five rounds, a ratio that differs from 1
//! by more than a margin, an interval that excludes 1, and medians beside the ratio in the table that point
//! the same way. A ratio can therefore never contradict the figures next to it: where it would, the verdict
//! is *unclear*, and a table shows the interval alone.

use longshore_rivals::rows::Better;

/// The probability that the interval must have at least, where the number of rounds allows.
const CONFIDENCE: f64 = 0.95;

/// The fewest rounds that a verdict can rest on: the interval of four holds the median with 87.5 % only.
pub const LEAST_ROUNDS: usize = 5;

/// Differences up to this count as none, where a table says nothing else.
pub const MARGIN: f64 = 0.05;

/// How one side stands to another in one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median of the quotients of the rounds.
    pub value: f64,
    /// The low end of the interval.
    pub low: f64,
    /// The high end of the interval.
    pub high: f64,
    /// The two medians do not point the other way.
    pub medians_agree: bool,
    /// The rounds that have both figures.
    pub rounds: usize,
}

/// What a ratio says about the side that it is the ratio of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better by more than the margin, beyond doubt.
    Better,
    /// The same within the margin, beyond doubt.
    Level,
    /// Worse by more than the margin, beyond doubt.
    Worse,
    /// None of these: the rounds disagree, or there are too few of them.
    Unclear,
}

impl Verdict {
    /// All of them, in the order in which they are counted up.
    pub const ALL: [Self; 4] = [Self::Better, Self::Level, Self::Worse, Self::Unclear];

    /// Its word.
    pub fn plain(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Level => "level",
            Self::Worse => "worse",
            Self::Unclear => "unclear",
        }
    }

    /// Its word in a page, where what is worse must not be overlooked.
    pub fn word(self) -> &'static str {
        if self == Self::Worse { "**worse**" } else { self.plain() }
    }
}

impl Ratio {
    /// The ratio of `own` to `other`, both by round; nothing if no round has both figures.
    pub fn of(own: &[Option<f64>], other: &[Option<f64>]) -> Option<Self> {
        let quotient = |(own, other): (&Option<f64>, &Option<f64>)| {
            let (own, other) = ((*own)?, (*other)?);
            (other != 0.0).then_some(own / other)
        };
        let mut quotients: Vec<f64> = own.iter().zip(other).filter_map(quotient).collect();
        quotients.sort_by(f64::total_cmp);
        let count = quotients.len();
        let (&low_middle, &high_middle) =
            (quotients.get(count.saturating_sub(1) / 2)?, quotients.get(count / 2)?);
        // The square root of a product would lose digits where the two are the same, which is the common
        // case.
        let value =
            if low_middle == high_middle { low_middle } else { low_middle.sqrt() * high_middle.sqrt() };
        let rank = rank(count).max(1);
        let difference = median(own.iter().copied().flatten())? - median(other.iter().copied().flatten())?;
        Some(Self {
            value,
            low: quotients[rank - 1],
            high: quotients[count - rank],
            medians_agree: difference == 0.0 || value == 1.0 || (difference > 0.0) == (value > 1.0),
            rounds: count,
        })
    }

    /// The verdict on the side that this is the ratio of; `margin` is the least difference that counts (0.05:
    /// 5 %).
    pub fn verdict(&self, better: Better, margin: f64) -> Verdict {
        let least = 1.0 + margin;
        let is_within = |ratio: f64| ratio <= least && ratio >= 1.0 / least;
        let (is_above, is_below) = (self.low > 1.0, self.high < 1.0);
        if self.rounds < LEAST_ROUNDS {
            Verdict::Unclear
        } else if is_within(self.low) && is_within(self.high) {
            Verdict::Level
        } else if is_within(self.value) || !(is_above || is_below) || !self.medians_agree {
            Verdict::Unclear
        } else if is_above == (better == Better::Higher) {
            Verdict::Better
        } else {
            Verdict::Worse
        }
    }

    /// The same relation seen from the other side.
    pub fn inverse(&self) -> Self {
        Self { value: 1.0 / self.value, low: 1.0 / self.high, high: 1.0 / self.low, ..*self }
    }

    /// How many times better the side is that this is the ratio of; below 1 if it is worse.
    pub fn times_better(&self, better: Better) -> Self {
        match better {
            Better::Lower => self.inverse(),
            Better::Higher => *self,
        }
    }

    /// The interval in words.
    pub fn interval(&self) -> String {
        format!("{} to {}", short(self.low), short(self.high))
    }

    /// The ratio with its interval, if that is more than a point; the interval alone where the medians point
    /// the other way.
    pub fn cell(&self) -> String {
        if self.medians_agree && self.low == self.high {
            short(self.value)
        } else if self.medians_agree {
            format!("{} ({})", short(self.value), self.interval())
        } else {
            format!("unclear ({})", self.interval())
        }
    }
}

/// The middle one, or the mean of the two in the middle; none of none.
pub fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// A ratio in three digits; beyond a thousandfold the digits mean nothing.
pub fn short(ratio: f64) -> String {
    match ratio {
        much if much > 1000.0 => ">1000".to_owned(),
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        little if little > 0.0 && little < 0.001 => "<0.001".to_owned(),
        below if below < 1.0 => format!("{below:.3}"),
        small => format!("{small:.2}"),
    }
}

/// The probability with which the interval of so many rounds holds the true median.
pub fn confidence(rounds: usize) -> f64 {
    1.0 - 2.0 * tail(rounds, rank(rounds).max(1))
}

/// The largest k for which the k-th smallest and the k-th largest enclose the median with enough confidence;
/// 0 if there is none.
fn rank(rounds: usize) -> usize {
    (1..=rounds / 2).take_while(|&k| 1.0 - 2.0 * tail(rounds, k) >= CONFIDENCE).last().unwrap_or(0)
}

/// The probability of fewer than `k` heads in so many throws of a fair coin.
fn tail(rounds: usize, k: usize) -> f64 {
    let logarithm = |n: usize| (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
    let all = logarithm(rounds) - rounds as f64 * 2_f64.ln();
    (0..k.min(rounds + 1)).map(|heads| (all - logarithm(heads) - logarithm(rounds - heads)).exp()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &[f64], other: &[f64]) -> Ratio {
        let some = |figures: &[f64]| figures.iter().copied().map(Some).collect::<Vec<_>>();
        Ratio::of(&some(own), &some(other)).expect("figures")
    }

    #[test]
    fn the_quotients_are_those_of_the_rounds() {
        // The machine is twice as slow in the second round, which the ratio does not show.
        let ratio = of(&[10.0, 20.0, 11.0], &[100.0, 200.0, 100.0]);
        assert_eq!((ratio.value, ratio.low, ratio.high), (0.1, 0.1, 0.11));
        assert!(ratio.medians_agree);
    }

    #[test]
    fn a_round_that_one_side_lacks_is_left_out() {
        let own = [Some(10.0), None, Some(30.0), Some(5.0)];
        let other = [Some(10.0), Some(1.0), Some(10.0), Some(0.0)];
        let ratio = Ratio::of(&own, &other).expect("two rounds");
        assert_eq!((ratio.low, ratio.high), (1.0, 3.0));
        assert_eq!(Ratio::of(&own, &[None; 4]), None);
        assert_eq!(Ratio::of(&[], &[]), None);
    }

    #[test]
    fn the_inverse_is_the_ratio_seen_from_the_other_side() {
        for figures in [(&[3.0, 1.0, 7.0, 2.0][..], &[2.0, 2.0, 2.0, 5.0][..]), (&[3.0, 1.0], &[1.0, 4.0])] {
            let (there, back) = (of(figures.0, figures.1), of(figures.1, figures.0).inverse());
            for (a, b) in [(there.value, back.value), (there.low, back.low), (there.high, back.high)] {
                assert!((a / b - 1.0).abs() < 1e-12, "{there:?} {back:?}");
            }
            assert_eq!(there.medians_agree, back.medians_agree);
        }
    }

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // From tables of the sign test: the rank from either end, and the confidence of the interval.
        for (rounds, k, sure) in [
            (5, 0, 0.9375),
            (6, 1, 0.96875),
            (8, 1, 0.9921875),
            (9, 2, 0.9609375),
            (15, 4, 0.96484),
            (20, 6, 0.95861),
            (25, 8, 0.95671),
            (30, 10, 0.95723),
        ] {
            assert_eq!(rank(rounds), k, "{rounds} rounds");
            assert!((confidence(rounds) - sure).abs() < 1e-5, "{rounds} rounds: {}", confidence(rounds));
        }
        let figures: Vec<f64> = (1..=15).map(f64::from).collect();
        let ratio = of(&figures, &[1.0; 15]);
        assert_eq!((ratio.low, ratio.value, ratio.high), (4.0, 8.0, 12.0));
        // A thousand rounds neither overflow nor vanish.
        assert!((0.95..0.96).contains(&confidence(1000)), "{}", confidence(1000));
    }

    #[test]
    fn a_verdict_needs_distance_certainty_and_agreement() {
        let verdict = |low, value, high, medians_agree| {
            Ratio { value, low, high, medians_agree, rounds: 5 }.verdict(Better::Higher, 0.05)
        };
        assert_eq!(verdict(1.1, 1.2, 1.3, true), Verdict::Better);
        assert_eq!(verdict(0.7, 0.8, 0.9, true), Verdict::Worse);
        assert_eq!(verdict(0.97, 1.0, 1.04, true), Verdict::Level);
        // Narrow and on one side: the same within the margin.
        assert_eq!(verdict(1.01, 1.02, 1.03, true), Verdict::Level);
        assert_eq!(verdict(0.9, 1.2, 1.3, true), Verdict::Unclear);
        assert_eq!(verdict(0.9, 1.0, 1.3, true), Verdict::Unclear);
        assert_eq!(verdict(1.01, 1.04, 1.09, true), Verdict::Unclear);
        assert_eq!(verdict(1.1, 1.2, 1.3, false), Verdict::Unclear);
        let less = Ratio { value: 0.5, low: 0.4, high: 0.6, medians_agree: true, rounds: 5 };
        assert_eq!(less.verdict(Better::Lower, 0.05), Verdict::Better);
        assert_eq!(Ratio { rounds: 4, ..less }.verdict(Better::Lower, 0.05), Verdict::Unclear);
        assert_eq!(less.times_better(Better::Lower).value, 2.0);
    }

    #[test]
    fn a_ratio_against_the_medians_is_not_shown() {
        // Two runs of three are faster than their neighbour, and yet the median is slower: 164 against 156.
        let own = [46.0, 164.0, 183.0, 170.0, 80.0];
        let other = [100.0, 312.0, 140.0, 156.0, 160.0];
        let ratio = of(&own, &other);
        assert!(ratio.value < 1.0 && !ratio.medians_agree, "{ratio:?}");
        assert_eq!(ratio.verdict(Better::Lower, 0.05), Verdict::Unclear);
        assert!(ratio.cell().starts_with("unclear (0.460 to 1.31"), "{}", ratio.cell());
    }

    #[test]
    fn ratios_have_three_digits() {
        let all = [5000.0, 123.4, 12.34, 1.234, 0.1234, 0.0, 1e-9].map(short);
        assert_eq!(all, [">1000", "123", "12.3", "1.23", "0.123", "0.000", "<0.001"]);
    }
}
