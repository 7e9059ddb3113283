//! Programs that use rayon, each on real input. Prints a line for each, with a digest of its result, which is the
//! same on rayon-core and on the drop-in.
//!
//! `programs DIRECTORY` takes a directory of photographs.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat};
use rayon::prelude::*;

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("a directory of photographs"));
    let files = walk(&directory);
    let photo = files.iter().find(|file| file.extension().is_some_and(|e| e == "jpg")).expect("a photograph");
    let photo = image::open(photo).expect("decodes");
    let small = photo.thumbnail(160, 120);
    let bytes: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("readable")).collect();

    show("jwalk", files.iter().flat_map(|file| file.file_name().expect("named").as_encoded_bytes().to_vec()));
    show(
        "blake3",
        bytes.iter().flat_map(|file| blake3::Hasher::new().update_rayon(file).finalize().as_bytes().to_vec()),
    );
    show(
        "image, OpenEXR",
        pixels(&written(&DynamicImage::ImageRgb32F(photo.to_rgb32f()), ImageFormat::OpenExr)),
    );
    show("image, AVIF", written(&photo.thumbnail(64, 48), ImageFormat::Avif));
    show("exr", exr_there_and_back(&small));
    show("fast_image_resize", resized(&photo));
    show("oxipng", optimised(&small));
    show("ndarray", product(&small));
    show("indexmap", sizes(&files));
    show("rayon, iterators", iterators(&bytes.concat()));
}

/// Prints the name of a program and the digest of its result.
fn show(name: &str, result: impl IntoIterator<Item = u8>) {
    let result: Vec<u8> = result.into_iter().collect();
    println!("{name}: {} bytes, {}", result.len(), blake3::hash(&result).to_hex());
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = jwalk::WalkDir::new(directory).sort(true).into_iter();
    entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file()).collect()
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).expect("encodes");
    bytes
}

/// The pixels of an OpenEXR file. Its blocks come in the order in which threads have compressed them, so the bytes of
/// the file differ from run to run, also on rayon-core.
fn pixels(file: &[u8]) -> Vec<u8> {
    image::load_from_memory_with_format(file, ImageFormat::OpenExr).expect("decodes").into_bytes()
}

fn exr_there_and_back(image: &DynamicImage) -> Vec<u8> {
    use exr::prelude::*;
    let pixels = image.to_rgb32f();
    let size = (pixels.width() as usize, pixels.height() as usize);
    let channels = SpecificChannels::rgb(|at: Vec2<usize>| {
        let [r, g, b] = pixels.get_pixel(at.x() as u32, at.y() as u32).0;
        (r, g, b)
    });
    let layer = Layer::new(size, LayerAttributes::named("photo"), Encoding::SMALL_LOSSLESS, channels);
    let mut bytes = Vec::new();
    Image::from_layer(layer).write().to_buffered(Cursor::new(&mut bytes)).expect("encodes");
    let image = read().no_deep_data().largest_resolution_level().all_channels().first_valid_layer();
    let image = image.all_attributes().from_buffered(Cursor::new(&bytes)).expect("decodes");
    assert_eq!(image.layer_data.size, Vec2(size.0, size.1));
    self::pixels(&bytes)
}

fn resized(image: &DynamicImage) -> Vec<u8> {
    use fast_image_resize::{PixelType, Resizer, images::Image};
    let pixels = image.to_rgb8();
    let source = Image::from_vec_u8(pixels.width(), pixels.height(), pixels.into_raw(), PixelType::U8x3);
    let mut target = Image::new(1000, 700, PixelType::U8x3);
    Resizer::new().resize(&source.expect("whole rows"), &mut target, None).expect("resizes");
    target.into_vec()
}

fn optimised(image: &DynamicImage) -> Vec<u8> {
    let png = written(image, ImageFormat::Png);
    oxipng::optimize_from_memory(&png, &oxipng::Options::from_preset(3)).expect("optimises")
}

fn product(image: &DynamicImage) -> Vec<u8> {
    use ndarray::{Array2, Axis, Zip};
    let pixels = image.to_luma8();
    let size = (pixels.height() as usize, pixels.width() as usize);
    let grey = Array2::from_shape_vec(size, pixels.into_raw()).expect("whole rows").mapv(u64::from);
    let mut sums = Array2::zeros((size.0, size.0));
    Zip::indexed(&mut sums).par_for_each(|(i, j), sum| *sum = grey.row(i).dot(&grey.row(j)));
    sums.par_mapv_inplace(|sum| sum / 3);
    let rows = sums.axis_iter(Axis(0)).into_par_iter().map(|row| row.sum()).collect::<Vec<u64>>();
    rows.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn sizes(files: &[PathBuf]) -> Vec<u8> {
    let entry = |file: &PathBuf| {
        (file.file_name().expect("named").to_owned(), file.metadata().expect("readable").len())
    };
    let mut sizes: indexmap::IndexMap<_, _> = files.par_iter().map(entry).collect();
    sizes.par_values_mut().for_each(|size| *size *= 2);
    sizes.par_sort_by(|_, a, _, b| a.cmp(b));
    sizes
        .into_par_iter()
        .flat_map_iter(|(name, size)| [name.into_encoded_bytes(), size.to_le_bytes().to_vec()].concat())
        .collect()
}

fn iterators(bytes: &[u8]) -> Vec<u8> {
    let counts: BTreeMap<u8, usize> = bytes
        .par_chunks(4096)
        .fold(BTreeMap::new, |mut counts, chunk| {
            chunk.iter().for_each(|byte| *counts.entry(*byte).or_default() += 1);
            counts
        })
        .reduce(BTreeMap::new, |mut left, right| {
            right.into_iter().for_each(|(byte, count)| *left.entry(byte).or_default() += count);
            left
        });
    let mut words: Vec<u64> =
        bytes.par_chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().expect("8"))).collect();
    words.par_sort_unstable();
    let bridged: u64 = counts.iter().par_bridge().map(|(byte, count)| u64::from(*byte) * *count as u64).sum();
    let nested: u64 =
        (0..64u64).into_par_iter().map(|i| (0..i).into_par_iter().map(|j| i * j).sum::<u64>()).sum();
    let kept: Vec<u64> = words.into_par_iter().filter(|word| word % 3 == 0).collect();
    kept.into_iter().chain([bridged, nested]).flat_map(u64::to_le_bytes).collect()
}
