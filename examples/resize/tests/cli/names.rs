//! Names, inputs and outputs.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Run};

#[test]
fn only_extensions_of_images_are_replaced() {
    let bench = Bench::new();
    for name in ["scan.v1", "scan.v2", "IMG_2024.01.02 10.30.15"] {
        bench.bytes(&format!("in/{name}"), &crate::bench::jpeg_file("base.jpg"));
    }
    let names = ["in/scan.v1", "in/scan.v2", "in/IMG_2024.01.02 10.30.15"];
    bench.run_on(&names, &["--format", "jpeg"]).expect(0);
    assert_eq!(bench.files("out"), ["IMG_2024.01.02 10.30.15.jpg", "scan.v1.jpg", "scan.v2.jpg"]);
}

#[test]
fn an_output_directory_that_cannot_be_is_told_at_once() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    bench.bytes("file", b"in the way");
    for output in ["file", "file/below", "file/below/deeper", "/proc/nothing/here"] {
        for dry in [&["--dry-run"][..], &[]] {
            let run = bench.raw(&[&["in", "-o", output], dry].concat()).expect(2);
            assert_eq!((run.stderr.lines().count(), run.stdout.as_str()), (1, ""), "{}", run.stderr);
            run.complains(output);
        }
    }
    // Nothing is made to find out.
    bench.raw(&["in", "-o", "new/deep", "--dry-run"]).expect(0);
    assert!(!bench.path("new").exists());
}

#[test]
fn what_macos_leaves_beside_files_is_passed_over() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    bench.bytes("in/._a.png", b"\0\x05\x16\x07\0\x02\0\0Mac OS X");
    bench.bytes("in/__MACOSX/._b.jpg", b"\0\x05\x16\x07");
    bench.bytes("in/__MACOSX/c.jpg", b"nothing");
    for inputs in [&["in"][..], &["in/**/*.{png,jpg}"]] {
        let run = bench.run_on(inputs, &["--fail-fast", "--force"]).expect(0);
        assert_eq!(run.stderr, "");
        assert_eq!(bench.files("out"), ["a.png"]);
    }
    // A file that is named is meant.
    bench.run_on(&["in/._a.png"], &[]).expect(1).complains("macOS");
}

#[test]
fn other_formats_are_counted_and_named() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    for name in ["1.heic", "2.HEIC", "sub/3.heic", "4.avif", "5.psd", "notes.txt"] {
        bench.bytes(&format!("in/{name}"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    }
    let run = bench.run(&[]).expect(0);
    run.complains("5 files of other formats left out: 3 .heic, 1 .avif, 1 .psd");
    bench.run_on(&["in/1.heic"], &[]).expect(1).complains("HEIC");
}

#[test]
fn globs_find_names_in_any_case() {
    let bench = Bench::new();
    for name in ["in/IMG_0001.JPG", "in/sub/img_2.jpg", "in/a.png"] {
        bench.image(name, 20, 10);
    }
    bench.run_on(&["in/**/*.jpg"], &[]).expect(0);
    assert_eq!(bench.files("out"), ["IMG_0001.JPG", "sub/img_2.jpg"]);
}

#[test]
fn equal_names_are_kept_apart_by_parents_or_a_template() {
    let bench = Bench::new();
    bench.image("a/IMG_1.jpg", 40, 20);
    bench.image("b/IMG_1.jpg", 80, 20);
    let inputs = ["a/IMG_1.jpg", "b/IMG_1.jpg"];
    bench.run_on(&inputs, &[]).expect(1).complains("--parents");
    fs::remove_dir_all(bench.path("out")).expect("the outputs");
    bench.run_on(&inputs, &["--parents"]).expect(0);
    assert_eq!(bench.files("out"), ["a/IMG_1.jpg", "b/IMG_1.jpg"]);
    // Directories and globs as well as files.
    for inputs in [&["a", "b"][..], &["a/*.jpg", "b/*.jpg"], &["./a/", "b"]] {
        fs::remove_dir_all(bench.path("out")).expect("the outputs");
        bench.run_on(inputs, &["--parents"]).expect(0);
        assert_eq!(bench.files("out"), ["a/IMG_1.jpg", "b/IMG_1.jpg"], "{inputs:?}");
    }
    bench
        .run_on(&["a/IMG_1.jpg", "b/IMG_1.jpg"], &["--name", "{stem}_{w}x{h}.{ext}", "--size", "20x"])
        .expect(0);
    assert_eq!(bench.size("out/IMG_1_20x10.jpg"), (20, 10));
    assert_eq!(bench.size("out/IMG_1_20x5.jpg"), (20, 5));
    bench.raw(&["./b/../a/IMG_1.jpg", "-o", "out2", "--parents"]).expect(0);
    assert_eq!(bench.files("out2"), ["a/IMG_1.jpg"]);
    for template in ["same.jpg", "../{stem}.jpg", "{stem}{x}", "/tmp/{stem}.jpg"] {
        bench.run_on(&inputs, &["--name", template]).expect(2).complains(template);
    }
}

#[test]
fn an_extension_in_the_template_names_the_format() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    bench.image("in/b.jpg", 40, 20);
    bench.run(&["--name", "tn_{stem}.jpg"]).expect(0);
    assert_eq!(bench.files("out"), ["tn_a.jpg", "tn_b.jpg"]);
    let head = fs::read(bench.path("out/tn_a.jpg")).expect("the output");
    assert_eq!(image::guess_format(&head).ok(), Some(image::ImageFormat::Jpeg));
    bench.run(&["--name", "{stem}.jpg", "--format", "jpeg", "--force"]).expect(0);
    bench.run(&["--name", "{stem}.jpg", "--format", "webp"]).expect(2).complains("--name says jpg");
    bench.run(&["--name", "{stem}.gif"]).expect(2).complains("{stem}.gif");
}

