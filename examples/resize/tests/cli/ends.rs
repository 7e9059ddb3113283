//! Batches that end before their end: by a failure, by the time, by Ctrl-C.

use std::fs;

use crate::bench::Bench;

/// So little that every image is worked on alone, which also means in order.
const ONE_BY_ONE: [&str; 2] = ["--max-memory", "1"];

/// Good images before and after a broken one.
fn broken_in_the_middle() -> Bench {
    let bench = Bench::new();
    for name in ["in/a.png", "in/b.jpg", "in/d.webp", "in/e.png"] {
        bench.image(name, 40, 20);
    }
    bench.bytes("in/c.png", b"\x89PNG\r\n\x1a\nrubbish");
    bench
}

#[test]
fn nothing_begins_after_the_first_failure() {
    for model in ["push", "pull"] {
        let bench = broken_in_the_middle();
        let options = [&["--json", "--jobs", "3", "--model", model][..], &ONE_BY_ONE].concat();
        let run = bench.run(&[&options[..], &["--fail-fast"]].concat()).expect(5);
        run.complains("c.png");
        let summary = run.json();
        let statuses: Vec<_> =
            (0..5).map(|at| summary["files"][at]["status"].as_str().expect("a status")).collect();
        assert_eq!(statuses, ["resized", "resized", "failed", "cancelled", "cancelled"]);
        let totals = &summary["totals"];
        assert_eq!([&totals["resized"], &totals["failed"], &totals["cancelled"]], [2, 1, 2]);
        assert_eq!(summary["interrupted"], false);
        assert_eq!(bench.files("out"), ["a.png", "b.jpg"]);

        let summary = bench.run(&options).expect(5).json();
        assert_eq!(summary["totals"]["cancelled"], 0, "without the option all are tried");
        assert_eq!(bench.files("out"), ["a.png", "b.jpg", "d.webp", "e.png"]);
    }
}

#[test]
fn nothing_begins_if_a_failure_is_known_before() {
    let bench = broken_in_the_middle();
    let run = bench.run_on(&["in/a.png", "in/b.jpg", "missing.png"], &["--fail-fast"]).expect(5);
    run.complains("missing.png");
    assert!(run.stdout.contains("0 resized, 0 up to date, 1 failed, 2 not done"), "{}", run.stdout);
    assert!(run.stdout.contains("b.jpg: not done"), "{}", run.stdout);
    assert!(!bench.path("out").exists());
}

/// All of a batch without a failure is done, with all the limits that it keeps.
#[test]
fn limits_that_are_not_reached_change_nothing() {
    let bench = broken_in_the_middle();
    fs::remove_file(bench.path("in/c.png")).expect("the broken one");
    for model in ["push", "pull"] {
        let options = ["--fail-fast", "--timeout", "100h", "--max-memory", "1T", "--force", "--model", model];
        let run = bench.run(&options).expect(0);
        assert!(run.stdout.contains("4 resized, 0 up to date, 0 failed\n"), "{}", run.stdout);
    }
}

