//! Pictures in memory: interleaved samples, or the planes that a JPEG file holds.

use std::borrow::Cow;

use fast_image_resize::PixelType;

/// Interleaved samples of 8 or 16 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What the samples of a pixel mean.
    pub model: Model,
    /// The samples, row by row.
    pub samples: Samples,
}

/// Samples of a raster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 0 to 255.
    Eight(Vec<u8>),
    /// 0 to 65535.
    Sixteen(Vec<u16>),
}

/// What the samples of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Lightness.
    Grey,
    /// Lightness and alpha.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Four inks; 0 is no ink.
    Cmyk,
}

impl Model {
    /// Samples of a pixel.
    pub fn channels(self) -> usize {
        match self {
            Model::Grey => 1,
            Model::GreyAlpha => 2,
            Model::Rgb => 3,
            Model::Rgba | Model::Cmyk => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub fn has_alpha(self) -> bool {
        matches!(self, Model::GreyAlpha | Model::Rgba)
    }

    /// Whether there is one sample of lightness.
    pub fn is_grey(self) -> bool {
        matches!(self, Model::Grey | Model::GreyAlpha)
    }

    /// The same without alpha.
    pub fn opaque(self) -> Model {
        match self {
            Model::GreyAlpha => Model::Grey,
            Model::Rgba => Model::Rgb,
            other => other,
        }
    }

    /// The same with red, green and blue.
    pub fn coloured(self) -> Model {
        match self {
            Model::Grey | Model::Cmyk => Model::Rgb,
            Model::GreyAlpha => Model::Rgba,
            other => other,
        }
    }
}

/// A picture in memory.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// Luma and chroma, each plane at its own size.
    Planes([longshore_jpeg::Plane; 3]),
    /// Interleaved samples.
    Raster(Raster),
}

impl Samples {
    /// Bytes of a sample.
    pub fn size(&self) -> usize {
        match self {
            Samples::Eight(_) => 1,
            Samples::Sixteen(_) => 2,
        }
    }

    /// The samples with 16 bits.
    pub fn wide(&self) -> Cow<'_, [u16]> {
        match self {
            Samples::Eight(samples) => samples.iter().map(|&sample| u16::from(sample) * 257).collect(),
            Samples::Sixteen(samples) => samples.into(),
        }
    }

    /// The samples as bytes, in the order of this machine.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Samples::Eight(samples) => samples,
            Samples::Sixteen(samples) => bytemuck::cast_slice(samples),
        }
    }

    /// The same, to be written to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Samples::Eight(samples) => samples,
            Samples::Sixteen(samples) => bytemuck::cast_slice_mut(samples),
        }
    }
}

impl Raster {
    /// The resizer's name for the pixels.
    pub fn pixel_type(&self) -> PixelType {
        match (&self.samples, self.model.channels()) {
            (Samples::Eight(_), 1) => PixelType::U8,
            (Samples::Eight(_), 2) => PixelType::U8x2,
            (Samples::Eight(_), 3) => PixelType::U8x3,
            (Samples::Eight(_), _) => PixelType::U8x4,
            (Samples::Sixteen(_), 1) => PixelType::U16,
            (Samples::Sixteen(_), 2) => PixelType::U16x2,
            (Samples::Sixteen(_), 3) => PixelType::U16x3,
            (Samples::Sixteen(_), _) => PixelType::U16x4,
        }
    }

    /// The same picture with samples of 16 bits.
    #[must_use]
    pub fn widened(self) -> Raster {
        match self.samples {
            Samples::Sixteen(_) => self,
            Samples::Eight(_) => {
                let wide = self.samples.wide().into_owned();
                Raster { samples: Samples::Sixteen(wide), ..self }
            }
        }
    }

    /// The same picture with samples of 8 bits, rounded to the nearest.
    #[must_use]
    pub fn narrowed(self) -> Raster {
        match self.samples {
            Samples::Eight(_) => self,
            Samples::Sixteen(wide) => {
                // 65535 / 255 is 257, and the result is at most 255.
                let narrow = wide.iter().map(|&sample| ((u32::from(sample) + 128) / 257) as u8);
                Raster { samples: Samples::Eight(narrow.collect()), ..self }
            }
        }
    }

    /// The same picture without transparency, laid on white.
    #[must_use]
    pub fn on_white(self) -> Raster {
        if !self.model.has_alpha() {
            return self;
        }
        let channels = self.model.channels();
        let samples = match self.samples {
            Samples::Eight(samples) => Samples::Eight(flattened(&samples, channels, 255, |x| x as u8)),
            Samples::Sixteen(samples) => {
                Samples::Sixteen(flattened(&samples, channels, 65_535, |x| x as u16))
            }
        };
        Raster { model: self.model.opaque(), samples, ..self }
    }

    /// The same picture with colours that are not multiplied by their alpha, from one where they are.
    #[must_use]
    pub fn divided(self) -> Raster {
        if !self.model.has_alpha() {
            return self;
        }
        let channels = self.model.channels();
        let samples = match self.samples {
            Samples::Eight(mut samples) => {
                divide(&mut samples, channels, 255, |x| x as u8);
                Samples::Eight(samples)
            }
            Samples::Sixteen(mut samples) => {
                divide(&mut samples, channels, 65_535, |x| x as u16);
                Samples::Sixteen(samples)
            }
        };
        Raster { samples, ..self }
    }

