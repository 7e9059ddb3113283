//! What is priced: contracts, the market they are priced in, and the closed forms of those that have one.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// The share today, its volatility and the interest rate, both per year.
const SPOT: f64 = 100.0;
const VOLATILITY: f64 = 0.25;
const RATE: f64 = 0.03;
/// In years.
const EXPIRY: f64 = 1.0;

/// An option to buy or sell at `strike`.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    pub name: &'static str,
    kind: Kind,
    strike: f64,
    /// Observations of an average, at equal distances; the last one at expiry.
    steps: u32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Call,
    Put,
    /// A call on the geometric average of the observations.
    Geometric,
    /// A call on their arithmetic average.
    Arithmetic,
}

/// The contracts of this example.
pub fn book(steps: u32) -> Vec<Contract> {
    vec![
        Contract { name: "call 110", kind: Kind::Call, strike: 110.0, steps: 1 },
        Contract { name: "put 95", kind: Kind::Put, strike: 95.0, steps: 1 },
        Contract { name: "geometric average 100", kind: Kind::Geometric, strike: 100.0, steps },
        Contract { name: "arithmetic average 100", kind: Kind::Arithmetic, strike: 100.0, steps },
    ]
}

impl Contract {
    /// Simulates one path of the share and returns what the contract pays on it, in today's money.
    pub fn sample(&self, random: &mut impl Rng) -> f64 {
        let step = EXPIRY / f64::from(self.steps);
        let drift = (RATE - VOLATILITY * VOLATILITY / 2.0) * step;
        let scale = VOLATILITY * step.sqrt();
        let (mut log, mut logs, mut prices) = (0.0, 0.0, 0.0);
        for _ in 0..self.steps {
            let normal: f64 = StandardNormal.sample(random);
            log += drift + scale * normal;
            logs += log;
            if let Kind::Arithmetic = self.kind {
                prices += log.exp();
            }
        }
        let steps = f64::from(self.steps);
        let gain = match self.kind {
            Kind::Call => SPOT * log.exp() - self.strike,
            Kind::Put => self.strike - SPOT * log.exp(),
            Kind::Geometric => SPOT * (logs / steps).exp() - self.strike,
            Kind::Arithmetic => SPOT * prices / steps - self.strike,
        };
        gain.max(0.0) * (-RATE * EXPIRY).exp()
    }

    /// The exact price, where there is a formula.
    pub fn closed_form(&self) -> Option<f64> {
        let variance = VOLATILITY * VOLATILITY;
        let drift = RATE - variance / 2.0;
        match self.kind {
            Kind::Call => Some(black(drift * EXPIRY, variance * EXPIRY, self.strike, 1.0)),
            Kind::Put => Some(black(drift * EXPIRY, variance * EXPIRY, self.strike, -1.0)),
            // The logarithm of a geometric average is normal too, with a mean and variance of its own.
            Kind::Geometric => {
                let n = f64::from(self.steps);
                let mean = drift * EXPIRY * (n + 1.0) / (2.0 * n);
                let spread = variance * EXPIRY * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * n * n);
                Some(black(mean, spread, self.strike, 1.0))
            }
            Kind::Arithmetic => None,
        }
    }
}

/// The price of a call (`side` 1) or put (-1) on `SPOT * exp(X)`, with X normal of this mean and variance.
fn black(mean: f64, variance: f64, strike: f64, side: f64) -> f64 {
    let deviation = variance.sqrt();
    let d2 = ((SPOT / strike).ln() + mean) / deviation;
    let d1 = d2 + deviation;
    let forward = SPOT * (mean + variance / 2.0).exp();
    let gain = side * (forward * normal_below(side * d1) - strike * normal_below(side * d2));
    gain * (-RATE * EXPIRY).exp()
}

/// The share of a standard normal distribution below `x`.
fn normal_below(x: f64) -> f64 {
    libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(contract: usize, steps: u32) -> f64 {
        book(steps)[contract].closed_form().expect("it has one")
    }

    #[test]
    fn closed_forms_keep_the_parity_of_calls_and_puts() {
        let variance = VOLATILITY * VOLATILITY;
        let drift = RATE - variance / 2.0;
        for strike in [50.0, 95.0, 100.0, 140.0] {
            let call = black(drift, variance, strike, 1.0);
            let put = black(drift, variance, strike, -1.0);
            assert!((call - put - (SPOT - strike * (-RATE).exp())).abs() < 1e-9, "strike {strike}");
        }
    }

    #[test]
    fn an_average_of_one_observation_is_the_plain_option() {
        let variance = VOLATILITY * VOLATILITY;
        let plain = black(RATE - variance / 2.0, variance, 100.0, 1.0);
        assert!((exact(2, 1) - plain).abs() < 1e-12);
        assert!(exact(2, 16) < plain);
    }

    #[test]
    fn a_price_from_the_textbook() {
        // Spot 100, strike 110, a year, 3 %, volatility 25 %: d1 = -0.13624, d2 = -0.38624.
        assert!((exact(0, 1) - 7.256).abs() < 1e-3, "{}", exact(0, 1));
    }
}
