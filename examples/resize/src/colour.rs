//! Colours: which space the samples of a picture are in, and the way to sRGB.

use moxcms::{
    Chromaticity, ColorPrimaries, ColorProfile, DataColorSpace, Layout, ToneReprCurve, TransformOptions, XyY,
};

use crate::failure::Failure;
use crate::format::Output;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Colour;

/// What a file says of its colours.
#[derive(Clone, Debug, Default)]
pub enum Profile {
    /// Nothing, or that they are sRGB.
    #[default]
    Srgb,
    /// A profile of the International Color Consortium.
    Icc(Vec<u8>),
    /// Something else that can be written as a profile, and its name.
    Described(Box<ColorProfile>, &'static str),
}

/// Colours as a PNG file describes them without a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chromaticities {
    /// The white point.
    pub white: (f32, f32),
    /// Red, green and blue.
    pub primaries: [(f32, f32); 3],
}

/// Those of sRGB (ITU-R BT.709).
const SRGB: Chromaticities =
    Chromaticities { white: (0.3127, 0.329), primaries: [(0.64, 0.33), (0.3, 0.6), (0.15, 0.06)] };

/// The exponent by which samples become light, for a file that says nothing of it but is sRGB.
const SRGB_GAMMA: f32 = 1.0 / 0.454_55;

impl Profile {
    /// The profile of samples whose exponent is `1 / gamma`, with other primaries than sRGB's if they are
    /// given.
    pub fn described(gamma: Option<f32>, chromaticities: Option<Chromaticities>) -> Profile {
        let exponent = gamma.filter(|gamma| *gamma > 0.0).map(|gamma| 1.0 / gamma);
        let is_srgb_gamma = exponent.is_none_or(|exponent| (exponent - SRGB_GAMMA).abs() < 0.02);
        let near = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).abs() < 0.002 && (a.1 - b.1).abs() < 0.002;
        let is_srgb_space = chromaticities.is_none_or(|c| {
            near(c.white, SRGB.white) && c.primaries.iter().zip(SRGB.primaries).all(|(&a, b)| near(a, b))
        });
        if is_srgb_gamma && is_srgb_space {
            return Profile::Srgb;
        }
        let mut profile = ColorProfile::new_srgb();
        profile.cicp = None;
        if !is_srgb_gamma && let Some(exponent) = exponent {
            let curve = ToneReprCurve::Parametric(vec![exponent]);
            profile.red_trc = Some(curve.clone());
            profile.green_trc = Some(curve.clone());
            profile.blue_trc = Some(curve);
        }
        if !is_srgb_space && let Some(Chromaticities { white, primaries }) = chromaticities {
            let [red, green, blue] = primaries.map(|(x, y)| Chromaticity::new(x, y));
            let white = XyY::new(white.0.into(), white.1.into(), 1.0);
            profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
        }
        Profile::Described(Box::new(profile), "gamma and chromaticities")
    }

    /// Adobe RGB, which cameras announce without a profile.
    pub fn adobe_rgb() -> Profile {
        Profile::Described(Box::new(ColorProfile::new_adobe_rgb()), "Adobe RGB")
    }

    /// Whether there is anything to convert or to keep.
    pub fn is_srgb(&self) -> bool {
        matches!(self, Profile::Srgb)
    }
}

/// A picture for the encoder, and the profile that is written with it.
#[derive(Debug)]
pub struct Finished {
    /// The picture.
    pub raster: Raster,
    /// What describes its colours, if they are not sRGB.
    pub icc: Option<Vec<u8>>,
    /// What the user should know.
    pub warning: Option<String>,
}

/// Whether a profile can be written with a picture of this model in this format.
pub fn can_carry(format: Output, model: Model, profile: &[u8]) -> bool {
    match (format, space_of(profile)) {
        (Output::Jpeg | Output::Png | Output::Webp, Some(Space::Rgb)) => {
            !model.is_grey() && model != Model::Cmyk
        }
        // A WebP file has no grey pixels: they are written as RGB.
        (Output::Jpeg | Output::Png, Some(Space::Grey)) => model.is_grey(),
        _ => false,
    }
}

