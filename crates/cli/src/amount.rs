//! Durations, sizes and counts as a user writes them in an option: `2.5`, `300ms`, `2G`, `16`.
//!
//! Each function is a `value_parser` of clap:
//!
//! ```
//! use std::time::Duration;
//!
//! use clap::Parser;
//! use longshore_cli::amount;
//!
//! #[derive(Parser)]
//! struct Cli {
//!     #[arg(long, value_name = "TIME", default_value = "30s", value_parser = amount::duration)]
//!     timeout: Duration,
//!     #[arg(long, value_name = "BYTES", default_value = "512M", value_parser = amount::size)]
//!     memory: u64,
//!     #[arg(long, value_name = "N", default_value = "8", value_parser = amount::count::<1, 1_000_000>)]
//!     queue: usize,
//! }
//!
//! let cli = Cli::try_parse_from(["program", "--timeout", "0.5", "--memory", "2G"])?;
//! assert_eq!((cli.timeout, cli.memory, cli.queue), (Duration::from_millis(500), 2 << 30, 8));
//! assert!(Cli::try_parse_from(["program", "--timeout", "1e300"]).is_err());
//! # Ok::<(), clap::Error>(())
//! ```

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The longest duration that an option takes: beyond it a number is a mistake, and clocks overflow at some point.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most worker threads that an option takes, which is also what a pool takes.
pub const MOST_JOBS: usize = 4096;

/// Why a text is no amount. The message names the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// It does not begin with a number, or the number is malformed.
    NoNumber(String),
    /// What follows the number is no unit.
    NoUnit {
        /// All of the text.
        text: String,
        /// The units that can follow.
        units: &'static str,
    },
    /// It is zero, which no option means.
    Zero(String),
    /// It is beyond the limit of the option.
    Beyond {
        /// All of the text.
        text: String,
        /// The limit.
        limit: String,
    },
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AmountError::NoNumber(text) => write!(f, "'{text}' does not begin with a number"),
            AmountError::NoUnit { text, units } => write!(f, "'{text}' does not end in a unit: {units}"),
            AmountError::Zero(text) => write!(f, "'{text}' is zero"),
            AmountError::Beyond { text, limit } => write!(f, "'{text}' is beyond the limit, {limit}"),
        }
    }
}

impl Error for AmountError {}

/// Reads a duration: a decimal number and `ms`, `s`, `m`, `h` or `d`; without a unit it is seconds.
///
/// # Errors
/// Text that is no duration, zero (also by rounding to nanoseconds), more than [`LONGEST`].
pub fn duration(text: &str) -> Result<Duration, AmountError> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(AmountError::NoUnit { text: text.into(), units: "ms, s (or none), m, h or d" }),
    };
    let number: f64 = number.parse().map_err(|_| AmountError::NoNumber(text.into()))?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(Duration::ZERO) => Err(AmountError::Zero(text.into())),
        Ok(duration) if duration <= LONGEST => Ok(duration),
        _ => Err(AmountError::Beyond { text: text.into(), limit: "365d".into() }),
    }
}

/// Reads a size in bytes: a whole number and `K`, `M`, `G` or `T`, which are powers of 1024; without a unit it is bytes.
///
/// # Errors
/// Text that is no size, zero, more than 64 bits hold.
pub fn size(text: &str) -> Result<u64, AmountError> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "m" | "MiB" => 20,
        "G" | "g" | "GiB" => 30,
        "T" | "t" | "TiB" => 40,
        _ => return Err(AmountError::NoUnit { text: text.into(), units: "K, M, G or T, or none for bytes" }),
    };
    let beyond = || AmountError::Beyond { text: text.into(), limit: u64::MAX.to_string() };
    whole(number, text)?
        .ok_or_else(beyond)?
        .checked_mul(1 << shift)
        .ok_or_else(beyond)
        .and_then(|size| if size > 0 { Ok(size) } else { Err(AmountError::Zero(text.into())) })
}

