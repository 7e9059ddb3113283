//! Files of other encoders, compared with another decoder; damaged ones; what is refused.

use longshore_jpeg::{Colour, Error, Header, Image, Plane, Scale};

macro_rules! file {
    ($name:literal) => {
        &include_bytes!(concat!("data/", $name, ".jpg"))[..]
    };
}

fn decode(data: &[u8], scale: Scale) -> Image {
    Header::read(data).expect("a header").decode(data, scale).expect("a picture")
}

/// The rows of a plane that belong to the picture.
fn rows(plane: &Plane) -> Vec<u8> {
    let rows = plane.data.chunks_exact(plane.stride).take(plane.height);
    rows.flat_map(|row| &row[..plane.width]).copied().collect()
}

/// How far apart samples are at most.
fn distance(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// The same picture by `jpeg-decoder`.
fn other(data: &[u8]) -> Vec<u8> {
    jpeg_decoder::Decoder::new(data).decode().expect("a picture")
}

/// The same coefficients in another order, with other codes, are the same picture, sample by sample.
#[test]
fn any_distribution_over_scans_is_the_same_picture() {
    for scale in Scale::ALL {
        let base = decode(file!("base"), scale);
        assert!(base.damage.is_none());
        for (name, data) in [
            ("three-scans", file!("three-scans")),
            ("y-cbcr", file!("y-cbcr")),
            ("ycb-cr", file!("ycb-cr")),
            ("crcb-y", file!("crcb-y")),
            ("progressive", file!("progressive")),
            ("restarts", file!("restarts")),
        ] {
            let image = decode(data, scale);
            assert_eq!(image.damage, None, "{name}");
            for (plane, same) in image.planes.iter().zip(&base.planes) {
                assert!(rows(plane) == rows(same), "{name} at {scale:?}");
            }
        }
    }
}

#[test]
fn samples_are_those_of_another_decoder() {
    let grey = decode(file!("grey"), Scale::Full);
    assert!(distance(&rows(&grey.planes[0]), &other(file!("grey"))) <= 1);
    let rgb = decode(file!("rgb"), Scale::Full);
    let planes: Vec<_> = rgb.planes.iter().map(rows).collect();
    let mixed: Vec<u8> =
        (0..planes[0].len()).flat_map(|at| [planes[0][at], planes[1][at], planes[2][at]]).collect();
    assert!(distance(&mixed, &other(file!("rgb"))) <= 1);
    assert_eq!(Header::read(file!("rgb")).expect("a header").colour, Colour::Rgb);
    let cmyk = decode(file!("cmyk"), Scale::Full);
    let planes: Vec<_> = cmyk.planes.iter().map(rows).collect();
    let mixed: Vec<u8> =
        (0..planes[0].len()).flat_map(|at| planes.iter().map(move |plane| 255 - plane[at])).collect();
    assert!(distance(&mixed, &other(file!("cmyk"))) <= 1);
    assert_eq!(Header::read(file!("cmyk")).expect("a header").colour, Colour::Cmyk);
}

/// Luma does not depend on how chroma is sampled: it is read back from the other decoder's colours.
#[test]
fn any_sampling_is_decoded() {
    let samplings = [
        (file!("base"), [(93, 61), (47, 31)]),
        (file!("sample-2x1"), [(93, 61), (47, 61)]),
        (file!("sample-1x2"), [(93, 61), (93, 31)]),
        (file!("sample-1x1"), [(93, 61), (93, 61)]),
        (file!("sample-4x1"), [(93, 61), (24, 61)]),
    ];
    for (data, sizes) in samplings {
        let image = decode(data, Scale::Full);
        for (plane, size) in image.planes.iter().zip([sizes[0], sizes[1], sizes[1]]) {
            assert_eq!((plane.width, plane.height), size);
        }
        let rgb = other(data);
        let luma: Vec<u8> = rgb
            .chunks_exact(3)
            .map(|p| {
                (0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2])).round() as u8
            })
            .collect();
        // Where a colour is cut off at 0 or 255 its luma cannot be read back.
        let is_cut = |at: usize| rgb[3 * at..3 * at + 3].iter().any(|&sample| sample == 0 || sample == 255);
        let own = rows(&image.planes[0]);
        let far =
            own.iter().zip(&luma).enumerate().filter(|(at, (a, b))| !is_cut(*at) && a.abs_diff(**b) > 2);
        assert_eq!(far.count(), 0);
    }
}

