//! Amounts of memory and of time as the user writes them: `2G`, `300000K`, `500ms`, `2m`.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// It does not begin with a whole number.
    NoNumber(String),
    /// What follows the number is none of the units.
    NoUnit { text: String, units: &'static str },
    /// It is nothing.
    Zero(String),
    /// It is more than can be counted.
    TooLarge(String),
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnitError::NoNumber(text) => write!(f, "'{text}' does not begin with a whole number"),
            UnitError::NoUnit { text, units } => write!(f, "'{text}' does not end in a unit: {units}"),
            UnitError::Zero(text) => write!(f, "'{text}' is zero"),
            UnitError::TooLarge(text) => write!(f, "'{text}' is too large"),
        }
    }
}

impl Error for UnitError {}

/// Parses an amount of memory, in bytes.
pub fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(UnitError::NoUnit { text: text.into(), units: "none for bytes, K, M, G or T" }),
    };
    multiply(text, number, 1 << shift)
}

/// Parses a duration.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(UnitError::NoUnit { text: text.into(), units: "ms, s, m or h" }),
    };
    multiply(text, number, milliseconds).map(Duration::from_millis)
}

/// The number and what follows it.
fn split(text: &str) -> Result<(u64, &str), UnitError> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(UnitError::NoNumber(text.into()));
    }
    // Digits alone do not parse only if they are too many.
    let number = digits.parse().map_err(|_| UnitError::TooLarge(text.into()))?;
    Ok((number, unit))
}

fn multiply(text: &str, number: u64, by: u64) -> Result<u64, UnitError> {
    match number.checked_mul(by) {
        None => Err(UnitError::TooLarge(text.into())),
        Some(0) => Err(UnitError::Zero(text.into())),
        Some(amount) => Ok(amount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("1"), Ok(1));
        assert_eq!(size("300000K"), Ok(300_000 << 10));
        assert_eq!(size("512m"), Ok(512 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("16777215T"), Ok(16_777_215 << 40));
        assert_eq!(size("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3_600)));
    }

    #[test]
    fn what_is_no_amount_is_named() {
        let no_number = ["", "G", "-1", "+1K", " 1", "x1"];
        for text in no_number {
            assert_eq!(size(text), Err(UnitError::NoNumber(text.into())));
            assert_eq!(duration(text), Err(UnitError::NoNumber(text.into())));
        }
        for text in ["1KB", "1.5G", "1 G", "1s"] {
            assert!(matches!(size(text), Err(UnitError::NoUnit { text: named, .. }) if named == text));
        }
        for text in ["30", "1d", "1G", "1.5s"] {
            assert!(matches!(duration(text), Err(UnitError::NoUnit { text: named, .. }) if named == text));
        }
        for text in ["0", "000K"] {
            assert_eq!(size(text), Err(UnitError::Zero(text.into())));
        }
        assert_eq!(duration("0ms"), Err(UnitError::Zero("0ms".into())));
        for text in ["16777216T", "18446744073709551616", "99999999999999999999999K"] {
            assert_eq!(size(text), Err(UnitError::TooLarge(text.into())));
        }
        assert_eq!(
            duration("18446744073709551615s"),
            Err(UnitError::TooLarge("18446744073709551615s".into()))
        );
        assert!(size("12Q").is_err_and(|error| error.to_string().contains("12Q")));
    }
}