/// Reads a count from `LEAST` to `MOST`, without a unit.
///
/// # Errors
/// Text that is no whole number, and a number out of that range.
pub fn count<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, AmountError> {
    let (number, unit) = split(text)?;
    if !unit.is_empty() {
        return Err(AmountError::NoUnit { text: text.into(), units: "a count has none" });
    }
    match whole(number, text)?.and_then(|number| usize::try_from(number).ok()) {
        Some(0) if LEAST > 0 => Err(AmountError::Zero(text.into())),
        Some(count) if (LEAST..=MOST).contains(&count) => Ok(count),
        _ => Err(AmountError::Beyond { text: text.into(), limit: format!("{LEAST} to {MOST}") }),
    }
}

/// Reads a number of worker threads, from 1 to [`MOST_JOBS`].
///
/// # Errors
/// As [`count`].
pub fn jobs(text: &str) -> Result<NonZeroUsize, AmountError> {
    let jobs = count::<1, MOST_JOBS>(text)?;
    NonZeroUsize::new(jobs).ok_or_else(|| AmountError::Zero(text.into()))
}

/// The number at the beginning, which is not empty, and what follows it.
fn split(text: &str) -> Result<(&str, &str), AmountError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.contains(|c: char| c.is_ascii_digit()) {
        Ok((number, unit))
    } else {
        Err(AmountError::NoNumber(text.into()))
    }
}

/// A whole number; `None` if it has more than 64 bits.
fn whole(number: &str, text: &str) -> Result<Option<u64>, AmountError> {
    if number.contains('.') {
        return Err(AmountError::NoNumber(text.into()));
    }
    // Digits alone do not parse only if they are too many.
    Ok(number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2.5", 2_500),
            ("2m", 120_000),
            ("100h", 360_000_000),
            ("365d", 31_536_000_000),
            (".5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", 1),
            ("300000K", 300_000 << 10),
            ("512m", 512 << 20),
            ("2G", 2 << 30),
            ("2GiB", 2 << 30),
            ("16777215T", 16_777_215 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count::<0, 5>("0"), Ok(0));
        assert_eq!(count::<1, 5>("5"), Ok(5));
        assert_eq!(jobs("4096").map(NonZeroUsize::get), Ok(4096));
        for text in ["6", "100000000000", "99999999999999999999999"] {
            let error = count::<1, 5>(text).expect_err("beyond");
            assert!(error.to_string().contains(text) && error.to_string().contains("1 to 5"), "{error}");
        }
        assert_eq!(jobs("0"), Err(AmountError::Zero("0".into())));
    }

    #[test]
    fn what_is_no_amount_is_named() {
        for text in ["", "G", "-1", "+1", " 1", "x1", ".", "nan", "inf", "-1e9"] {
            assert_eq!(size(text), Err(AmountError::NoNumber(text.into())));
            assert_eq!(duration(text), Err(AmountError::NoNumber(text.into())));
            assert_eq!(count::<0, 5>(text), Err(AmountError::NoNumber(text.into())));
        }
        assert_eq!(duration("1.2.3"), Err(AmountError::NoNumber("1.2.3".into())));
        assert_eq!(size("1.5G"), Err(AmountError::NoNumber("1.5G".into())));
        for text in ["1KB", "1 G", "1s", "1e9"] {
            assert!(matches!(size(text), Err(AmountError::NoUnit { text: named, .. }) if named == text));
        }
        for text in ["1e300", "1e3", "1w", "1G", "1 s"] {
            assert!(matches!(duration(text), Err(AmountError::NoUnit { text: named, .. }) if named == text));
        }
        for text in ["0", "0.0", "0ms", "0.0000000001s"] {
            assert_eq!(duration(text), Err(AmountError::Zero(text.into())));
        }
        for text in ["0", "000K"] {
            assert_eq!(size(text), Err(AmountError::Zero(text.into())));
        }
        for text in ["16777216T", "18446744073709551616", "99999999999999999999999K"] {
            assert!(matches!(size(text), Err(AmountError::Beyond { text: named, .. }) if named == text));
        }
        for text in ["366d", "18446744073709551615s", &"9".repeat(400)] {
            assert!(matches!(duration(text), Err(AmountError::Beyond { text: named, .. }) if named == text));
        }
    }
}
