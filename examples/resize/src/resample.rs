//! Resampling: a Lanczos filter of three lobes over planes and rasters.

use fast_image_resize as fir;
use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::{U8, U8x3, U8x4, U16, U16x2, U16x3, U16x4};
use fast_image_resize::{FilterType, PixelTrait, PixelType, ResizeAlg, ResizeOptions};
use longshore_jpeg::Plane;

use crate::failure::Failure;
use crate::raster::{Model, Raster, Samples};

/// Resamples a plane to `width` by `height`. Its last column and row may belong to the picture in part:
/// chroma of an odd width, for instance. The plane stays as it is.
pub fn plane(
    resizer: &mut fir::Resizer,
    plane: &mut Plane,
    width: u32,
    height: u32,
) -> Result<Vec<u8>, Failure> {
    let rows = plane.data.len() / plane.stride.max(1);
    let size = (plane.stride as u32, rows as u32);
    let (across, down) = plane.extent;
    let options = options().crop(0.0, 0.0, across, down);
    let mut target = vec![0; width as usize * height as usize];
    let source = View { size, bytes: &mut plane.data };
    let result = View { size: (width, height), bytes: &mut target };
    resize(resizer, PixelType::U8, source, result, &options)?;
    Ok(target)
}

/// Resamples a raster to `width` by `height`. Colours are weighted by their alpha, so that the colour of a
/// transparent pixel does not show beside it.
pub fn raster(
    resizer: &mut fir::Resizer,
    mut raster: Raster,
    width: u32,
    height: u32,
) -> Result<Raster, Failure> {
    if (raster.width, raster.height) == (width, height) {
        return Ok(raster);
    }
    // Pixels of 8 bits with two channels are rare, and would take the compiler seconds of their own.
    if matches!((raster.model, &raster.samples), (Model::GreyAlpha, Samples::Eight(_))) {
        return Ok(self::raster(resizer, raster.widened(), width, height)?.narrowed());
    }
    let pixels = raster.pixel_type();
    let count = width as usize * height as usize * raster.model.channels();
    let mut samples = match raster.samples {
        Samples::Eight(_) => Samples::Eight(vec![0; count]),
        Samples::Sixteen(_) => Samples::Sixteen(vec![0; count]),
    };
    let source = View { size: (raster.width, raster.height), bytes: raster.samples.bytes_mut() };
    let target = View { size: (width, height), bytes: samples.bytes_mut() };
    let options = options().use_alpha(raster.model != Model::Cmyk);
    resize(resizer, pixels, source, target, &options)?;
    Ok(Raster { width, height, model: raster.model, samples })
}

/// Pixels of some type.
struct View<'a> {
    size: (u32, u32),
    bytes: &'a mut [u8],
}

/// The resizer's code is compiled anew for each type of pixels and for each type of image that holds them, at
/// seconds for each. So there are only the types that a raster has, and one type of image: that of the
/// resizer's own buffers, which is why a source has to be mutable.
fn resize(
    resizer: &mut fir::Resizer,
    pixels: PixelType,
    source: View<'_>,
    target: View<'_>,
    options: &ResizeOptions,
) -> Result<(), Failure> {
    let resize = match pixels {
        PixelType::U8 => resize_typed::<U8>,
        PixelType::U8x3 => resize_typed::<U8x3>,
        PixelType::U8x4 => resize_typed::<U8x4>,
        PixelType::U16 => resize_typed::<U16>,
        PixelType::U16x2 => resize_typed::<U16x2>,
        PixelType::U16x3 => resize_typed::<U16x3>,
        PixelType::U16x4 => resize_typed::<U16x4>,
        other => return Err(Failure::internal(format!("no raster has pixels of {other:?}"))),
    };
    resize(resizer, source, target, options)
}

fn resize_typed<P: PixelTrait>(
    resizer: &mut fir::Resizer,
    source: View<'_>,
    target: View<'_>,
    options: &ResizeOptions,
) -> Result<(), Failure> {
    let image =
        |View { size, bytes }| TypedImage::<P>::from_buffer(size.0, size.1, bytes).map_err(Failure::internal);
    resizer.resize_typed(&image(source)?, &mut image(target)?, options).map_err(Failure::internal)
}

fn options() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
}

