//! What is to be made of an image: one value that can be stored, sent and carried out anywhere.

use serde::{Deserialize, Serialize};

use crate::format::Output;
use crate::geometry::Geometry;

/// What is to be made of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The size of the output.
    pub size: Geometry,
    /// Whether a side may grow.
    pub enlarge: bool,
    /// The format of the output.
    pub format: Output,
    /// The quality of lossy formats, 1 to 100.
    pub quality: u8,
    /// Whether JPEG files are written in several scans.
    pub progressive: bool,
    /// Which kind of WebP is written.
    pub webp: Webp,
    /// Whether the orientation that a camera has noted is applied.
    pub rotate: bool,
    /// What becomes of colour profiles.
    pub colour: Colour,
    /// What becomes of other metadata.
    pub metadata: Metadata,
    /// Whether pixels are averaged as amounts of light.
    pub linear: bool,
    /// What becomes of an image that has its size already.
    pub fitting: Fitting,
    /// What becomes of a damaged image.
    pub damage: Damage,
    /// What becomes of animations.
    pub animation: Animation,
    /// What an image may take.
    pub limits: Limits,
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            size: Geometry::default(),
            enlarge: false,
            format: Output::Jpeg,
            quality: 82,
            progressive: false,
            webp: Webp::Auto,
            rotate: true,
            colour: Colour::Keep,
            metadata: Metadata::Basic,
            linear: false,
            fitting: Fitting::Keep,
            damage: Damage::Fail,
            animation: Animation::Keep,
            limits: Limits::default(),
        }
    }
}

/// Which kind of WebP is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Webp {
    /// Lossy if the source is, else lossless
    Auto,
    /// Lossy
    Lossy,
    /// Lossless
    Lossless,
}

/// What becomes of colour profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Profiles are kept where the output can carry them, else the colours are converted to sRGB
    Keep,
    /// All colours are converted to sRGB
    Srgb,
}

/// What becomes of metadata other than colour profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// All of EXIF and XMP, but for the embedded preview
    All,
    /// Author, rights, description, time and camera; no location, no serial numbers
    Basic,
    /// Nothing
    None,
}

/// What becomes of an image that has its size and format already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fitting {
    /// Its pixels are kept as they are encoded
    Keep,
    /// It is encoded anew
    Recode,
}

/// What becomes of an image of which a part is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Damage {
    /// It fails
    Fail,
    /// What there is of it is resized, with a warning
    Warn,
}

/// What becomes of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Animation {
    /// WebP output is animated, other formats refuse it
    Keep,
    /// The first frame alone is resized
    First,
}

/// What an image may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Pixels of a source, over all frames, and of an output.
    pub pixels: u64,
    /// Bytes of memory that the work on it takes.
    pub memory: u64,
    /// Bytes of a colour profile.
    pub profile: u64,
    /// Bytes of a source's file.
    pub file: u64,
}

/// The largest side of an output: what a JPEG file can express, and more than the others can.
pub const MOST_SIDE: u32 = 65_535;

impl Default for Limits {
    fn default() -> Limits {
        Limits { pixels: 500_000_000, memory: 4 << 30, profile: 4 << 20, file: 2 << 30 }
    }
}
