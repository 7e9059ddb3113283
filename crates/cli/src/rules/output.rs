//! Reports: a reader who has gone is no error, a disk that is full is one; messages need no reader.

use std::io;
use std::process::{Command, Stdio};

use super::Subject;

pub fn check(subject: &Subject<'_>) {
    for arguments in subject.short {
        let whole = subject.run(arguments);
        assert_eq!(whole.code(), Some(0), "{arguments:?}: {whole}");
        assert!(!whole.output.is_empty(), "{arguments:?}");
        if arguments.contains(&"--json") {
            let value: Result<serde_json::Value, _> = serde_json::from_slice(&whole.output);
            assert!(value.is_ok_and(|value| value.is_object()), "{arguments:?}: {whole}");
        }
        closed_pipe(subject, arguments);
        full_disk(subject, arguments);
    }
    closed_pipe(subject, &["--help"]);
    // Nobody hears of the bad option but by the status.
    let status = into_closed_pipe(subject.command(&["--no-such-option"]), Stream::Error);
    assert_eq!(status, Some(2));
}

#[derive(PartialEq)]
enum Stream {
    Output,
    Error,
}

fn closed_pipe(subject: &Subject<'_>, arguments: &[&str]) {
    let status = into_closed_pipe(subject.command(arguments), Stream::Output);
    assert_eq!(status, Some(0), "{arguments:?} into a closed pipe");
}

/// Runs it with a stream that is a pipe without a reader, from the beginning; returns its status.
fn into_closed_pipe(mut command: Command, stream: Stream) -> Option<i32> {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if stream == Stream::Output {
        command.stdout(writer)
    } else {
        command.stderr(writer)
    };
    command.status().expect("it runs").code()
}

fn full_disk(subject: &Subject<'_>, arguments: &[&str]) {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        println!("notice: no /dev/full, the full disk is skipped");
        return;
    };
    let run = subject.command(arguments).stdin(Stdio::null()).stdout(full).output().expect("it runs");
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{arguments:?} to a full disk: {complaints}");
    assert!(complaints.contains("report") && !complaints.contains("panicked"), "{arguments:?}: {complaints}");
}
