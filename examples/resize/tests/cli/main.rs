//! The program as its user meets it: the built program runs on small generated images.

mod batch;
mod bench;
mod bombs;
mod colour;
mod disks;
mod ends;
mod formats;
mod fuzz;
mod growth;
mod independent;
mod jpeg;
mod jxl;
mod memory;
mod metadata;
mod names;
mod page;
mod png;
mod rules;
#[cfg(target_os = "linux")]
mod stops;
mod up_to_date;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use image::{Rgb, Rgba, RgbaImage};

use bench::{Bench, Run, is_near, sum};

#[test]
fn geometries_give_their_sizes() {
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    let cases = [
        ("40x40", (40, 20)),
        ("x10", (20, 10)),
        ("50%", (40, 20)),
        ("30x30!", (30, 30)),
        ("20x20^", (40, 20)),
        ("800x800", (80, 40)),
        ("800x800>", (80, 40)),
        ("160x160<", (160, 80)),
        ("200%", (80, 40)),
    ];
    for (geometry, size) in cases {
        bench.run(&["--force", "--size", geometry]).expect(0);
        assert_eq!(bench.size("out/a.png"), size, "{geometry}");
    }
    bench.run(&["--force", "--size", "160x", "--enlarge"]).expect(0);
    assert_eq!(bench.size("out/a.png"), (160, 80));
}

#[test]
fn the_tree_and_the_names_are_kept() {
    let bench = Bench::new();
    for name in ["in/a.jpg", "in/sub/b.PNG", "in/sub/deep/c.webp"] {
        bench.image(name, 20, 10);
    }
    bench.bytes("in/notes.txt", b"not an image");
    bench.run(&["--size", "10x"]).expect(0);
    assert_eq!(bench.files("out"), ["a.jpg", "sub/b.PNG", "sub/deep/c.webp"]);
    let run = bench.run(&["--size", "10x", "--format", "webp"]).expect(0);
    assert!(run.stdout.contains("2 resized, 1 up to date"), "{}", run.stdout);
    assert_eq!(bench.size("out/sub/b.webp"), (10, 5));
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    let run = bench.run(&["--dry-run"]).expect(0);
    assert!(run.stdout.contains("a.png (40x20) -> "), "{}", run.stdout);
    assert!(!bench.path("out").exists());
    let summary = bench.run(&["--dry-run", "--json"]).expect(0).json();
    assert_eq!(summary["files"][0]["status"], "planned");
}

#[test]
fn failures_are_reported_and_the_others_done() {
    let bench = Bench::new();
    bench.image("in/good.jpg", 20, 10);
    bench.bytes("in/broken.png", b"\x89PNG\r\n\x1a\nrubbish");
    bench.bytes("in/empty.webp", b"");
    // A small file that announces an enormous image: the size in the frame header is overwritten.
    let mut bomb = fs::read(bench.path("in/good.jpg")).expect("the JPEG");
    bench.bytes("in/short.jpg", &bomb[..bomb.len() - 20]);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    bench.bytes("in/bomb.jpg", &bomb);
    // A directory in the place of an output: the rename fails.
    bench.image("in/taken.png", 20, 10);
    fs::create_dir_all(bench.path("out/taken.png")).expect("a directory");

    let run = bench.run_on(&["in", "missing.jpg", "none-*.jpg"], &["--json"]).expect(1);
    for name in
        ["broken.png", "empty.webp", "bomb.jpg", "taken.png", "missing.jpg", "none-*.jpg", "short.jpg"]
    {
        run.complains(name);
    }
    let summary = run.json();
    assert_eq!(summary["totals"]["failed"], 7);
    assert_eq!(summary["totals"]["resized"], 1);
    assert_eq!(bench.files("out"), ["good.jpg"]);
}

#[test]
fn usage_errors_exit_with_2() {
    let bench = Bench::new();
    bench.image("a.png", 20, 10);
    let options: [&[&str]; 12] = [
        &["--size", "huge"],
        &["--quality", "0"],
        &["--quality", "101"],
        &["--format", "gif"],
        &["--jobs", "0"],
        &["--pin", "sideways"],
        &["--model", "other"],
        &["--max-memory", "0"],
        &["--max-memory", "2GB"],
        &["--max-memory", "16777216T"],
        &["--timeout", "0s"],
        &["--no-such-option"],
    ];
    for options in options {
        let run = bench.run_on(&["a.png"], options).expect(2);
        // The text that is wrong is named.
        run.complains(options[options.len() - 1]);
    }
    bench.run(&[]).expect(2).complains("no image that this program reads");
    bench.run_on(&["none-*.jpg"], &[]).expect(2);
    assert!(!bench.path("out").exists());
}

