//! A JPEG decoder for programs that make pictures smaller.
//!
//! It delivers the planes of a picture as they are stored (luma and chroma each at its own size), at 1/1,
//! 1/2, 1/4 or 1/8 of their size. So neither chroma planes are enlarged nor colours converted at the size of
//! the source, and of the coefficients that a smaller size does not show only the lengths are looked at.
//!
//! - Sequential and progressive Huffman coding with 8 bits, one, three or four components, any sampling, any
//!   distribution of the components over scans, restart markers.
//! - [`Image::damage`] says which share of a damaged picture is missing. A file that lacks only its end
//!   marker is whole.
//! - What it does not decode it refuses by name: arithmetic and lossless coding, 12 bits, hierarchical files.
//!
//! Sources: ITU-T T.81 (the format; its annexes are cited as F.2.2.4 and the like); Loeffler, Ligtenberg and
//! Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", 1989 (the inverse transform).
//!
//! ```
//! # fn main() -> Result<(), longshore_jpeg::Error> {
//! # let mut file = Vec::new();
//! # let pixels = [200; 64 * 48 * 3];
//! # let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
//! # encoder.encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
//! use longshore_jpeg::{Header, Scale};
//!
//! let header = Header::read(&file)?;
//! assert_eq!((header.width, header.height), (64, 48));
//! let image = header.decode(&file, Scale::Half)?;
//! assert_eq!((image.planes[0].width, image.planes[0].height), (32, 24));
//! assert!(image.damage.is_none());
//! # Ok(())
//! # }
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bits;
mod blocks;
mod decode;
mod error;
mod header;
mod huffman;
mod idct;
mod markers;
mod optimise;
mod progressive;
mod scale;
mod scan;
mod segments;
mod sequential;
mod vector;

pub use decode::{Damage, Image, Plane};
pub use error::Error;
pub use header::{Colour, Component, Header};
pub use optimise::optimised;
pub use scale::Scale;
pub use segments::{Segment, Segments, icc_profile, picture};
