//! Pictures in as few bits as show them: without alpha that is opaque, without colours that are grey, with a
//! palette.

use std::collections::HashMap;

use crate::raster::{Model, Raster, Samples};

/// The most colours of a palette.
const MOST: usize = 256;

/// How far a palette's colours may be from those of the picture, as the root of the mean square, in levels of
/// 255: where a palette does not hold, the picture is stored without.
const FURTHEST: f64 = 6.0;

/// How thoroughly colours are learnt: one of so many pixels is looked at (NeuQuant's parameter, 1 to 30).
const THOROUGHNESS: i32 = 3;

/// A picture of 8 bits as indices of colours.
#[derive(Debug)]
pub struct Indexed {
    /// Colours with alpha.
    pub palette: Vec<[u8; 4]>,
    /// For each pixel its colour.
    pub indices: Vec<u8>,
}

/// Drops alpha that is opaque everywhere, and colours that are all grey. Nothing is lost.
pub fn reduced(raster: Raster) -> Raster {
    let Raster { width, height, mut model, samples } = raster;
    let samples = match samples {
        Samples::Eight(samples) => Samples::Eight(reduce(samples, &mut model, u8::MAX)),
        Samples::Sixteen(samples) => Samples::Sixteen(reduce(samples, &mut model, u16::MAX)),
    };
    Raster { width, height, model, samples }
}

fn reduce<T: Copy + PartialEq>(samples: Vec<T>, model: &mut Model, most: T) -> Vec<T> {
    let channels = model.channels();
    let is_opaque =
        model.has_alpha() && samples.chunks_exact(channels).all(|pixel| pixel[channels - 1] == most);
    let is_grey = matches!(model, Model::Rgb | Model::Rgba)
        && samples.chunks_exact(channels).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let kept: &[usize] = match (is_grey, is_opaque || !model.has_alpha(), *model) {
        (true, true, _) => &[0],
        (true, false, _) => &[0, 3],
        (false, true, Model::Rgba) => &[0, 1, 2],
        (false, true, Model::GreyAlpha) => &[0],
        _ => return samples,
    };
    *model = match kept.len() {
        1 => Model::Grey,
        2 => Model::GreyAlpha,
        _ => Model::Rgb,
    };
    samples.chunks_exact(channels).flat_map(|pixel| kept.iter().map(|&at| pixel[at])).collect()
}

/// The picture as indices: exactly if it has so few colours, else with the best palette that is found, if it
/// `may_lose` and that is near enough. `None` for grey and for 16 bits.
pub fn indexed(raster: &Raster, may_lose: bool) -> Option<Indexed> {
    let Samples::Eight(samples) = &raster.samples else { return None };
    let pixel: fn(&[u8]) -> [u8; 4] = match raster.model {
        Model::Rgb => |p| [p[0], p[1], p[2], 255],
        // The colour of a pixel that is not seen is of no account.
        Model::Rgba => |p| if p[3] == 0 { [0; 4] } else { [p[0], p[1], p[2], p[3]] },
        _ => return None,
    };
    let pixels = || samples.chunks_exact(raster.model.channels()).map(pixel);
    exact(pixels()).or_else(|| if may_lose { nearest(pixels().collect()) } else { None })
}

fn exact(pixels: impl Iterator<Item = [u8; 4]>) -> Option<Indexed> {
    let mut known: HashMap<[u8; 4], u8> = HashMap::new();
    let mut found = Indexed { palette: Vec::new(), indices: Vec::new() };
    for pixel in pixels {
        let index = match known.get(&pixel) {
            Some(&index) => index,
            None if found.palette.len() == MOST => return None,
            None => {
                let index = found.palette.len() as u8;
                found.palette.push(pixel);
                known.insert(pixel, index);
                index
            }
        };
        found.indices.push(index);
    }
    Some(found)
}

fn nearest(pixels: Vec<[u8; 4]>) -> Option<Indexed> {
    let quantizer = color_quant::NeuQuant::new(THOROUGHNESS, MOST, pixels.as_flattened());
    let palette: Vec<[u8; 4]> =
        quantizer.color_map_rgba().chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect();
    let mut known: HashMap<[u8; 4], u8> = HashMap::new();
    let mut error = 0_u64;
    let mut indices = Vec::with_capacity(pixels.len());
    for pixel in &pixels {
        let index = *known.entry(*pixel).or_insert_with(|| quantizer.index_of(pixel) as u8);
        let colour = palette[usize::from(index)];
        error += pixel.iter().zip(colour).map(|(&a, b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
        indices.push(index);
    }
    let distance = (error as f64 / (3 * pixels.len()) as f64).sqrt();
    (distance <= FURTHEST).then_some(Indexed { palette, indices })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(model: Model, samples: Vec<u8>) -> Raster {
        let width = (samples.len() / model.channels()) as u32;
        Raster { width, height: 1, model, samples: Samples::Eight(samples) }
    }

    #[test]
    fn what_is_not_needed_is_dropped() {
        let cases = [
            (Model::Rgba, vec![5, 5, 5, 255], Model::Grey, vec![5]),
            (Model::Rgba, vec![5, 5, 5, 9], Model::GreyAlpha, vec![5, 9]),
            (Model::Rgba, vec![5, 6, 5, 255], Model::Rgb, vec![5, 6, 5]),
            (Model::Rgba, vec![5, 6, 5, 9], Model::Rgba, vec![5, 6, 5, 9]),
            (Model::GreyAlpha, vec![5, 255], Model::Grey, vec![5]),
            (Model::Rgb, vec![5, 5, 5], Model::Grey, vec![5]),
            (Model::Grey, vec![5], Model::Grey, vec![5]),
        ];
        for (model, samples, wanted, kept) in cases {
            let reduced = reduced(raster(model, samples));
            assert_eq!((reduced.model, reduced.samples), (wanted, Samples::Eight(kept)));
        }
    }

    #[test]
    fn few_colours_are_exact_and_many_are_near_or_refused() {
        let few = raster(Model::Rgb, [[1, 2, 3], [4, 5, 6], [1, 2, 3]].concat());
        let found = indexed(&few, false).expect("two colours");
        assert_eq!((found.palette, found.indices), (vec![[1, 2, 3, 255], [4, 5, 6, 255]], vec![0, 1, 0]));
        let ramp: Vec<u8> =
            (0..600_u32).flat_map(|at| [(at * 255 / 600) as u8, 255, (at % 3) as u8]).collect();
        assert!(indexed(&raster(Model::Rgb, ramp.clone()), false).is_none());
        assert!(indexed(&raster(Model::Rgb, ramp), true).is_some());
        let mut random = 1_u32;
        let noise = (0..30_000).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        });
        let noise = noise.collect();
        assert!(indexed(&raster(Model::Rgb, noise), true).is_none());
    }
}
