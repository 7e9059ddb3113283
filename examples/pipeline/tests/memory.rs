//! Memory is bounded in bytes, whatever the files.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use longshore_cli::process;

/// The figure before "MB of memory".
fn peak(report: &str) -> f64 {
    let line = report.lines().find(|line| line.contains("MB of memory")).expect("the figure");
    line.split(' ').next().and_then(|figure| figure.parse().ok()).expect("a number")
}

#[test]
fn large_files_and_many_files_keep_within_the_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: String| directory.path().join(name);
    // Twelve times the memory, half of it in files that are not held. They have holes, which a reader does not see.
    for (kind, count, size) in [("large", 4, 24_u64 << 20), ("small", 48, 2 << 20)] {
        std::fs::create_dir(place(kind.into())).expect("a directory");
        for number in 0..count {
            let file = File::create(place(format!("{kind}/{number}"))).expect("a file");
            file.set_len(size).expect("a size");
            file.write_all_at(&[number, 1, 2, 3], size - 4).expect("written");
        }
    }
    let run = |inputs: &[&str], output: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-stages"));
        command.args(inputs).args(["-o", output, "--memory", "16M", "--level", "1", "--queue", "1000"]);
        let ended =
            process::run(command.args(["--readers", "8"]).current_dir(directory.path())).expect("it ends");
        assert_eq!(ended.code(), Some(0), "{ended}");
        peak(&ended.text())
    };
    // What the program takes with hardly any file.
    std::fs::create_dir(place("one".into())).expect("a directory");
    std::fs::copy(place("small/0".into()), place("one/0".into())).expect("a copy");
    let one = run(&["one"], "out-one");
    for inputs in [&["large"][..], &["small"], &["small", "large"]] {
        let peak = run(inputs, &format!("out-{}", inputs.concat()));
        // The allocator keeps some of what was given back.
        assert!(peak < one + 1.5 * 16.8, "{inputs:?}: {peak} MB, with one file {one} MB");
    }
}
