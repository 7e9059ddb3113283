//! A disk that is full while the run goes on. The limit for the size of files is that of a whole process, so
//! that the test starts itself again in a process of its own.

use std::path::Path;
use std::process::Command;

use longshore_trace::format::{Facts, Recording};
use longshore_trace::record::{Outcome, Source};
use longshore_trace::recorder::{Precision, Recorder, Settings};
use longshore_trace::run::Run;

/// Names the file in the second process.
const FILE: &str = "LONGSHORE_TEST_FILE";

/// Records until the file may not grow any more, and some time after.
fn record(path: &Path) {
    let settings = Settings { ring_bytes: 1 << 20, precision: Precision::Exact, file: Some(path.to_owned()) };
    let recorder = Recorder::new(Facts::new(), settings).expect("the file can be created");
    let track = recorder.worker(0);
    for _ in 0..400_000 {
        let task = track.begin(Source::Deque);
        track.end(task, Outcome::Completed);
    }
    let error = recorder.finish(&Facts::new()).expect_err("the limit is far below what was recorded");
    println!("finish: {error}");
}

#[test]
fn a_run_goes_on_when_the_disk_is_full_and_the_file_says_what_is_missing() {
    if let Some(path) = std::env::var_os(FILE) {
        return record(Path::new(&path));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.lsr");
    let name = "a_run_goes_on_when_the_disk_is_full_and_the_file_says_what_is_missing";
    // Blocks of 512 bytes; without the signal that would end the process a write fails with EFBIG.
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 2000; exec "$0" --exact --nocapture "$1""#])
        .arg(std::env::current_exe().expect("this test"))
        .arg(name)
        .env(FILE, &path)
        .output()
        .expect("sh is there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let message = text.lines().find(|line| line.starts_with("finish: ")).expect("the message");
    assert!(message.contains("run.lsr: records after") && message.contains("s are missing"), "{message}");
    // What was written before is a whole recording, with a note.
    let recording = Recording::parse_cut(&std::fs::read(&path).expect("it is there")).expect("no damage");
    assert!(recording.cut_at.is_some() || !recording.notes.is_empty(), "{:?}", recording.notes);
    let run = Run::new(&recording).expect("whole chunks");
    assert!((10_000..400_000).contains(&run.tasks.len()), "{}", run.tasks.len());
    assert!(std::fs::metadata(&path).expect("it is there").len() <= 2000 * 512);
}
