//! Values of options that are more than a word.

#[cfg(feature = "cluster")]
use std::path::Path;
use std::path::PathBuf;

/// The choices of `--pin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    None,
    Compact,
    Spread,
    Cores(Vec<usize>),
}

/// Parses `--pin`.
pub fn pin(text: &str) -> Result<Pin, String> {
    match text {
        "none" => Ok(Pin::None),
        "compact" => Ok(Pin::Compact),
        "spread" => Ok(Pin::Spread),
        list => list
            .split(',')
            .map(|core| core.trim().parse())
            .collect::<Result<Vec<usize>, _>>()
            .map(Pin::Cores)
            .map_err(|_| "expected none, compact, spread, or core numbers such as 0,2,4".into()),
    }
}

/// Parses a number of pixels: `250000`, `500K`, `200M`, `1G`, with the decimal meaning that cameras' makers
/// give the letters.
pub fn pixels(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no number of pixels, such as 200M or 1G");
    let (digits, factor) = match text.char_indices().last().ok_or_else(wrong)? {
        (at, 'K' | 'k') => (&text[..at], 1_000),
        (at, 'M' | 'm') => (&text[..at], 1_000_000),
        (at, 'G' | 'g') => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match number.checked_mul(factor) {
        Some(0) => Err(format!("'{text}' is zero")),
        Some(pixels) => Ok(pixels),
        None => Err(format!("'{text}' is too large")),
    }
}

/// Accepts names of pages alone: where the name was forgotten, a shell may put that of a photograph in its
/// place, and the page would replace it.
pub fn page(path: PathBuf) -> Result<PathBuf, String> {
    match path.extension() {
        Some(extension)
            if extension.eq_ignore_ascii_case("html") || extension.eq_ignore_ascii_case("htm") =>
        {
            Ok(path)
        }
        _ => Err("a page has a name that ends with .html".into()),
    }
}

/// Whether a path is the name of an object in an object store.
#[cfg(feature = "cluster")]
pub fn is_object(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"s3://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pages() {
        assert!(page("a/sheet.HTML".into()).is_ok() && page("sheet.htm".into()).is_ok());
        for name in ["photo.jpg", "html", "sheet.html.png", ""] {
            assert!(page(name.into()).is_err(), "{name}");
        }
    }

    #[test]
    fn numbers_of_pixels() {
        assert_eq!(pixels("7"), Ok(7));
        assert_eq!(pixels("500K"), Ok(500_000));
        assert_eq!(pixels("200m"), Ok(200_000_000));
        assert_eq!(pixels("1G"), Ok(1_000_000_000));
        for text in ["", "M", "-1", "1.5M", "1T", "0", "0M", "+5", "99999999999999999999", "99999999999999G"]
        {
            assert!(pixels(text).is_err_and(|error| error.contains(text)), "'{text}'");
        }
    }

    #[test]
    fn pins() {
        assert_eq!(pin("0, 2"), Ok(Pin::Cores(vec![0, 2])));
        assert_eq!(pin("spread"), Ok(Pin::Spread));
        assert!(pin("sideways").is_err() && pin("1,,2").is_err());
    }
}
