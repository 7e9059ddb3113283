//! Target sizes in ImageMagick's notation: `800x600`, `800x`, `x600`, `50%`, and the suffixes `>` `<` `!`
//! `^`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A parsed `--size` argument: two optional numbers, their unit, and the rules for using them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Geometry {
    width: Option<f64>,
    height: Option<f64>,
    percent: bool,
    /// `!`: take the two sides as given, whatever that does to the aspect ratio.
    exact: bool,
    /// `^`: the result covers the box instead of fitting inside it.
    fill: bool,
    /// `>`: only shrink.
    only_shrink: bool,
    /// `<`: only enlarge.
    only_enlarge: bool,
}

impl Geometry {
    /// The size an upright image of `width` x `height` is resized to.
    ///
    /// A side grows only when `enlarge` is given or the geometry carries `<`; `>` forbids it in any case.
    pub fn target(&self, width: u32, height: u32, enlarge: bool) -> (u32, u32) {
        let (mut w, mut h) = self.scaled(f64::from(width), f64::from(height));
        // Clamping each side by itself is right for proportional results too: both sides move the same way.
        if self.only_shrink || !(enlarge || self.only_enlarge) {
            w = w.min(width);
            h = h.min(height);
        }
        if self.only_enlarge {
            w = w.max(width);
            h = h.max(height);
        }
        (w, h)
    }

    /// The size without regard to shrinking or enlarging.
    fn scaled(&self, width: f64, height: f64) -> (u32, u32) {
        if self.percent {
            let (x, y) = (self.width.or(self.height), self.height.or(self.width));
            return (round(width * x.unwrap_or(100.0) / 100.0), round(height * y.unwrap_or(100.0) / 100.0));
        }
        if self.exact {
            return (round(self.width.unwrap_or(width)), round(self.height.unwrap_or(height)));
        }
        let factor = match (self.width, self.height, self.fill) {
            (Some(w), Some(h), false) => (w / width).min(h / height),
            (Some(w), Some(h), true) => (w / width).max(h / height),
            (Some(w), None, false) => w / width,
            (None, Some(h), false) => h / height,
            // One number with `^` is the length of the shorter side.
            (Some(side), None, true) | (None, Some(side), true) => side / width.min(height),
            (None, None, _) => 1.0,
        };
        (round(width * factor), round(height * factor))
    }
}

/// The nearest whole number of pixels, at least one.
fn round(side: f64) -> u32 {
    // A float-to-integer cast saturates, so an absurd size stays absurd and meets the pipeline's limit.
    (side.round() as u32).max(1)
}

/// A box of 1600 by 1600 pixels.
impl Default for Geometry {
    fn default() -> Geometry {
        Geometry {
            width: Some(1600.0),
            height: Some(1600.0),
            percent: false,
            exact: false,
            fill: false,
            only_shrink: false,
            only_enlarge: false,
        }
    }
}

/// As it is parsed.
impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<f64>| side.map(|side| side.to_string()).unwrap_or_default();
        write!(f, "{}x{}", side(self.width), side(self.height))?;
        let flags = [
            (self.percent, "%"),
            (self.exact, "!"),
            (self.fill, "^"),
            (self.only_shrink, ">"),
            (self.only_enlarge, "<"),
        ];
        flags.iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, flag)| f.write_str(flag))
    }
}

impl From<Geometry> for String {
    fn from(geometry: Geometry) -> String {
        geometry.to_string()
    }
}

impl TryFrom<String> for Geometry {
    type Error = String;

    fn try_from(text: String) -> Result<Geometry, String> {
        text.parse()
    }
}

impl FromStr for Geometry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let has = |flag: char| text.contains(flag);
        let geometry = {
            let numbers: String = text.chars().filter(|c| !"%!^<>".contains(*c)).collect();
            let (width, height) = match numbers.split_once(['x', 'X']) {
                Some((width, height)) => (number(width)?, number(height)?),
                None => (number(&numbers)?, None),
            };
            Geometry {
                width,
                height,
                percent: has('%'),
                exact: has('!'),
                fill: has('^'),
                only_shrink: has('>'),
                only_enlarge: has('<'),
            }
        };
        geometry.check()
    }
}

impl Geometry {
    /// Refuses the combinations that have no meaning.
    fn check(self) -> Result<Self, String> {
        if self.width.is_none() && self.height.is_none() {
            return Err("needs a width, a height or a percentage, such as 800x600, 800x, x600 or 50%".into());
        }
        if self.only_shrink && self.only_enlarge {
            return Err("'>' (only shrink) and '<' (only enlarge) exclude each other".into());
        }
        if self.exact && self.fill {
            return Err("'!' (exact sides) and '^' (fill the box) exclude each other".into());
        }
        if self.percent && (self.fill || self.only_shrink || self.only_enlarge) {
            return Err("a percentage takes none of the suffixes '^', '>' and '<'".into());
        }
        Ok(self)
    }
}