/// The colour space that the header of a profile names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Grey,
    Rgb,
    Cmyk,
}

fn space_of(profile: &[u8]) -> Option<Space> {
    match profile.get(16..20)? {
        b"GRAY" => Some(Space::Grey),
        b"RGB " => Some(Space::Rgb),
        b"CMYK" => Some(Space::Cmyk),
        _ => None,
    }
}

fn model_space(model: Model) -> Space {
    match model {
        Model::Grey | Model::GreyAlpha => Space::Grey,
        Model::Rgb | Model::Rgba => Space::Rgb,
        Model::Cmyk => Space::Cmyk,
    }
}

/// Keeps the profile, or converts to sRGB where that is asked for or necessary.
pub fn finish(raster: Raster, profile: Profile, format: Output, wish: Colour) -> Finished {
    let plain = |raster: Raster| if raster.model == Model::Cmyk { raster.coloured() } else { raster };
    let left_out = |raster: Raster, why: &str| Finished {
        raster: plain(raster),
        icc: None,
        warning: Some(format!("its colour profile {why} and is left out")),
    };
    let source = match profile {
        Profile::Srgb => return Finished { raster: plain(raster), icc: None, warning: None },
        Profile::Described(profile, _) => *profile,
        Profile::Icc(bytes) => {
            if space_of(&bytes) != Some(model_space(raster.model)) {
                return left_out(raster, "does not fit its pixels");
            }
            if wish == Colour::Keep && can_carry(format, raster.model, &bytes) {
                return Finished { raster, icc: Some(bytes), warning: None };
            }
            match ColorProfile::new_from_slice(&bytes) {
                Ok(profile) => profile,
                Err(error) => return left_out(raster, &format!("is broken ({error})")),
            }
        }
    };
    match to_srgb(&raster, &source) {
        Ok(raster) => Finished { raster, icc: None, warning: None },
        Err(error) => left_out(raster, &format!("cannot be converted ({error})")),
    }
}

/// Converts a picture to sRGB; grey stays grey.
fn to_srgb(raster: &Raster, source: &ColorProfile) -> Result<Raster, Failure> {
    // A profile of gamma and primaries describes grey samples, too.
    let source = match (raster.model.is_grey(), source.color_space) {
        (true, DataColorSpace::Rgb) => &grey_of(source),
        _ => source,
    };
    let (layout, target_layout, model) = match raster.model {
        Model::Grey => (Layout::Gray, Layout::Rgb, Model::Grey),
        Model::GreyAlpha => (Layout::GrayAlpha, Layout::Rgba, Model::GreyAlpha),
        Model::Rgb => (Layout::Rgb, Layout::Rgb, Model::Rgb),
        Model::Rgba => (Layout::Rgba, Layout::Rgba, Model::Rgba),
        Model::Cmyk => (Layout::Rgba, Layout::Rgb, Model::Rgb),
    };
    let pixels = raster.width as usize * raster.height as usize;
    let count = pixels * if target_layout == Layout::Rgb { 3 } else { 4 };
    let target = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    // Always with 16 bits: one transform to compile and to trust, and nothing is rounded twice.
    let transform = source.create_transform_16bit(layout, &target, target_layout, options);
    let mut converted = vec![0; count];
    transform.and_then(|t| t.transform(&raster.samples.wide(), &mut converted)).map_err(Failure::internal)?;
    let samples = Samples::Sixteen(as_model(converted, model));
    let converted = Raster { width: raster.width, height: raster.height, model, samples };
    Ok(match raster.samples {
        Samples::Eight(_) => converted.narrowed(),
        Samples::Sixteen(_) => converted,
    })
}