/// Turns 8 or 16 bits of sRGB into 16 bits that are proportional to light; alpha stays as it is.
pub fn to_light(raster: Raster) -> Raster {
    let Raster { width, height, model, samples } = raster;
    let decode = |sample: f64| {
        let light = if sample <= 0.040_45 { sample / 12.92 } else { ((sample + 0.055) / 1.055).powf(2.4) };
        (light * 65_535.0).round() as u16
    };
    let samples = match samples {
        Samples::Eight(samples) => {
            let table: Vec<u16> = (0..=255_u16).map(|sample| decode(f64::from(sample) / 255.0)).collect();
            map(model, &samples, |sample| table[usize::from(sample)], |alpha| u16::from(alpha) * 257)
        }
        Samples::Sixteen(samples) => {
            let table: Vec<u16> = (0..=u16::MAX).map(|sample| decode(f64::from(sample) / 65_535.0)).collect();
            map(model, &samples, |sample| table[usize::from(sample)], |alpha| alpha)
        }
    };
    Raster { width, height, model, samples: Samples::Sixteen(samples) }
}

/// The way back from [`to_light`], to 16 bits of sRGB.
pub fn from_light(raster: Raster) -> Raster {
    let Raster { width, height, model, samples } = raster;
    let Samples::Sixteen(samples) = samples else { return Raster { width, height, model, samples } };
    let encode = |light: u16| {
        let light = f64::from(light) / 65_535.0;
        let sample = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        (sample * 65_535.0).round() as u16
    };
    let table: Vec<u16> = (0..=u16::MAX).map(encode).collect();
    let samples = map(model, &samples, |sample| table[usize::from(sample)], |alpha| alpha);
    Raster { width, height, model, samples: Samples::Sixteen(samples) }
}

fn map<T: Copy, U>(model: Model, samples: &[T], colour: impl Fn(T) -> U, alpha: impl Fn(T) -> U) -> Vec<U> {
    let channels = model.channels();
    let last = if model.has_alpha() { channels - 1 } else { channels };
    let numbered = samples.iter().enumerate();
    numbered.map(|(at, &sample)| if at % channels < last { colour(sample) } else { alpha(sample) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_mix_to_half_the_light() {
        let samples = (0..64).flat_map(|at| if at % 2 == 0 { [0; 3] } else { [255; 3] }).collect();
        let stripes = Raster { width: 64, height: 1, model: Model::Rgb, samples: Samples::Eight(samples) };
        let mut resizer = fir::Resizer::new();
        let mixed = raster(&mut resizer, to_light(stripes.clone()), 4, 1).expect("resampled");
        let Samples::Eight(mixed) = from_light(mixed).narrowed().samples else { panic!("8 bits") };
        // Half the light is 188 of 255; half the number is 128.
        assert!(mixed[3..9].iter().all(|&sample| sample.abs_diff(188) <= 1), "{mixed:?}");
        let Samples::Eight(plain) = raster(&mut resizer, stripes, 4, 1).expect("resampled").samples else {
            panic!("8 bits")
        };
        assert!(plain[3..9].iter().all(|&sample| sample.abs_diff(128) <= 1), "{plain:?}");
    }

    #[test]
    fn grey_with_alpha_is_resampled_as_colour_is() {
        let pixel = |at: u32| [(at * 37 % 256) as u8, (at * at % 256) as u8];
        let grey: Vec<u8> = (0..48 * 32).flat_map(pixel).collect();
        let coloured = grey.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
        let small = |model, samples| {
            let raster = Raster { width: 48, height: 32, model, samples: Samples::Eight(samples) };
            let small = super::raster(&mut fir::Resizer::new(), raster, 11, 7).expect("resampled");
            assert_eq!((small.width, small.height, small.model), (11, 7, model));
            let Samples::Eight(samples) = small.samples else { panic!("8 bits") };
            samples
        };
        let colour = small(Model::Rgba, coloured);
        let grey = small(Model::GreyAlpha, grey);
        assert_eq!(grey.len() * 2, colour.len());
        for (grey, colour) in grey.chunks_exact(2).zip(colour.chunks_exact(4)) {
            // Rounding differs: 8 bits of colour are weighted with 8 bits, and those of grey with 16.
            assert!(grey[1].abs_diff(colour[3]) <= 1, "{grey:?} {colour:?}");
            let most = 2 + 255 / u32::from(grey[1].max(1));
            assert!(u32::from(grey[0].abs_diff(colour[0])) <= most, "{grey:?} {colour:?}");
        }
    }

    #[test]
    fn light_and_back_changes_nothing() {
        let samples = (0..=255).flat_map(|sample| [sample, 255 - sample]).collect();
        let raster =
            Raster { width: 256, height: 1, model: Model::GreyAlpha, samples: Samples::Eight(samples) };
        assert_eq!(from_light(to_light(raster.clone())).narrowed(), raster);
    }
}