    /// The same picture with red, green and blue, from grey or inks without a profile.
    #[must_use]
    pub fn coloured(self) -> Raster {
        let Raster { width, height, model, samples } = self;
        let samples = match samples {
            Samples::Eight(samples) => Samples::Eight(coloured(model, samples, 255, |x| x as u8)),
            Samples::Sixteen(samples) => Samples::Sixteen(coloured(model, samples, 65_535, |x| x as u16)),
        };
        Raster { width, height, model: model.coloured(), samples }
    }
}

fn flattened<T: Copy + Into<u64>>(
    samples: &[T],
    channels: usize,
    most: u64,
    narrow: impl Fn(u64) -> T,
) -> Vec<T> {
    let mut flat = Vec::with_capacity(samples.len() / channels * (channels - 1));
    for pixel in samples.chunks_exact(channels) {
        let alpha: u64 = pixel[channels - 1].into();
        let mixed = |&sample: &T| narrow((sample.into() * alpha + most * (most - alpha) + most / 2) / most);
        flat.extend(pixel[..channels - 1].iter().map(mixed));
    }
    flat
}

fn divide<T: Copy + Into<u64>>(samples: &mut [T], channels: usize, most: u64, narrow: impl Fn(u64) -> T) {
    for pixel in samples.chunks_exact_mut(channels) {
        let alpha: u64 = pixel[channels - 1].into();
        for sample in &mut pixel[..channels - 1] {
            let value: u64 = (*sample).into();
            *sample = narrow((value * most + alpha / 2).checked_div(alpha).unwrap_or(0).min(most));
        }
    }
}

fn coloured<T: Copy + Into<u64>>(
    model: Model,
    samples: Vec<T>,
    most: u64,
    narrow: impl Fn(u64) -> T,
) -> Vec<T> {
    match model {
        Model::Rgb | Model::Rgba => samples,
        Model::Grey => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Model::GreyAlpha => samples.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
        Model::Cmyk => samples
            .chunks_exact(4)
            .flat_map(|pixel| {
                let light = |ink: T, black: T| {
                    narrow(((most - ink.into()) * (most - black.into()) + most / 2) / most)
                };
                [light(pixel[0], pixel[3]), light(pixel[1], pixel[3]), light(pixel[2], pixel[3])]
            })
            .collect(),
    }
}

/// Interleaves luma and chroma of one size as red, green and blue (ITU-T T.871).
pub fn rgb_of(luma: &[u8], cb: &[u8], cr: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(luma.len() * 3);
    for ((&y, &cb), &cr) in luma.iter().zip(cb).zip(cr) {
        rgb.extend_from_slice(&rgb_of_pixel(y, cb, cr));
    }
    rgb
}

/// In fixed point with 16 bits of fraction, as libjpeg has it.
#[inline(always)]
pub fn rgb_of_pixel(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y) << 16, i32::from(cb) - 128, i32::from(cr) - 128);
    let red = (y + 91_881 * cr + HALF) >> 16;
    let green = (y - 22_554 * cb - 46_802 * cr + HALF) >> 16;
    let blue = (y + 116_130 * cb + HALF) >> 16;
    [red, green, blue].map(|sample| sample.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(model: Model, samples: &[u8]) -> Raster {
        let width = (samples.len() / model.channels()) as u32;
        Raster { width, height: 1, model, samples: Samples::Eight(samples.to_vec()) }
    }

    #[test]
    fn transparency_is_laid_on_white() {
        let flat = raster(Model::GreyAlpha, &[0, 0, 0, 255, 100, 128]).on_white();
        assert_eq!((flat.model, flat.samples), (Model::Grey, Samples::Eight(vec![255, 0, 177])));
    }

    #[test]
    fn premultiplied_colours_are_divided() {
        let divided = raster(Model::Rgba, &[64, 0, 128, 128, 9, 9, 9, 0]).divided();
        assert_eq!(divided.samples, Samples::Eight(vec![128, 0, 255, 128, 0, 0, 0, 0]));
    }

    #[test]
    fn inks_darken() {
        let rgb = raster(Model::Cmyk, &[0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]).coloured();
        assert_eq!(rgb.samples, Samples::Eight(vec![255, 255, 255, 0, 255, 255, 0, 0, 0]));
    }

    #[test]
    fn sixteen_bits_are_rounded() {
        let samples = Samples::Sixteen(vec![0, 128, 129, 0x8000, 65_535]);
        let wide = Raster { width: 5, height: 1, model: Model::Grey, samples };
        assert_eq!(wide.narrowed().samples, Samples::Eight(vec![0, 0, 1, 128, 255]));
    }

    #[test]
    fn luma_and_chroma_become_colours() {
        assert_eq!(
            rgb_of(&[76, 255, 0], &[85, 128, 128], &[255, 128, 128]),
            [254, 0, 0, 255, 255, 255, 0, 0, 0]
        );
    }
}