#[test]
fn json_lists_files_totals_and_workers() {
    for model in ["push", "pull"] {
        json_lists_them(model);
    }
}

fn json_lists_them(model: &str) {
    let bench = Bench::new();
    for name in ["in/a.jpg", "in/b.png", "in/c.webp"] {
        bench.image(name, 40, 20);
    }
    let summary = bench.run(&["--json", "--size", "10x", "--jobs", "2", "--model", model]).expect(0).json();
    let files = summary["files"].as_array().expect("files");
    let names: Vec<_> =
        files.iter().filter_map(|file| Path::new(file["source"].as_str()?).file_name()).collect();
    assert_eq!(names, ["a.jpg", "b.png", "c.webp"]);
    for file in files {
        assert_eq!((&file["from"], &file["to"]), (&serde_json::json!([40, 20]), &serde_json::json!([10, 5])));
        let written = fs::metadata(bench.path(file["output"].as_str().expect("a path"))).expect("the output");
        assert_eq!(file["bytes_out"], written.len());
    }
    let totals = &summary["totals"];
    assert_eq!((&totals["files"], &totals["resized"], &totals["failed"]), (&3.into(), &3.into(), &0.into()));
    assert_eq!(totals["bytes_in"], sum(&summary["files"], "bytes_in"));
    assert_eq!(totals["bytes_out"], sum(&summary["files"], "bytes_out"));
    assert_eq!(summary["workers"].as_array().map(Vec::len), Some(2));
    // Each is looked at, then resized.
    assert_eq!(sum(&summary["workers"], "executed"), 6);
}

/// The kind of pool makes no difference to the results.
#[test]
fn both_models_do_the_same() {
    let bench = Bench::new();
    for number in 0..20 {
        bench.image(&format!("in/{number}.png"), 40 + number, 20);
    }
    bench.bytes("in/broken.png", b"rubbish");
    for model in ["push", "pull"] {
        let run = bench.raw(&["in", "-o", model, "--size", "10x", "--jobs", "3", "--model", model]).expect(1);
        run.complains("broken.png");
        assert!(run.stdout.contains("20 resized"), "{}", run.stdout);
    }
    let (pushed, pulled) = (bench.files("push"), bench.files("pull"));
    assert_eq!((pushed.len(), &pushed), (20, &pulled));
    for name in pushed {
        let read = |model: &str| fs::read(bench.path(&format!("{model}/{name}"))).expect("the output");
        assert!(read("push") == read("pull"), "{name}");
    }
}

#[test]
fn two_sources_of_one_output_are_an_error() {
    let bench = Bench::new();
    bench.image("in/a.jpg", 40, 20);
    bench.image("in/a.png", 80, 80);
    let run = bench.run(&["--format", "jpeg", "--size", "20x"]).expect(1);
    run.complains("already the output of");
    assert_eq!(bench.size("out/a.jpg"), (20, 10));
    // The same file twice is no conflict.
    let summary = bench.run_on(&["in/a.png", "in/a.png"], &["--json", "--force"]).expect(0).json();
    assert_eq!(summary["totals"]["files"], 1);
}

#[test]
fn sources_are_never_replaced_and_outputs_not_taken_as_input() {
    let bench = Bench::new();
    let source = bench.image("in/a.png", 40, 20);
    let before = fs::read(&source).expect("the source");
    bench.raw(&["in", "-o", "in", "--force"]).expect(1).complains("is itself a source");
    bench.raw(&["in/a.png", "-o", "in/../in", "--force"]).expect(1);
    assert_eq!(fs::read(&source).expect("the source"), before);
    for _ in 0..2 {
        let summary = bench.raw(&["in", "-o", "in/small", "--force", "--json"]).expect(0).json();
        assert_eq!(summary["totals"]["files"], 1);
    }
}