/// A smaller scale is the mean of what it stands for.
#[test]
fn smaller_scales_show_the_same_picture() {
    let full = decode(file!("grey"), Scale::Full);
    for (scale, size) in [(Scale::Half, (47, 31)), (Scale::Quarter, (24, 16)), (Scale::Eighth, (12, 8))] {
        let image = decode(file!("grey"), scale);
        let plane = &image.planes[0];
        assert_eq!((plane.width, plane.height), size);
        let side = scale.divisor() as usize;
        assert_eq!(plane.extent, (93.0 / side as f64, 61.0 / side as f64));
        let mean = |x: usize, y: usize| {
            let places = (0..side * side).map(|at| (x * side + at % side, y * side + at / side));
            places.map(|(x, y)| u32::from(full.planes[0].data[y * full.planes[0].stride + x])).sum::<u32>()
                as f64
                / (side * side) as f64
        };
        let mut error = 0.0;
        for (x, y) in (0..93 / side).flat_map(|x| (0..61 / side).map(move |y| (x, y))) {
            error += (mean(x, y) - f64::from(plane.data[y * plane.stride + x])).powi(2);
        }
        let error = (error / ((93 / side) * (61 / side)) as f64).sqrt();
        assert!(error < 3.0, "{scale:?}: {error}");
    }
}

#[test]
fn what_is_missing_is_told() {
    let data = file!("base");
    let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    // The end marker, or something else in its place.
    for end in [&[][..], b"trailer", &[0, 0], &[0xff]] {
        let whole = [&data[..data.len() - 2], end].concat();
        assert_eq!(decode(&whole, Scale::Full).damage, None, "{end:?}");
    }
    for (share, end) in [(0.5, &[][..]), (0.5, &[0xff, 0xd9]), (0.2, &[0xff, 0xd9]), (0.9, b"\0\0")] {
        let kept = scan + 14 + ((data.len() - scan - 14) as f64 * share) as usize;
        let cut = [&data[..kept], end].concat();
        let damage = decode(&cut, Scale::Full).damage.expect("damage");
        assert!((damage.missing - (1.0 - share)).abs() < 0.15, "{share}: {damage}");
        assert_eq!(decode(&cut, Scale::Eighth).damage, Some(damage), "at any scale");
    }
    let progressive = file!("progressive");
    let last = progressive.windows(2).rposition(|pair| pair == [0xff, 0xda]).expect("a scan");
    assert!(decode(&progressive[..last], Scale::Full).damage.expect("damage").lacks_scans);
    let half = decode(&progressive[..progressive.len() / 2], Scale::Full).damage;
    assert!(half.expect("damage").missing > 0.05);
    assert_eq!(decode(&progressive[..progressive.len() - 2], Scale::Full).damage, None);
}

