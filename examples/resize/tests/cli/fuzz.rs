//! Thousands of damaged files in one batch: whatever they are, the others are done, in bounded memory.

use std::fs;

use crate::bench::{Bench, jpeg_file};

const SEED: u64 = 20_261_130;

/// Files of each kind; a longer run takes `LONGSHORE_FUZZ=20000`.
fn mutants() -> usize {
    std::env::var("LONGSHORE_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Changes some bytes, bits or lengths of a file.
fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(file.len());
        match random.below(6) {
            0 => file[at] = random.below(256) as u8,
            1 => file[at] ^= 1 << random.below(8),
            2 => file.truncate(at.max(12)),
            3 => _ = file.remove(at),
            4 => file.insert(at, 0xff),
            // Sizes and lengths are mostly in the first bytes.
            _ => {
                let at = at.min(random.below(60));
                file[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
            }
        }
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let bench = Bench::new();
    let picture = image::RgbaImage::from_fn(40, 30, |x, y| {
        image::Rgba([(x * 6) as u8, (y * 8) as u8, ((x * y) % 256) as u8, if x < 20 { 255 } else { 100 }])
    });
    let mut seeds: Vec<(&str, Vec<u8>)> = ["base", "progressive", "restarts", "ycb-cr", "cmyk", "grey"]
        .iter()
        .map(|name| ("jpg", jpeg_file(&format!("{name}.jpg"))))
        .collect();
    for extension in ["png", "webp", "gif", "tif"] {
        let path = bench.write(&format!("seed.{extension}"), |path| picture.save(path).expect("an image"));
        seeds.push((extension, fs::read(path).expect("a file")));
    }
    let mut random = Random(SEED);
    let count = mutants();
    fs::create_dir_all(bench.path("in")).expect("a directory");
    for number in 0..count {
        let (extension, seed) = &seeds[number % seeds.len()];
        let mut file = seed.clone();
        mutate(&mut file, &mut random);
        bench.bytes(&format!("in/{number}.{extension}"), &file);
    }
    bench.image("in/good.png", 40, 20);
    let options =
        ["--json", "--size", "15x15", "--max-memory", "200M", "--max-pixels", "20M", "--damage", "warn"];
    let run = bench.run(&options).expect(1);
    let summary = run.json();
    assert_eq!(summary["totals"]["files"], count as u64 + 1);
    assert_eq!(summary["files"][count]["status"], "resized");
    let resized = summary["totals"]["resized"].as_u64().expect("a number") as usize;
    assert!(resized > count / 10 && resized < count, "{resized}");
    for file in summary["files"].as_array().expect("files") {
        assert_ne!(file["kind"], "internal", "a codec failed in a way that it should not: {file}");
    }
    if let Some(peak) = summary["peak_memory_bytes"].as_u64() {
        assert!(peak < 500_000_000, "{peak}");
    }
    // Every output is a whole picture, by another reader.
    for name in bench.files("out") {
        let size = bench.size(&format!("out/{name}"));
        assert!(size.0 <= 15 && size.1 <= 15, "{name}");
        bench.open(&format!("out/{name}"));
    }
}

/// What is accepted without a warning is the picture that another decoder sees, pixel by pixel where the
/// format is lossless.
#[test]
fn accepted_mutants_are_what_another_decoder_sees() {
    let bench = Bench::new();
    let picture =
        image::RgbaImage::from_fn(32, 24, |x, y| image::Rgba([(x * 8) as u8, (y * 10) as u8, 50, 255]));
    let mut random = Random(SEED + 1);
    for extension in ["png", "webp", "gif"] {
        let path = bench.write(&format!("seed.{extension}"), |path| picture.save(path).expect("an image"));
        let seed = fs::read(path).expect("a file");
        for number in 0..200 {
            let mut file = seed.clone();
            mutate(&mut file, &mut random);
            bench.bytes(&format!("in/{extension}{number}.{extension}"), &file);
        }
    }
    let summary = bench
        .run(&["--json", "--size", "100%", "--recode", "--max-pixels", "1M", "--animation", "first"])
        .expect(1)
        .json();
    let mut accepted = 0;
    for file in summary["files"].as_array().expect("files") {
        if file["status"] == "resized" {
            let (source, output) =
                (file["source"].as_str().expect("a name"), file["output"].as_str().expect("a name"));
            let wanted = image::load_from_memory(&fs::read(bench.path(source)).expect("the mutant"));
            let wanted = match wanted {
                Ok(wanted) => wanted.into_rgba8(),
                // What has all of its pixels needs no end for us.
                Err(error) if error.to_string().contains("end of file") => continue,
                Err(error) => panic!("{source}: {error}"),
            };
            accepted += 1;
            assert!(bench.open(output).into_rgba8() == wanted, "{source}");
        }
    }
    assert!(accepted > 15, "{accepted}");
}
