//! Makes pictures smaller, and right: what the program `resize` does with one image, as a library.
//!
//! - [`Job`] is one image: source, output and [`Recipe`]. It can be serialized, and [`job::run`] carries it
//!   out wherever the files are.
//! - [`transform`](transform::transform) is the same in memory: the bytes of a file in, the bytes of a file
//!   out.
//! - [`codec::header`] and [`weight::need`] tell what a job takes before it begins.
//!
//! ```
//! use longshore_resize::{Output, Recipe, transform::transform};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut photograph = Vec::new();
//! # let pixels = [200; 64 * 48 * 3];
//! # let encoder = jpeg_encoder::Encoder::new(&mut photograph, 90);
//! # encoder.encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb)?;
//! let recipe = Recipe { size: "32x32".parse()?, format: Output::Jpeg, ..Recipe::default() };
//! let made = transform(&photograph, &recipe)?;
//! assert_eq!((made.from, made.to), ((64, 48), (32, 24)));
//! # Ok(())
//! # }
//! ```

pub mod codec;
pub mod colour;
pub mod encode;
pub mod failure;
pub mod format;
pub mod geometry;
pub mod job;
pub mod metadata;
pub mod orientation;
pub mod raster;
pub mod recipe;
pub mod resample;
pub mod transform;
pub mod weight;
pub mod whole;

pub use failure::Failure;
pub use format::{Input, Output};
pub use geometry::Geometry;
pub use job::{Done, Job};
pub use recipe::Recipe;
