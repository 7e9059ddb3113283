//! Times as reports write them, read back.

use std::fmt;

use crate::run::Nanos;

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub fault: TimeFault,
}

/// What is wrong with a text that should be a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeFault {
    /// It does not begin with a number such as `12` or `1.84`.
    Number,
    /// Its unit is missing, or none of those that reports use.
    Unit,
    /// It is longer than any run.
    TooLong,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.fault {
            TimeFault::Number => "does not begin with a number, such as 1.84 s does",
            TimeFault::Unit => "needs a unit: ns, us, ms or s",
            TimeFault::TooLong => "is longer than any run",
        };
        write!(f, "`{}` {why}", self.text)
    }
}

impl std::error::Error for TimeError {}

/// Reads a time as reports write it: `1.84 s`, `123ms`, `45.7 us`, `7 ns`. Only `0` needs no unit.
///
/// # Errors
/// If the text is something else.
///
/// ```
/// use longshore_trace::analysis::{TimeFault, parse_time};
///
/// assert_eq!(parse_time("1.84 s")?, 1_840_000_000);
/// assert_eq!(parse_time("45.7us")?, 45_700);
/// assert_eq!(parse_time("12 parsecs").unwrap_err().fault, TimeFault::Unit);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_time(text: &str) -> Result<Nanos, TimeError> {
    let error = |fault| TimeError { text: text.to_owned(), fault };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let value: f64 = number.parse().map_err(|_| error(TimeFault::Number))?;
    let factor = match unit.trim_start() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "" if value == 0.0 => 1.0,
        _ => return Err(error(TimeFault::Unit)),
    };
    let nanos = (value * factor).round();
    if nanos < u64::MAX as f64 { Ok(nanos as Nanos) } else { Err(error(TimeFault::TooLong)) }
}

#[cfg(test)]
mod tests {
    use super::super::report::time;
    use super::*;

    #[test]
    fn reads_what_reports_write() {
        for nanos in [0, 7, 999, 1_230, 45_700, 999_000, 1_840_000_000, 123_000_000_000] {
            assert_eq!(parse_time(&time(nanos)), Ok(nanos));
        }
        assert_eq!([parse_time(" 2.5ms "), parse_time("0")], [Ok(2_500_000), Ok(0)]);
    }

    #[test]
    fn names_what_is_no_time() {
        let cases = [
            ("", TimeFault::Number),
            ("ms", TimeFault::Number),
            ("-1 ms", TimeFault::Number),
            ("1.2.3 s", TimeFault::Number),
            ("inf", TimeFault::Number),
            ("12", TimeFault::Unit),
            ("12 parsecs", TimeFault::Unit),
            ("1e9 s", TimeFault::Unit),
            ("99999999999 s", TimeFault::TooLong),
        ];
        for (text, fault) in cases {
            let error = parse_time(text).unwrap_err();
            assert_eq!((error.text.as_str(), error.fault), (text, fault));
            assert!(error.to_string().starts_with(&format!("`{text}` ")));
        }
    }
}
