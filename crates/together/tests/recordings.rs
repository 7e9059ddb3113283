//! The feature `trace`: a program makes the page, the exports and the report of its recording itself, and
//! forks that no thief takes count for the longest chain.

use std::fs;
use std::path::PathBuf;

use longshore::{Pool, Recorder};
use longshore_trace::analysis::Analysis;
use longshore_trace::format::Recording;
use longshore_trace::run::Run;

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("longshore-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = longshore::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

#[test]
fn every_form_is_written_and_the_report_says_where_the_time_went() {
    let folder = folder("forms");
    let page = folder.join("run.html");
    let pool = Pool::builder().workers(2).recorder(Recorder::new().file(&page)).build().expect("starts");
    for _ in 0..50 {
        pool.task().label("decode").submit(|| fib(12)).expect("accepts").join().expect("no panic");
    }
    let recording = pool.recording().expect("recorded");
    for name in ["now.html", "now.json", "now.pftrace", "now.lsr"] {
        recording.save(folder.join(name)).expect("saved");
        assert!(fs::metadata(folder.join(name)).expect("there").len() > 100, "{name}");
    }
    let report = recording.report().expect("readable").expect("the feature is on");
    assert!(report.contains("decode") && report.contains("where the time went"), "{report}");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("now.json")).expect("there")).expect("strict");
    assert!(json.to_string().contains("decode"));
    pool.shutdown().expect("ends");
    let text = fs::read_to_string(&page).expect("completed by the shutdown");
    assert!(text.contains("decode") && !folder.join("run.html.lsr").exists());
    for address in ["http://", "https://"] {
        let outside: Vec<_> =
            text.match_indices(address).filter(|(at, _)| !text[*at..].contains("w3.org")).collect();
        assert!(outside.is_empty(), "the page asks no host");
    }
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn forks_are_counted_and_shorten_the_longest_chain() {
    let folder = folder("fib");
    let path = folder.join("run.lsr");
    let recorder = Recorder::new().ring_bytes(1 << 20).file(&path);
    let pool = Pool::builder().workers(2).recorder(recorder).build().expect("starts");
    assert_eq!(pool.submit(|| fib(24)).expect("accepts").join().expect("no panic"), 46_368);
    pool.shutdown().expect("ends");
    let run =
        Run::new(&Recording::parse(&fs::read(&path).expect("there")).expect("whole")).expect("readable");
    let stolen: u64 = run.tracks.iter().map(|track| track.stolen_forks).sum();
    let forks: u64 = run.tasks.iter().map(|task| u64::from(task.forks)).sum();
    // fib(24) forks 75,024 times, also when thieves take some.
    assert_eq!(forks, 75_024, "{stolen} stolen");
    let analysis = Analysis::new(&run);
    assert!(analysis.span.span * 20 < analysis.span.work, "{:?}", (analysis.span.span, analysis.span.work));
    fs::remove_dir_all(folder).expect("removed");
}
