//! The command: what it prints, what it writes, its status.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Costs, Pool, half_serial, leaf, record};

fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longshore-trace"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn reports_exports_and_checks() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("half.lsr"), record(&half_serial(400, 20_000), 4)).unwrap();
    let report = command(at, &["report", "half.lsr"]);
    assert_eq!(report.status.code(), Some(0), "{}", err(&report));
    let text = out(&report);
    for part in [
        "402 tasks on 4 workers",
        "is the longest chain",
        "where the time went",
        "parallelism 2.0",
        "one task (`serial`) is 9",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    for (form, begin) in [("html", "<!DOCTYPE html>"), ("json", "{\"displayTimeUnit\""), ("pftrace", "\n")] {
        let made = command(at, &[form, "half.lsr"]);
        assert_eq!((made.status.code(), err(&made)), (Some(0), String::new()));
        let bytes = std::fs::read(at.join(format!("half.{form}"))).unwrap();
        assert!(bytes.starts_with(begin.as_bytes()), "{form}");
        let other = command(at, &[form, "half.lsr", "-o", "-"]);
        assert!(other.stdout == bytes, "{form} to standard output is the same");
    }
    let check = command(at, &["check", "half.lsr"]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(out(&check).lines().count(), 2, "{}", out(&check));
    let ignored =
        command(at, &["check", "half.lsr", "--ignore", "long-task", "--ignore", "little-parallelism"]);
    assert_eq!((ignored.status.code(), out(&ignored)), (Some(0), String::new()));
}

/// The loop is done after a quarter of the 8.3 ms; then one worker runs the serial half.
#[test]
fn parts_are_reported_checked_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("half.lsr"), record(&half_serial(400, 20_000), 4)).unwrap();
    let report = command(at, &["report", "half.lsr", "--from", "5 ms", "--to", "7.5ms"]);
    assert_eq!((report.status.code(), err(&report)), (Some(0), String::new()));
    let text = out(&report);
    for part in ["only from 5.00 ms to 7.50 ms of 8.3", "2.50 ms; 625 us if no worker", "parallelism 1.0"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("body"), "the small tasks were done before\n{text}");
    for (arguments, status) in [(["--to", "1 ms"], 0), (["--from", "4 ms"], 1)] {
        let arguments = [["check", "half.lsr"], arguments].concat();
        let check = command(at, &arguments);
        assert_eq!((check.status.code(), err(&check)), (Some(status), String::new()), "{}", out(&check));
    }
    let page = command(at, &["html", "half.lsr", "--from", "5 ms", "-o", "-"]);
    assert!(out(&page).contains("\"view\":[5000") && out(&page).contains("402 tasks on 4 workers"));
    let whole = command(at, &["html", "half.lsr", "-o", "-"]);
    assert!(out(&whole).contains("\"view\":null"));
}

#[test]
fn compares_two_runs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let tasks = |nanos| (0..300).map(|_| leaf("decode", nanos)).collect::<Vec<_>>();
    for (name, workers, nanos) in [("one.lsr", 1, 10_000), ("four.lsr", 4, 18_000)] {
        std::fs::write(at.join(name), Pool::new(workers, Costs::default()).run_all(&tasks(nanos))).unwrap();
    }
    let diff = command(at, &["diff", "one.lsr", "four.lsr"]);
    assert_eq!(diff.status.code(), Some(1), "{}", err(&diff));
    let text = out(&diff);
    assert!(
        text.contains("! tasks of label `decode` take 1.8 times as long as in the run with one worker"),
        "{text}"
    );
    let same = command(at, &["diff", "one.lsr", "one.lsr"]);
    assert_eq!(same.status.code(), Some(0), "{}", out(&same));
}

#[test]
fn bad_input_is_a_line_with_status_two() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let whole = record(&half_serial(40, 20_000), 2);
    std::fs::write(at.join("whole.lsr"), &whole).unwrap();
    std::fs::write(at.join("cut.lsr"), &whole[..whole.len() - 5]).unwrap();
    std::fs::write(at.join("text.lsr"), "hello").unwrap();
    let mut damaged = whole.clone();
    damaged[200] ^= 4;
    std::fs::write(at.join("damaged.lsr"), damaged).unwrap();
    let cases: [(&[&str], &str); 16] = [
        (&["report", "whole.lsr", "--from"], "--from needs a time"),
        (&["report", "whole.lsr", "--from", "soon"], "--from: `soon` does not begin with a number"),
        (&["check", "whole.lsr", "--to", "12"], "--to: `12` needs a unit: ns, us, ms or s"),
        (&["html", "whole.lsr", "--to", "3 s"], "whole.lsr: 3.00 s is outside of the run, which takes 1."),
        (
            &["report", "whole.lsr", "--from", "1 s"],
            "whole.lsr: 1.00 s is outside of the run, which takes 1.",
        ),
        (
            &["report", "whole.lsr", "--from", "90us", "--to", "40 us"],
            "whole.lsr: from 90.0 us to 40.0 us is no stretch of time",
        ),
        (&["json", "whole.lsr", "--from", "1 us"], "json has no option --from"),
        (&["report", "nothing.lsr"], "nothing.lsr: No such file"),
        (&["report", "text.lsr"], "text.lsr: not a recording of longshore (.lsr)"),
        (&["check", "damaged.lsr"], "damaged.lsr: damaged at byte"),
        (&["report"], "report takes one file, not 0"),
        (&["diff", "whole.lsr"], "diff takes two files, not 1"),
        (&["paint", "whole.lsr"], "unknown command paint"),
        (&["check", "whole.lsr", "--ignore", "rain"], "--ignore rain: no such flag"),
        (&["report", "whole.lsr", "-o", "x"], "report has no option -o"),
        (&["html", "whole.lsr", "-o", "no/folder/x.html"], "no/folder/x.html: No such file"),
    ];
    for (arguments, message) in cases {
        let output = command(at, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            err(&output).contains(message) && err(&output).lines().count() == 1,
            "{arguments:?}: {}",
            err(&output)
        );
    }
    let cut = command(at, &["report", "cut.lsr"]);
    assert_eq!(cut.status.code(), Some(0));
    assert!(err(&cut).contains("cut off at byte") && out(&cut).contains("longest chain"));
    let help = command(at, &[]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("pftrace FILE"));
}