/// With restart markers only the interval is lost in which something is wrong.
#[test]
fn restart_markers_limit_damage() {
    let mut data = file!("restarts").to_vec();
    let restarts: Vec<usize> =
        (0..data.len() - 1).filter(|&at| data[at] == 0xff && (0xd0..=0xd7).contains(&data[at + 1])).collect();
    assert!(restarts.len() > 8);
    data[restarts[3] + 2..restarts[4]].fill(0x55);
    let whole = decode(file!("restarts"), Scale::Full);
    let hurt = decode(&data, Scale::Full);
    let differ = rows(&hurt.planes[0]).iter().zip(rows(&whole.planes[0])).filter(|(a, b)| *a != b).count();
    assert!(differ > 0 && differ < 93 * 61 / 5, "{differ}");
    // An interval that is left out is missing, and those after it are in their places.
    let mut data = file!("restarts").to_vec();
    data.drain(restarts[3]..restarts[4]);
    let hurt = decode(&data, Scale::Full);
    let damage = hurt.damage.expect("damage");
    assert!(damage.missing > 0.0 && damage.missing < 0.2, "{damage}");
    let last = rows(&hurt.planes[0]).len() - 93 * 10;
    assert!(rows(&hurt.planes[0])[last..] == rows(&whole.planes[0])[last..]);
}

#[test]
fn what_is_not_decoded_is_named() {
    let refusal = |data: &[u8]| Header::read(data).expect_err("it is refused").to_string();
    assert!(refusal(file!("arithmetic")).contains("arithmetic coding"));
    let patched = |offset: usize, byte: u8| {
        let mut data = file!("base").to_vec();
        let frame = data.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
        data[frame + offset] = byte;
        data
    };
    for (marker, name) in [(0xc3, "lossless"), (0xc5, "hierarchical"), (0xc9, "arithmetic")] {
        assert!(refusal(&patched(1, marker)).contains(name));
    }
    assert!(refusal(&patched(4, 12)).contains("12 bits"));
    assert!(refusal(&patched(9, 2)).contains("2 components"));
    let mut flat = patched(5, 0);
    let frame = flat.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
    flat[frame + 6] = 0;
    assert!(refusal(&flat).contains("number of lines"));
    assert_eq!(Header::read(b"\x89PNG"), Err(Error::NotJpeg));
    assert_eq!(Header::read(&file!("base")[..100]), Err(Error::CutShort));
    assert_eq!(Header::read(b""), Err(Error::CutShort));
}

/// Codes made to measure: the same samples in fewer bytes, in one scan.
#[test]
fn optimised_files_are_smaller_and_the_same() {
    for data in [file!("base"), file!("sample-2x1"), file!("sample-1x1"), file!("grey"), file!("rgb")] {
        let optimised = longshore_jpeg::optimised(data).expect("a file").expect("one scan");
        assert!(optimised.len() < data.len(), "{} {}", optimised.len(), data.len());
        for (a, b) in decode(&optimised, Scale::Full).planes.iter().zip(decode(data, Scale::Full).planes) {
            assert!(rows(a) == rows(&b));
        }
        assert_eq!(optimised.windows(2).filter(|pair| pair == &[0xff, 0xda]).count(), 1);
        assert!(distance(&other(&optimised), &other(data)) == 0);
    }
    for data in [file!("three-scans"), file!("progressive"), file!("restarts")] {
        assert_eq!(longshore_jpeg::optimised(data).expect("a file"), None);
    }
}

/// A picture without its metadata decodes to the same samples.
#[test]
fn a_picture_can_be_taken_out_of_its_file() {
    for data in [file!("base"), file!("progressive"), file!("restarts"), file!("three-scans")] {
        let picture = longshore_jpeg::picture(data).expect("a whole file");
        let file = [&[0xff, 0xd8][..], &picture].concat();
        assert!(file.len() < data.len());
        assert!(rows(&decode(&file, Scale::Full).planes[1]) == rows(&decode(data, Scale::Full).planes[1]));
        let with_trailer = [data, b"another file"].concat();
        assert_eq!(longshore_jpeg::picture(&with_trailer), Some(picture));
    }
    assert_eq!(longshore_jpeg::picture(b"\xff\xd8\xff\xd9"), None);
}