#[test]
fn globs_are_expanded() {
    let bench = Bench::new();
    for name in ["in/a1.png", "in/b1.png", "in/sub/a2.png", "in/sub/a3.jpg", "in/[x].png"] {
        bench.image(name, 20, 10);
    }
    bench.run_on(&["in/*a*.png"], &[]).expect(0);
    assert_eq!(bench.files("out"), ["a1.png"]);
    bench.run_on(&["in/**/a*.{png,jpg}"], &[]).expect(0);
    assert_eq!(bench.files("out"), ["a1.png", "sub/a2.png", "sub/a3.jpg"]);
    bench.run_on(&["in/[x].png"], &[]).expect(0);
    assert_eq!(bench.size("out/[x].png"), (20, 10));
    bench.run_on(&["in/a["], &[]).expect(2);
}

#[test]
fn transparency_is_kept_or_laid_on_white() {
    let bench = Bench::new();
    // The hidden green of the transparent half must not show at the border.
    let image =
        RgbaImage::from_fn(40, 40, |x, _| Rgba(if x < 20 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }));
    bench.write("in/a.png", |path| image.save(path).expect("an image"));
    bench.run(&["--size", "10x10"]).expect(0);
    let small = bench.open("out/a.png").into_rgba8();
    assert!(small.pixels().all(|pixel| pixel.0[3] == 0 || pixel.0[1] < 10), "{small:?}");
    assert_eq!((small.get_pixel(0, 5).0[3], small.get_pixel(9, 5).0[3]), (255, 0));
    bench.run(&["--size", "10x10", "--format", "jpeg"]).expect(0);
    let flat = bench.open("out/a.jpg").into_rgb8();
    assert!(
        is_near(*flat.get_pixel(1, 5), Rgb([255, 0, 0])) && is_near(*flat.get_pixel(9, 5), Rgb([255; 3]))
    );
}

#[test]
fn lossless_formats_keep_pixels_and_names_do_not_decide_the_content() {
    let bench = Bench::new();
    let image = RgbaImage::from_fn(16, 9, |x, y| Rgba([(x * 16) as u8, (y * 28) as u8, 77, 255 - x as u8]));
    bench.write("in/a.png", |path| image.save(path).expect("an image"));
    bench.run(&["--format", "webp"]).expect(0);
    bench.raw(&["out/a.webp", "-o", "back", "--format", "png"]).expect(0);
    assert_eq!(bench.open("back/a.png").into_rgba8(), image);

    let deep = image::ImageBuffer::from_fn(4, 4, |x, _| image::Luma([(x * 257 * 80) as u16]));
    bench.write("in/deep.png", |path| deep.save(path).expect("an image"));
    fs::copy(bench.path("in/a.png"), bench.path("in/misnamed.jpg")).expect("a copy");
    bench.run(&[]).expect(0);
    let deep = bench.open("out/deep.png");
    assert_eq!((deep.color(), deep.into_luma8().get_pixel(2, 0).0), (image::ColorType::L16, [160]));
    let written = fs::read(bench.path("out/misnamed.jpg")).expect("the output");
    assert_eq!(image::guess_format(&written).ok(), Some(image::ImageFormat::Jpeg));
}

#[test]
fn a_closed_standard_output_is_no_failure() {
    let bench = Bench::new();
    bench.image("in/a.png", 20, 10);
    for options in [&["in", "--force"][..], &["in", "--force", "--json"]] {
        let mut child =
            bench.command(options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        Run::new(&child.wait_with_output().expect("the program ends")).expect(0);
    }
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_loops_are_not() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    bench.image("in/a.png", 20, 10);
    symlink("a.png", bench.path("in/link.png")).expect("a link");
    symlink("..", bench.path("in/loop")).expect("a link");
    bench.run(&[]).expect(0);
    assert_eq!(bench.files("out"), ["a.png", "link.png"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "decoding a photograph takes long without optimisation")]
fn a_photograph_is_resized() {
    let bench = Bench::new();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../photos/umang_by_Abhishek_Mudgal.jpg");
    bench.run_on(&[photo.to_str().expect("a Unicode path")], &["--size", "640x640"]).expect(0);
    assert_eq!(bench.size("out/umang_by_Abhishek_Mudgal.jpg"), (640, 360));
}
