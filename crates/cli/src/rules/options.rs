//! Bad options are named; amounts have the same form and limits everywhere.

use super::{Subject, assert_bad_use};

const DURATIONS: [&str; 10] =
    ["0", "0s", "1e300", "-1", "nan", "inf", "366d", "1w", "", "99999999999999999999"];
const SIZES: [&str; 8] = ["0", "1KB", "1.5G", "-1", "16777216T", "99999999999999999999", "x", ""];
const COUNTS: [&str; 8] = ["0", "100000000000", "99999999999999999999", "-1", "1.5", "1k", "x", ""];

pub fn check(subject: &Subject<'_>) {
    let help = subject.run(&["--help"]);
    assert_eq!(help.code(), Some(0), "{help}");
    assert!(help.text().contains("Exit status"), "--help does not explain the exit statuses: {help}");
    // As a shell may make it of `*`.
    let hostile = "--\x1b]0;title\x07\x1b[31m";
    let run = subject.run(&[hostile]);
    assert_bad_use(&run, &["a name with escape sequences"]);
    assert!(run.complaints().contains("title"), "{run}");
    for (options, values) in
        [(subject.durations, &DURATIONS[..]), (subject.sizes, &SIZES[..]), (subject.counts, &COUNTS[..])]
    {
        for option in options {
            for value in values {
                refuses(subject, option, value);
            }
        }
    }
}

fn refuses(subject: &Subject<'_>, option: &[&str], value: &str) {
    let (name, before) = option.split_last().expect("an option");
    let joined = format!("{name}={value}");
    let arguments = [before, &[joined.as_str()]].concat();
    let run = subject.run(&arguments);
    assert_bad_use(&run, &arguments);
    let complaints = run.complaints();
    assert!(complaints.contains(value) && complaints.contains(name), "{arguments:?}: {run}");
}