/// Red, green and blue, or grey, of a picture whose components have one size.
fn interleaved(image: &Image, colour: Colour) -> Vec<u8> {
    let planes: Vec<_> = image.planes.iter().map(rows).collect();
    let pixel = |at: usize| {
        let samples: Vec<u8> = planes.iter().map(|plane| plane[at]).collect();
        match (colour, &samples[..]) {
            (Colour::YCbCr, &[y, cb, cr]) => {
                let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
                let lights = [y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb];
                lights.map(|light| light.round() as u8).to_vec()
            }
            _ => samples,
        }
    };
    (0..planes[0].len()).flat_map(pixel).collect()
}

/// What djpeg makes of a file, if it is installed and shows it.
fn djpeg(data: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new("djpeg");
    command.arg("-pnm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // Both files are smaller than a pipe.
    let written = child.stdin.take().map(|mut input| input.write_all(data));
    let output = child.wait_with_output()?;
    // 2 says that it has warned.
    let is_shown = matches!(output.status.code(), Some(0 | 2)) && written.is_some_and(|w| w.is_ok());
    Ok(is_shown.then_some(output.stdout))
}

/// A mutant of which nothing is said to be missing is the picture that libjpeg makes of it. (`jpeg-decoder`
/// is of no use here: sums that leave the range of 16 bits wrap around in it.)
#[test]
fn accepted_mutants_are_what_another_decoder_sees() {
    let mut random = 20_261_201_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    if let Err(error) = djpeg(file!("grey")) {
        println!("notice: djpeg cannot be run ({error}), mutants are not compared");
        return;
    }
    let (mut accepted, mut changed) = (0, 0);
    for data in [file!("grey"), file!("rgb"), file!("sample-1x1")] {
        let whole = djpeg(data).expect("it runs").expect("a picture");
        let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan") + 14;
        for number in 0..150 {
            let mut mutant = data.to_vec();
            for _ in 0..=next(2) {
                let at = scan + next(data.len() - scan - 2);
                mutant[at] ^= 1 << next(8);
            }
            let header = Header::read(&mutant).expect("a header");
            let Ok(own) = header.decode(&mutant, Scale::Full) else { continue };
            let Some(other) = djpeg(&mutant).expect("it runs").filter(|_| own.damage.is_none()) else {
                continue;
            };
            accepted += 1;
            changed += usize::from(other != whole);
            let own = interleaved(&own, header.colour);
            let other = &other[other.len() - own.len()..];
            // Light that leaves the range of 8 bits by far comes back into it from the other end in libjpeg.
            let far = own.iter().zip(other).filter(|(a, b)| a.abs_diff(**b) > 3).count();
            assert!(far * 25 < own.len(), "{number}: {far} of {} samples differ", own.len());
        }
    }
    assert!(accepted > 100 && changed > 100, "{accepted} {changed}");
}

/// Whatever the bytes are: no panic, no endless loop, and planes of the announced size.
#[test]
fn mutants_do_no_harm() {
    let mut random = 20_261_130_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let files = [
        file!("base"),
        file!("progressive"),
        file!("restarts"),
        file!("ycb-cr"),
        file!("cmyk"),
        file!("sample-4x1"),
    ];
    for _ in 0..3_000 {
        let mut data = files[next(files.len())].to_vec();
        for _ in 0..=next(6) {
            let at = next(data.len());
            match next(4) {
                0 => data[at] = next(256) as u8,
                1 => data.truncate(at.max(2)),
                2 => _ = data.remove(at),
                _ => data[at] ^= 1 << next(8),
            }
        }
        let Ok(header) = Header::read(&data) else { continue };
        if u64::from(header.width) * u64::from(header.height) > 1 << 20 {
            continue;
        }
        let scale = Scale::ALL[next(4)];
        if let Ok(image) = header.decode(&data, scale) {
            let bytes: u64 = image.planes.iter().map(|plane| plane.data.len() as u64).sum();
            assert_eq!(bytes, header.plane_bytes(scale));
        }
        let _ = (longshore_jpeg::optimised(&data), longshore_jpeg::picture(&data));
    }
}
