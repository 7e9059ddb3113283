//! One image, in memory: the bytes of a file in, the bytes of a file out.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Cursor;

use fast_image_resize::Resizer;
use longshore_jpeg::{Plane, Scale};

use crate::codec::{self, Frames, Header, Picture};
use crate::colour::{self, Profile};
use crate::encode::{self, Animation, Extras, Upright};
use crate::failure::Failure;
use crate::format::{Input, Output};
use crate::metadata::{self, Metadata, container};
use crate::orientation::Orientation;
use crate::raster::{Model, Pixels, Raster, Samples, rgb_of};
use crate::recipe::{self, Colour, Damage, Fitting, Recipe, Webp};
use crate::resample;

/// A worker keeps its buffers for the next image up to this size, because mapping and clearing fresh pages
/// for every photograph costs time. One huge image must not occupy memory for the rest of the batch.
const MOST_KEPT: usize = 32 << 20;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// What a worker uses again for its next image.
#[derive(Default)]
struct Scratch {
    planes: Vec<Vec<u8>>,
    resizer: Resizer,
}

/// A finished output.
#[derive(Debug)]
pub struct Made<'a> {
    /// The bytes of its file.
    pub bytes: Cow<'a, [u8]>,
    /// Width and height of the source as a viewer shows it.
    pub from: (u32, u32),
    /// Width and height of the output.
    pub to: (u32, u32),
    /// Whether the pixels are those of the source, as they were encoded.
    pub is_kept: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Makes of the file `bytes` what the recipe says.
///
/// # Errors
/// If the source cannot be decoded, or the output not be expressed.
pub fn transform<'a>(bytes: &'a [u8], recipe: &Recipe) -> Result<Made<'a>, Failure> {
    let header = codec::header(&mut Cursor::new(bytes), &recipe.limits)?;
    let sizes = Sizes::of(&header, recipe)?;
    // Taken out of its place, not borrowed: a codec that panics leaves a fresh one behind.
    let mut scratch = SCRATCH.take();
    let made = Work { bytes, header: &header, recipe, sizes, scratch: &mut scratch }.make();
    scratch.shrink();
    SCRATCH.set(scratch);
    made
}

/// Frees what this thread keeps for its next image.
pub fn forget() {
    SCRATCH.take();
}

impl Scratch {
    fn shrink(&mut self) {
        let mut kept = 0;
        self.planes.retain(|plane| {
            kept += plane.capacity();
            kept <= MOST_KEPT
        });
        // No more than one image has.
        self.planes.truncate(4);
        if self.resizer.size_of_internal_buffers() > MOST_KEPT {
            self.resizer.reset_internal_buffers();
        }
    }
}

/// The sizes of an image on its way.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// How the pixels are turned.
    pub orientation: Orientation,
    /// Of the source, upright.
    pub from: (u32, u32),
    /// Of the output, upright.
    pub to: (u32, u32),
    /// Of the output as the source is stored.
    pub stored: (u32, u32),
}

impl Sizes {
    /// What the recipe makes of a source.
    ///
    /// # Errors
    /// If the output would be too large, or the source has several pictures of which the output can have only
    /// one.
    pub fn of(header: &Header, recipe: &Recipe) -> Result<Sizes, Failure> {
        let orientation = if recipe.rotate { header.orientation } else { Orientation::UPRIGHT };
        let from = orientation.upright(header.size);
        let to = recipe.size.target(from.0, from.1, recipe.enlarge);
        encode::check_size(recipe.format, to, recipe.limits.pixels)?;
        let is_kept = matches!(header.format, Input::Webp | Input::Gif | Input::Jxl);
        match (header.frames, recipe.animation) {
            (Frames::Animated, recipe::Animation::Keep) if !is_kept || recipe.format != Output::Webp => {
                let name = header.format.name();
                let way = if is_kept { "`--format webp` keeps all of it, " } else { "" };
                let text = format!(
                    "this {name} file is an animation; {way}`--animation first` takes its first frame"
                );
                return Err(Failure::unsupported(text));
            }
            (Frames::Pages, recipe::Animation::Keep) => {
                let text = "this TIFF file has several pages; `--animation first` takes the first";
                return Err(Failure::unsupported(text));
            }
            _ => {}
        }
        Ok(Sizes { orientation, from, to, stored: orientation.upright(to) })
    }
}

