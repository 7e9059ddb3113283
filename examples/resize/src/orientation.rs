//! How a picture is to be turned before it is seen: the orientation that cameras note (EXIF 2.3, 4.6.4).

use serde::{Deserialize, Serialize};

use crate::raster::{Raster, Samples};

/// One of the eight ways to turn and mirror a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orientation {
    /// Whether rows become columns, before the other two.
    transposed: bool,
    /// Whether columns are seen in reverse order.
    mirrored: bool,
    /// Whether rows are seen in reverse order.
    flipped: bool,
}

impl Orientation {
    /// Upright already.
    pub const UPRIGHT: Orientation = Orientation { transposed: false, mirrored: false, flipped: false };

    /// The orientation of a number from 1 to 8.
    pub fn from_exif(number: u32) -> Option<Orientation> {
        let (transposed, mirrored, flipped) = match number {
            1 => (false, false, false),
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return None,
        };
        Some(Orientation { transposed, mirrored, flipped })
    }

    /// The sides of a picture of `width` and `height` when it is upright. Its own inverse.
    pub fn upright(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// Turns a picture.
    #[must_use]
    pub fn turn(self, raster: Raster) -> Raster {
        if self == Orientation::UPRIGHT {
            return raster;
        }
        let Raster { width, height, model, samples } = raster;
        let size = (width, height);
        let samples = match samples {
            Samples::Eight(samples) => Samples::Eight(self.turn_samples(&samples, size, model.channels())),
            Samples::Sixteen(samples) => {
                Samples::Sixteen(self.turn_samples(&samples, size, model.channels()))
            }
        };
        let (width, height) = self.upright(size);
        Raster { width, height, model, samples }
    }

    /// Turns samples, `channels` of which are a pixel.
    pub fn turn_samples<T: Copy>(
        self,
        samples: &[T],
        (width, height): (u32, u32),
        channels: usize,
    ) -> Vec<T> {
        if self == Orientation::UPRIGHT {
            return samples.to_vec();
        }
        let (wide, high) = (width as usize, height as usize);
        let (columns, rows) = if self.transposed { (high, wide) } else { (wide, high) };
        let mut turned = Vec::with_capacity(samples.len());
        for row in 0..rows {
            for column in 0..columns {
                let x = if self.mirrored { columns - 1 - column } else { column };
                let y = if self.flipped { rows - 1 - row } else { row };
                let (x, y) = if self.transposed { (y, x) } else { (x, y) };
                let at = (y * wide + x) * channels;
                turned.extend_from_slice(&samples[at..at + channels]);
            }
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_orientation_turns_as_the_standard_shows() {
        // a b c
        // d e f
        let cases = [
            (1, "abcdef"),
            (2, "cbafed"),
            (3, "fedcba"),
            (4, "defabc"),
            (5, "adbecf"),
            (6, "daebfc"),
            (7, "fcebda"),
            (8, "cfbead"),
        ];
        for (number, wanted) in cases {
            let orientation = Orientation::from_exif(number).expect("1 to 8");
            let turned = orientation.turn_samples(b"abcdef", (3, 2), 1);
            assert_eq!(String::from_utf8_lossy(&turned), wanted, "{number}");
            assert_eq!(orientation.upright((3, 2)), if number < 5 { (3, 2) } else { (2, 3) });
        }
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(9), None);
    }
}
