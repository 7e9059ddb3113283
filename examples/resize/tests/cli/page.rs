//! The page of `--report`, the manual page, completions.

use std::fs;
use std::process::{Command, Stdio};

use crate::bench::{Bench, has_tool};

#[test]
fn the_page_shows_every_file_and_needs_nothing_else() {
    let bench = Bench::new();
    bench.image("in/a.png", 80, 40);
    bench.bytes("in/<b>&.png", b"no picture");
    bench.run(&["--size", "20x", "--report", "report.html"]).expect(1);
    let page = fs::read_to_string(bench.path("report.html")).expect("the page");
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), 2, "before and after");
    assert!(page.contains("80x40 &rarr; 20x10") && page.contains("1 resized, 0 up to date, 1 failed"));
    assert!(page.contains("&lt;b&gt;&amp;.png") && !page.contains("<b>&.png"));
    assert!(!page.contains("http"), "nothing is fetched");
    bench.run(&["--report", "sheets/report.html", "--force"]).expect(1);
    assert!(bench.path("sheets/report.html").is_file());
}

/// Before any work is done, and never in the place of a picture: a shell puts the first photograph where the
/// name was forgotten.
#[test]
fn a_page_that_cannot_be_written_is_told_at_once() {
    let bench = Bench::new();
    let photo = bench.image("in/a.png", 80, 40);
    let before = fs::read(&photo).expect("the photograph");
    bench.bytes("file", b"in the way");
    fs::create_dir(bench.path("sheet.html")).expect("a directory");
    for page in ["file/report.html", "sheet.html", "in/a.png"] {
        bench.run(&["--report", page]).expect(2).complains(page);
        assert!(!bench.path("out").exists(), "{page}");
    }
    assert!(fs::read(&photo).expect("the photograph") == before);
}

#[test]
fn the_trace_says_what_each_worker_did() {
    let bench = Bench::new();
    (0..4).for_each(|n| _ = bench.image(&format!("in/{n}.png"), 80, 40));
    bench.run(&["--size", "20x", "--trace", "run.html"]).expect(0);
    let page = fs::read_to_string(bench.path("run.html")).expect("the page");
    assert!(page.contains("PNG") && page.contains("look") && !bench.path("run.html.lsr").exists());
    for name in ["run.json", "run.pftrace", "run.lsr"] {
        bench.run(&["--force", "--trace", name]).expect(0);
        assert!(fs::metadata(bench.path(name)).expect("written").len() > 100, "{name}");
    }
    bench.run(&["--force", "--trace", "nowhere/run.html"]).expect(2).complains("nowhere/run.html");
    bench.run(&["--force", "--trace", "run.txt"]).expect(2).complains(".pftrace");
}

#[test]
fn the_manual_and_completions_are_made() {
    let bench = Bench::new();
    let man = bench.raw(&["--generate", "man"]).expect(0).stdout;
    assert!(man.starts_with(".ie") && man.contains("max\\-memory") && man.contains("Exit status"));
    for (shell, text) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef resize"),
        ("fish", "complete -c resize"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = bench.raw(&["--generate", &format!("complete-{shell}")]).expect(0).stdout;
        assert!(script.contains(text), "{shell}");
    }
    if has_tool("bash") {
        let script = bench.raw(&["--generate", "complete-bash"]).expect(0).stdout;
        bench.bytes("completions", script.as_bytes());
        let checked = Command::new("bash")
            .args(["-n", "completions"])
            .current_dir(bench.path("."))
            .stdin(Stdio::null())
            .status();
        assert!(checked.expect("bash").success());
    }
    let help = bench.raw(&["--help"]).expect(0).stdout;
    for status in ["124  some files", "2    nothing was begun", "129, 130, 143"] {
        assert!(help.contains(status), "{status}");
    }
}