/// One side of the geometry; an empty text is a side left open.
fn number(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    // `f64::from_str` would also take a sign, an exponent, `inf` and `nan`.
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match text.parse::<f64>() {
        Ok(value) if plain && value > 0.0 => Ok(Some(value)),
        _ => Err(format!("'{text}' is not a positive number; the forms are 800x600, 800x, x600 and 50%")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(geometry: &str, size: (u32, u32), enlarge: bool) -> (u32, u32) {
        let geometry: Geometry = geometry.parse().unwrap_or_else(|error| panic!("{geometry}: {error}"));
        geometry.target(size.0, size.1, enlarge)
    }

    #[test]
    fn two_sides_are_a_box_the_image_fits_into() {
        assert_eq!(target("800x600", (1600, 900), false), (800, 450));
        assert_eq!(target("800x600", (900, 1600), false), (338, 600));
        assert_eq!(target("800X600", (1600, 1200), false), (800, 600));
    }

    #[test]
    fn an_open_side_follows_the_aspect_ratio() {
        assert_eq!(target("800x", (1600, 900), false), (800, 450));
        assert_eq!(target("800", (1600, 900), false), (800, 450));
        assert_eq!(target("x450", (1600, 900), false), (800, 450));
    }

    #[test]
    fn percentages_scale_both_sides_or_each() {
        assert_eq!(target("50%", (301, 200), false), (151, 100));
        assert_eq!(target("50x25%", (400, 400), false), (200, 100));
        assert_eq!(target("50%x25%", (400, 400), false), (200, 100));
        assert_eq!(target("12.5%", (80, 160), false), (10, 20));
        assert_eq!(target("50%!", (400, 200), false), (200, 100));
    }

    #[test]
    fn exclamation_mark_ignores_the_aspect_ratio() {
        assert_eq!(target("100x100!", (400, 200), false), (100, 100));
        assert_eq!(target("100x!", (400, 200), false), (100, 200));
        assert_eq!(target("x100!", (400, 200), false), (400, 100));
    }

    #[test]
    fn caret_covers_the_box() {
        assert_eq!(target("100x100^", (400, 200), false), (200, 100));
        assert_eq!(target("100x100^", (200, 400), false), (100, 200));
        assert_eq!(target("100^", (200, 400), false), (100, 200));
        assert_eq!(target("x100^", (200, 400), false), (100, 200));
    }

    #[test]
    fn nothing_grows_unless_told() {
        assert_eq!(target("800x600", (80, 60), false), (80, 60));
        assert_eq!(target("800x600", (80, 60), true), (800, 600));
        assert_eq!(target("200%", (80, 60), false), (80, 60));
        assert_eq!(target("200%", (80, 60), true), (160, 120));
        assert_eq!(target("100x100!", (400, 50), false), (100, 50));
        assert_eq!(target("100x100!", (400, 50), true), (100, 100));
    }

    #[test]
    fn angle_brackets_allow_one_direction() {
        assert_eq!(target("800x600>", (80, 60), true), (80, 60));
        assert_eq!(target("800x600>", (1600, 1200), false), (800, 600));
        assert_eq!(target("800x600<", (80, 60), false), (800, 600));
        assert_eq!(target("800x600<", (1600, 1200), false), (1600, 1200));
        assert_eq!(target("800x600<", (1600, 300), true), (1600, 300));
        assert_eq!(target("100x100!<", (400, 50), false), (400, 100));
        assert_eq!(target("100x100^>", (50, 200), false), (50, 200));
    }

    #[test]
    fn no_side_vanishes_and_huge_sizes_saturate() {
        assert_eq!(target("10x10", (10_000, 2), false), (10, 1));
        assert_eq!(target("99999999999x1!", (10, 10), true), (u32::MAX, 1));
    }

    #[test]
    fn a_geometry_is_written_as_it_is_read() {
        for text in ["800x600", "800x", "x600", "50x25%", "100x100!", "100x100^>", "10x10!<", "12.5x%"] {
            assert_eq!(text.parse::<Geometry>().expect("a geometry").to_string(), text);
        }
        let same = "12.5%".parse::<Geometry>().expect("a geometry");
        assert_eq!(same.to_string().parse(), Ok(same));
        assert_eq!(Geometry::default().to_string(), "1600x1600");
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = ["", "x", "%", "0x10", "-5x5", "1e3", "infx5", "10x10x10", "abc", "10x10@", "1.2.3"];
        for text in bad.into_iter().chain(["10x10<>", "10x10!^", "50%>", "50%^"]) {
            assert!(text.parse::<Geometry>().is_err(), "'{text}' was taken");
        }
    }
}