/// Takes grey out of red, green and blue, which are alike then.
fn as_model<T: Copy>(samples: Vec<T>, model: Model) -> Vec<T> {
    match model {
        Model::Grey => samples.chunks_exact(3).map(|pixel| pixel[1]).collect(),
        Model::GreyAlpha => samples.chunks_exact(4).flat_map(|pixel| [pixel[1], pixel[3]]).collect(),
        _ => samples,
    }
}

fn grey_of(rgb: &ColorProfile) -> ColorProfile {
    let mut grey = ColorProfile::new_gray_with_gamma(1.0);
    grey.gray_trc = rgb.green_trc.clone();
    grey
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(samples: Samples, width: u32) -> Raster {
        Raster { width, height: 1, model: Model::Grey, samples }
    }

    #[test]
    fn linear_samples_become_srgb() {
        let profile = Profile::described(Some(1.0), None);
        let finished =
            finish(grey(Samples::Eight(vec![0, 128, 255]), 3), profile.clone(), Output::Png, Colour::Keep);
        assert_eq!((finished.raster.samples, finished.warning), (Samples::Eight(vec![0, 188, 255]), None));
        let deep = grey(Samples::Sixteen(vec![0x2000]), 1);
        let deep = finish(deep, profile.clone(), Output::Png, Colour::Keep).raster.narrowed();
        assert_eq!(deep.samples, Samples::Eight(vec![99]));
        let rgb = Raster {
            width: 1,
            height: 1,
            model: Model::Rgba,
            samples: Samples::Eight(vec![128, 0, 255, 77]),
        };
        let rgb = finish(rgb, profile, Output::Webp, Colour::Keep).raster;
        assert_eq!(rgb.samples, Samples::Eight(vec![188, 0, 255, 77]));
    }

    #[test]
    fn what_is_srgb_needs_no_profile() {
        assert!(Profile::described(Some(0.45455), Some(SRGB)).is_srgb());
        assert!(Profile::described(None, None).is_srgb());
        assert!(!Profile::described(Some(1.0), None).is_srgb());
        let wide = Chromaticities { primaries: [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], ..SRGB };
        assert!(!Profile::described(None, Some(wide)).is_srgb());
    }

    #[test]
    fn wide_primaries_are_converted() {
        let wide = Chromaticities { primaries: [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], ..SRGB };
        let profile = Profile::described(None, Some(wide));
        let samples = Samples::Eight(vec![200, 100, 50, 128, 128, 128]);
        let raster = Raster { width: 2, height: 1, model: Model::Rgb, samples };
        let Samples::Eight(srgb) = finish(raster, profile, Output::Jpeg, Colour::Keep).raster.samples else {
            panic!("8 bits")
        };
        // Display P3 (200, 100, 50) is about (215, 96, 30) in sRGB; grey stays grey.
        assert!(
            srgb[0].abs_diff(215) <= 3 && srgb[1].abs_diff(96) <= 3 && srgb[2].abs_diff(30) <= 6,
            "{srgb:?}"
        );
        assert!(srgb[3..].iter().all(|&sample| sample.abs_diff(128) <= 1), "{srgb:?}");
    }

    #[test]
    fn profiles_are_kept_where_they_can_be() {
        let profile = ColorProfile::new_adobe_rgb().encode().expect("a profile");
        let raster = |model: Model| Raster {
            width: 1,
            height: 1,
            model,
            samples: Samples::Eight(vec![99; model.channels()]),
        };
        let kept = |model, format, wish| finish(raster(model), Profile::Icc(profile.clone()), format, wish);
        for format in [Output::Jpeg, Output::Png, Output::Webp] {
            assert_eq!(kept(Model::Rgb, format, Colour::Keep).icc.as_deref(), Some(&profile[..]));
            assert_eq!(kept(Model::Rgb, format, Colour::Srgb).icc, None);
        }
        assert_eq!(kept(Model::Rgb, Output::Avif, Colour::Keep).icc, None);
        let misfit = kept(Model::Grey, Output::Png, Colour::Keep);
        assert!(misfit.icc.is_none() && misfit.warning.is_some_and(|text| text.contains("does not fit")));
    }
}