#[cfg(target_os = "linux")]
mod held {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, ChildStderr, Output, Stdio};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use serde_json::Value;

    use crate::bench::{Bench, Run};
    use crate::lease::Lease;

    const IMAGES: usize = 8;

    /// How often a batch is started anew because it took longer than its images can be held.
    const ATTEMPTS: usize = 5;

    /// A batch with one worker, of which no image can be read before the test allows it.
    struct Held {
        bench: Bench,
        leases: Vec<Lease>,
        child: Child,
        stderr: BufReader<ChildStderr>,
        /// What it has said so far.
        said: String,
    }

    /// Starts a batch, has `act` deal with it, and returns how it ended. The system holds files for some time only, and the machine
    /// may be too busy with other things for that: then all of it is tried again. `None` where files cannot be held.
    fn play(options: &[&str], act: impl Fn(&mut Held)) -> Option<(Run, Bench)> {
        for _ in 0..ATTEMPTS {
            let begin = Instant::now();
            let mut held = Held::start(options)?;
            act(&mut held);
            let end = held.end();
            if begin.elapsed() < Lease::patience() {
                return Some(end);
            }
        }
        eprintln!("SKIPPED: {ATTEMPTS} times the batch took longer than files are held");
        None
    }

    impl Held {
        /// `None` where files cannot be held.
        fn start(options: &[&str]) -> Option<Held> {
            let bench = Bench::new();
            let mut leases = Vec::new();
            for number in 0..IMAGES {
                let image = bench.image(&format!("in/{number}.png"), 40, 20);
                leases.push(Lease::of(&image)?);
            }
            let arguments = [&["in", "-o", "out", "--json", "--jobs", "1"], options].concat();
            let mut command = bench.command(&arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let listen = || {
                // Whoever runs the tests may ignore Ctrl-C, and the program would, too. So it would if one of the other two
                // is ignored, as `nohup` has it, when it is built together with programs that handle all three.
                for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                    // SAFETY: always sound, also between fork and exec.
                    unsafe { libc::signal(signal, libc::SIG_DFL) };
                }
                Ok(())
            };
            // SAFETY: `listen` calls nothing that allocates or locks.
            unsafe { command.pre_exec(listen) };
            let mut child = command.spawn().expect("the program starts");
            let stderr = BufReader::new(child.stderr.take().expect("piped"));
            Some(Held { bench, leases, child, stderr, said: String::new() })
        }

        /// Waits until an image has begun, or the program has ended.
        fn wait_for_beginning(&mut self) {
            while !self.leases.iter().any(Lease::is_wanted) {
                if self.child.try_wait().expect("our own child").is_some() {
                    return;
                }
                rest(Duration::from_millis(1));
            }
        }

        /// Ctrl-C, unless it has ended.
        fn interrupt(&mut self) {
            if self.child.try_wait().expect("our own child").is_some() {
                return;
            }
            let id = libc::pid_t::try_from(self.child.id()).expect("a process id");
            // SAFETY: always sound; our own child, which has not been waited for.
            assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
        }

        /// Waits until the program has said so, or has ended.
        fn wait_for_saying(&mut self, text: &str) {
            let begin = self.said.len();
            while !self.said[begin..].contains(text)
                && self.stderr.read_line(&mut self.said).expect("readable") > 0
            {}
        }

        /// The end of it, and whose images are left.
        fn end(mut self) -> (Run, Bench) {
            self.stderr.read_to_string(&mut self.said).expect("readable");
            let Output { status, stdout, .. } = self.child.wait_with_output().expect("the program ends");
            assert!(!self.bench.files(".").iter().any(|name| name.ends_with(".tmp")), "a temporary file");
            (Run::new(&Output { status, stdout, stderr: self.said.into_bytes() }), self.bench)
        }
    }

    fn rest(time: Duration) {
        let (_never, nothing) = mpsc::channel::<()>();
        assert!(nothing.recv_timeout(time).is_err());
    }

    fn counts(summary: &Value) -> [u64; 4] {
        ["resized", "failed", "cancelled", "expired"]
            .map(|name| summary["totals"][name].as_u64().expect("a number"))
    }

    #[test]
    fn ctrl_c_lets_the_begun_end_and_tells_what_is_left() {
        for model in ["push", "pull"] {
            let played = play(&["--model", model], |held| {
                held.wait_for_beginning();
                held.interrupt();
                held.wait_for_saying("finishing");
                held.leases.clear();
            });
            let Some((run, bench)) = played else { return };
            let run = run.expect(130);
            run.complains("finishing");
            let summary = run.json();
            assert_eq!(counts(&summary), [1, 0, IMAGES as u64 - 1, 0]);
            assert_eq!(summary["interrupted"], true);
            assert_eq!(bench.files("out").len(), 1);
        }
    }

    #[test]
    fn the_second_ctrl_c_ends_it_at_once() {
        let played = play(&[], |held| {
            held.wait_for_beginning();
            held.interrupt();
            held.wait_for_saying("again");
            // The image that has begun is still held, to the end: nobody waits for it.
            held.interrupt();
        });
        let Some((run, bench)) = played else { return };
        run.complains("again");
        assert_eq!((run.expect(130).stdout.as_str(), bench.path("out").exists()), ("", false));
    }

    #[test]
    fn what_has_not_begun_in_time_never_does() {
        for model in ["push", "pull"] {
            let time = Duration::from_millis(300);
            let Some(mut held) = Held::start(&["--timeout", "300ms", "--model", model]) else { return };
            held.wait_for_beginning();
            // Its clock was running before the first image began.
            rest(time);
            held.leases.clear();
            let (run, _) = held.end();
            let summary = run.expect(6).json();
            let [resized, failed, cancelled, expired] = counts(&summary);
            // None has begun if the machine was so slow.
            assert!(resized <= 1, "{summary}");
            assert_eq!([failed, cancelled, resized + expired], [0, 0, IMAGES as u64]);
        }
    }
}
