//! Disks that are full, limits of files, directories that vanish, and what is made durable.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use crate::bench::{Bench, Run, has_tool};

/// Noise, which no codec makes small.
fn noise(bench: &Bench, name: &str, side: u32) {
    let mut random = 1_u32;
    let image = image::RgbImage::from_fn(side, side, |_, _| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(random >> 24) as u8, (random >> 16) as u8, (random >> 8) as u8])
    });
    bench.write(name, |path| image.save(path).expect("an image"));
}

/// The program with these arguments, started by a script in which it is `"$@"`.
fn by_script(bench: &Bench, program: &str, before: &[&str], script: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(before).args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_resize")]).args(arguments);
    let output = command.current_dir(bench.path(".")).stdin(Stdio::null()).output().expect("a shell");
    Run::new(&output)
}

/// Every second output does not fit: it fails by name, the others are whole, and nothing else is left.
#[test]
fn a_full_disk_leaves_nothing_half() {
    let unshared = ["-Urm", "true"];
    if !has_tool("unshare") || !Command::new("unshare").args(unshared).status().is_ok_and(|s| s.success()) {
        eprintln!("notice: no file system can be mounted here, a full disk is not tested");
        return;
    }
    for model in ["push", "pull"] {
        let bench = Bench::new();
        for number in 0..12 {
            noise(&bench, &format!("in/{number}.png"), 100);
        }
        // What is left of a file system that vanishes with its namespace is copied out of it.
        let script = "mkdir disk && mount -t tmpfs -o size=200k none disk && \"$@\"; status=$?
            find disk -type f > names; cp -r disk copy; exit $status";
        let arguments = ["in", "-o", "disk/out", "--size", "80x", "--jobs", "3", "--json", "--model", model];
        let run = by_script(&bench, "unshare", &["-Urm"], script, &arguments).expect(1);
        let summary = run.json();
        let (resized, failed) = (&summary["totals"]["resized"], &summary["totals"]["failed"]);
        let (resized, failed) = (resized.as_u64().expect("a number"), failed.as_u64().expect("a number"));
        assert!(resized >= 1 && failed >= 1 && resized + failed == 12, "{resized} {failed}");
        assert_eq!(run.stderr.matches("No space left on device").count() as u64, failed, "{}", run.stderr);
        let names = fs::read_to_string(bench.path("names")).expect("the names");
        assert!(!names.contains(".tmp"), "{names}");
        let files = bench.files("copy/out");
        assert_eq!(files.len() as u64, resized, "{names}");
        files.iter().for_each(|name| assert_eq!(bench.size(&format!("copy/out/{name}")), (80, 80)));
        // With room again the next run does what is left.
        let summary = bench.raw(&["in", "-o", "copy/out", "--size", "80x", "--json"]).expect(0).json();
        assert_eq!([&summary["totals"]["resized"], &summary["totals"]["skipped"]], [failed, resized]);
    }
}

/// The signal that a limit of a file's size sends ends nothing.
#[test]
fn an_output_above_the_limit_of_files_fails_alone() {
    let bench = Bench::new();
    noise(&bench, "in/large.png", 300);
    bench.image("in/small.png", 40, 20);
    let script = "ulimit -f 40; exec \"$@\"";
    let run = by_script(&bench, "env", &[], script, &["in", "-o", "out", "--size", "90%"]).expect(1);
    run.complains("large.png");
    run.complains("File too large");
    assert_eq!(bench.files("out"), ["small.png"]);
}

/// Files fail whose directory is taken away under them; it is made again for the others.
#[test]
fn an_output_directory_that_vanishes_is_made_again() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.image(&format!("in/{number}.png"), 120, 80);
    }
    let arguments = ["in", "-o", "out", "--size", "40x", "--jobs", "2", "--json"];
    let mut child = bench
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut removed = 0;
    while child.try_wait().expect("a state").is_none() && removed < 3 {
        if bench.path("out").is_dir() && fs::remove_dir_all(bench.path("out")).is_ok() {
            removed += 1;
        }
        std::thread::yield_now();
    }
    let run = Run::new(&child.wait_with_output().expect("it ends"));
    let summary = run.json();
    let totals = &summary["totals"];
    let failed = totals["failed"].as_u64().expect("a number");
    assert_eq!(totals["resized"].as_u64().expect("a number") + failed, 200);
    let run = run.expect(if failed > 0 { 1 } else { 0 });
    assert_eq!(run.stderr.matches("cannot write").count() as u64, failed, "{}", run.stderr);
    bench.assert_clean();
    bench.run(&["--size", "40x"]).expect(0);
    assert_eq!(bench.files("out").len(), 200);
}

/// What replaces its source is on the disk before the source is gone: it could not be made anew. Other
/// outputs can, and are not waited for.
#[test]
fn what_replaces_its_source_is_made_durable() {
    let can_trace = || {
        let status = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
        status.is_ok_and(|status| status.success())
    };
    if !has_tool("strace") || !can_trace() {
        return;
    }
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    let calls = |arguments: &[&str]| {
        let mut strace = Command::new("strace");
        let traced = "trace=fsync,fdatasync,rename,renameat,renameat2";
        strace.args(["-f", "-qq", "-o", "calls", "-e", traced, env!("CARGO_BIN_EXE_resize")]);
        let output = strace.args(arguments).current_dir(bench.path(".")).output().expect("strace");
        Run::new(&output).expect(0);
        fs::read_to_string(bench.path("calls")).expect("the calls")
    };
    assert!(!calls(&["in", "-o", "out", "--size", "40x"]).contains("sync("));
    let calls = calls(&["in", "--in-place", "--size", "40x"]);
    let place = |name: &str| calls.find(name).unwrap_or_else(|| panic!("no {name}: {calls}"));
    assert!(place("sync(") < place("rename"), "{calls}");
}

/// The owner, too, if that is allowed.
#[test]
fn what_replaces_its_source_has_the_same_owner() {
    use std::os::unix::fs::{MetadataExt, chown};
    let bench = Bench::new();
    let path = bench.image("in/a.png", 80, 40);
    if chown(&path, Some(1_234), Some(4_321)).is_err() {
        eprintln!("notice: only root can give files away, the owner is not tested");
        return;
    }
    bench.raw(&["in", "--in-place", "--size", "40x"]).expect(0);
    let metadata = fs::metadata(&path).expect("the file");
    assert_eq!((metadata.uid(), metadata.gid(), bench.size("in/a.png")), (1_234, 4_321, (40, 20)));
}