#[test]
fn names_are_read_from_lists() {
    let bench = Bench::new();
    for name in ["in/a.png", "in/b b.png", "in/c.png"] {
        bench.image(name, 20, 10);
    }
    bench.bytes("list", b"in/a.png\n\nin/b b.png\r\n");
    bench.raw(&["--files-from", "list", "-o", "out"]).expect(0);
    assert_eq!(bench.files("out"), ["a.png", "b b.png"]);
    let from_input = |options: &[&str], names: &[u8]| {
        let mut command: Command = bench.command(&[&["--files-from", "-", "-o", "out3"], options].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("piped").write_all(names).expect("it reads");
        Run::new(&child.wait_with_output().expect("it ends"))
    };
    from_input(&["-0"], b"in/b b.png\0in/c.png\0").expect(0);
    assert_eq!(bench.files("out3"), ["b b.png", "c.png"]);
    from_input(&[], b"in/missing.png\n").expect(1).complains("in/missing.png");
    from_input(&[], b"").expect(2).complains("no image");
    bench.raw(&["--files-from", "missing-list", "-o", "out"]).expect(2).complains("missing-list");
    bench.raw(&["-0", "in", "-o", "out"]).expect(2);
}

#[test]
fn what_will_fail_is_foreseen() {
    let bench = Bench::new();
    bench.image("in/good.jpg", 80, 40);
    bench.bytes("in/text.jpg", b"this is no picture");
    bench.bytes("in/cut.jpg", &fs::read(bench.path("in/good.jpg")).expect("a file")[..100]);
    bench.bytes("in/empty.png", b"");
    fs::create_dir_all(bench.path("out/taken.png")).expect("a directory");
    bench.image("in/taken.png", 20, 10);
    let run = bench.run(&["--dry-run", "--size", "20x"]).expect(1);
    for name in ["text.jpg", "cut.jpg", "empty.png", "taken.png"] {
        run.complains(name);
    }
    assert!(run.stdout.contains("in/good.jpg (80x40) -> out/good.jpg (20x10), "), "{}", run.stdout);
}

#[test]
fn in_place_replaces_the_sources_and_no_more() {
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    bench.image("in/b.jpg", 20, 10);
    let small = fs::read(bench.path("in/b.jpg")).expect("the small one");
    let run = bench.raw(&["in", "--in-place", "--size", "40x"]).expect(0);
    assert!(run.stdout.contains("1 resized, 1 up to date"), "{}", run.stdout);
    assert_eq!(bench.size("in/a.png"), (40, 20));
    assert!(fs::read(bench.path("in/b.jpg")).expect("the small one") == small);
    bench.raw(&["in", "--in-place", "--size", "40x"]).expect(0);
    assert_eq!(bench.files("in"), ["a.png", "b.jpg"]);
    // Another format would be another file.
    bench.raw(&["in", "--in-place", "--size", "10x", "--format", "webp"]).expect(1).complains("--in-place");
    for conflict in [&["-o", "out"][..], &["--name", "{stem}"], &["--parents"]] {
        bench.raw(&[&["in", "--in-place"], conflict].concat()).expect(2);
    }
    bench.raw(&["--in-place"]).expect(2);
}

#[cfg(unix)]
#[test]
fn in_place_keeps_permissions_and_follows_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let bench = Bench::new();
    let path = bench.image("photos/a.png", 80, 40);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions");
    fs::create_dir_all(bench.path("in")).expect("a directory");
    symlink("../photos/a.png", bench.path("in/link.png")).expect("a link");
    bench.raw(&["in", "--in-place", "--size", "40x"]).expect(0);
    assert_eq!(bench.size("photos/a.png"), (40, 20));
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(bench.path("in/link.png")).expect("the link").is_symlink());
}

/// No name can do anything to a terminal, and each is told from the others.
#[cfg(unix)]
#[test]
fn names_are_shown_so_that_they_do_no_harm() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    for name in [&b"\x1b]0;title\x07.png"[..], b"two\nlines.png", b"\xff.png", b"\xfe.png"] {
        fs::write(bench.path("in").join(OsStr::from_bytes(name)), "no picture").expect("a file");
    }
    let run = bench.run(&["--json"]).expect(1);
    assert!(!run.stderr.contains(['\x1b', '\x07']) && run.stderr.lines().count() == 4, "{}", run.stderr);
    let summary = run.json();
    let names: std::collections::HashSet<_> =
        (0..4).map(|at| summary["files"][at]["source"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names.len(), 4);
}

#[test]
fn lines_of_json_tell_of_each_file() {
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    bench.bytes("in/b.png", b"no picture");
    let run = bench.run(&["--json-lines", "--size", "20x"]).expect(1);
    let mut lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.sort_by_key(|line| line["index"].as_u64());
    assert_eq!([&lines[0]["status"], &lines[1]["status"]], ["resized", "failed"]);
    assert_eq!(lines[1]["kind"], "unsupported");
    assert_eq!(bench.run(&["--quiet", "--force", "--size", "10x"]).expect(1).stdout, "");
    bench.run(&["--json", "--json-lines"]).expect(2);
}

#[test]
fn existing_outputs_can_be_left_alone() {
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    bench.bytes("out/a.png", b"something else");
    let run = bench.run(&["--skip-existing"]).expect(0);
    assert!(run.stdout.contains("0 resized, 1 up to date"), "{}", run.stdout);
    assert_eq!(fs::read(bench.path("out/a.png")).expect("the output"), b"something else");
    bench.run(&["--skip-existing", "--force"]).expect(2);
}