/// The work on one image.
struct Work<'a, 'w> {
    bytes: &'a [u8],
    header: &'w Header,
    recipe: &'w Recipe,
    sizes: Sizes,
    scratch: &'w mut Scratch,
}

impl<'a> Work<'a, '_> {
    fn make(mut self) -> Result<Made<'a>, Failure> {
        if let Some(made) = self.keep()? {
            return Ok(made);
        }
        let is_animated =
            self.header.frames == Frames::Animated && self.recipe.animation == recipe::Animation::Keep;
        let scale = self.header.scale_for(self.sizes.stored, self.recipe);
        let mut picture = self.decode(scale)?;
        let mut warnings = std::mem::take(&mut picture.warnings);
        if let Some(damage) = &picture.damage {
            match self.recipe.damage {
                Damage::Fail => {
                    let text = format!("the file is damaged: {damage}; `--damage warn` takes what there is");
                    return Err(Failure::damaged(text));
                }
                Damage::Warn => warnings.push(format!("the file is damaged: {damage}")),
            }
        }
        let mut extras = Extras {
            icc: None,
            metadata: Metadata::of(&picture, self.recipe.metadata, self.recipe.rotate),
            had_palette: picture.has_palette,
            was_lossy: self.header.is_lossy,
        };
        let bytes = if is_animated {
            self.animate(&picture.profile, &mut extras, &mut warnings)?
        } else {
            self.encode(picture, &mut extras, &mut warnings)?
        };
        let (from, to) = (self.sizes.from, self.sizes.to);
        Ok(Made { bytes: bytes.into(), from, to, is_kept: false, warnings })
    }

    fn decode(&mut self, scale: Scale) -> Result<Picture, Failure> {
        codec::decode(self.bytes, self.header, scale, &self.recipe.limits, &mut self.scratch.planes)
    }

    /// The source itself, if it has its size already: encoding it anew would only lose quality. Its metadata
    /// is that of every output all the same, and a damaged one is not kept.
    fn keep(&mut self) -> Result<Option<Made<'a>>, Failure> {
        let recipe = self.recipe;
        let has_format = matches!(
            (self.header.format, recipe.format),
            (Input::Jpeg, Output::Jpeg) | (Input::Png, Output::Png) | (Input::Webp, Output::Webp)
        );
        let has_kind = match recipe.webp {
            Webp::Auto => true,
            Webp::Lossy => self.header.is_lossy,
            Webp::Lossless => !self.header.is_lossy,
        };
        let is_candidate = recipe.fitting == Fitting::Keep
            && recipe.colour == Colour::Keep
            && self.sizes.from == self.sizes.to
            && (self.sizes.orientation == Orientation::UPRIGHT)
            && self.header.model != Model::Cmyk
            && has_format
            && (has_kind || recipe.format != Output::Webp);
        if !is_candidate {
            return Ok(None);
        }
        // Nothing of the pixels is shown: what counts is whether they are all there.
        let picture = self.decode(Scale::Eighth)?;
        let keeps_all = recipe.metadata == recipe::Metadata::All;
        let says_all = match picture.profile {
            Profile::Srgb | Profile::Icc(_) => true,
            // Chunks of colours stay in a PNG file; what EXIF data says of them does not.
            Profile::Described(..) => self.header.format == Input::Png || keeps_all,
        };
        if picture.damage.is_some() || !says_all {
            return Ok(None);
        }
        let bytes = if keeps_all {
            Some(Cow::Borrowed(self.bytes))
        } else {
            let (exif, xmp) = (picture.exif.as_deref(), picture.xmp.as_deref());
            let metadata = metadata::select(exif, xmp, recipe.metadata, recipe.rotate);
            container::with_metadata(self.header.format, self.bytes, &metadata, false).map(Cow::Owned)
        };
        let warnings = if keeps_all { Vec::new() } else { picture.warnings };
        if let Pixels::Planes(planes) = picture.pixels {
            self.scratch.planes.extend(planes.map(|plane| plane.data));
        }
        let (from, to) = (self.sizes.from, self.sizes.to);
        Ok(bytes.map(|bytes| Made { bytes, from, to, is_kept: true, warnings }))
    }

    fn encode(
        &mut self,
        picture: Picture,
        extras: &mut Extras,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<u8>, Failure> {
        let Picture { pixels, profile, .. } = picture;
        let raster = match pixels {
            Pixels::Planes(planes) if self.recipe.linear => {
                let luma = (planes[0].width as u32, planes[0].height as u32);
                let full = self.resized_planes(planes, luma)?;
                self.resized(rgb_raster(&full, luma))?
            }
            Pixels::Planes(planes) => {
                let upright = self.resized_planes(planes, self.sizes.stored)?;
                if self.recipe.format == Output::Jpeg && self.keeps_colours(&profile) {
                    if let Profile::Icc(icc) = profile {
                        extras.icc = Some(icc);
                    }
                    let (width, height) = self.sizes.to;
                    let turned = |plane: Vec<u8>| match self.sizes.orientation {
                        Orientation::UPRIGHT => plane,
                        orientation => orientation.turn_samples(&plane, self.sizes.stored, 1),
                    };
                    let planes = Upright { width, height, planes: upright.map(turned) };
                    return encode::encode_planes(&planes, extras, self.recipe);
                }
                rgb_raster(&upright, self.sizes.stored)
            }
            Pixels::Raster(raster) => self.resized(raster)?,
        };
        let finished = colour::finish(raster, profile, self.recipe.format, self.recipe.colour);
        extras.icc = finished.icc;
        warnings.extend(finished.warning);
        encode::encode(self.sizes.orientation.turn(finished.raster), extras, self.recipe)
    }

    /// Whether luma and chroma can be written as they are.
    fn keeps_colours(&self, profile: &Profile) -> bool {
        match profile {
            Profile::Srgb => true,
            Profile::Icc(icc) => {
                self.recipe.colour == Colour::Keep && colour::can_carry(Output::Jpeg, Model::Rgb, icc)
            }
            Profile::Described(..) => false,
        }
    }

    fn resized_planes(
        &mut self,
        mut planes: [Plane; 3],
        (width, height): (u32, u32),
    ) -> Result<[Vec<u8>; 3], Failure> {
        let mut resized = [const { Vec::new() }; 3];
        for (resized, plane) in resized.iter_mut().zip(&mut planes) {
            *resized = resample::plane(&mut self.scratch.resizer, plane, width, height)?;
        }
        self.scratch.planes.extend(planes.map(|plane| plane.data));
        Ok(resized)
    }

    fn resized(&mut self, raster: Raster) -> Result<Raster, Failure> {
        let (width, height) = self.sizes.stored;
        if (raster.width, raster.height) == (width, height) {
            return Ok(raster);
        }
        let resizer = &mut self.scratch.resizer;
        if !self.recipe.linear || raster.model == Model::Cmyk {
            return resample::raster(resizer, raster, width, height);
        }
        let is_narrow = matches!(raster.samples, Samples::Eight(_));
        let light = resample::to_light(raster);
        let resized = resample::from_light(resample::raster(resizer, light, width, height)?);
        Ok(if is_narrow { resized.narrowed() } else { resized })
    }

    /// Encodes all frames of an animation.
    fn animate(
        &mut self,
        profile: &Profile,
        extras: &mut Extras,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<u8>, Failure> {
        let mut animation = Animation::new(self.sizes.to);
        let (bytes, header, recipe) = (self.bytes, self.header, self.recipe);
        let mut pixels = 0;
        let repeat = codec::frames(bytes, header, &recipe.limits, &mut |frame| {
            pixels += u64::from(frame.raster.width) * u64::from(frame.raster.height);
            if pixels > recipe.limits.pixels {
                let text = format!(
                    "the frames have more than the {} megapixels that --max-pixels allows",
                    codec::megapixels(recipe.limits.pixels)
                );
                return Err(Failure::new(crate::failure::Kind::TooLarge, text));
            }
            let raster = self.resized(frame.raster)?;
            let finished = colour::finish(raster, profile.clone(), recipe.format, recipe.colour);
            extras.icc = finished.icc;
            if warnings.is_empty() {
                warnings.extend(finished.warning);
            }
            let raster = self.sizes.orientation.turn(finished.raster.coloured());
            animation.add(raster, frame.milliseconds, recipe, header.is_lossy)
        })?;
        animation.finish(repeat, extras, recipe)
    }
}

fn rgb_raster(planes: &[Vec<u8>; 3], (width, height): (u32, u32)) -> Raster {
    let samples = Samples::Eight(rgb_of(&planes[0], &planes[1], &planes[2]));
    Raster { width, height, model: Model::Rgb, samples }
}
