//! The program on a cluster of this machine: a server, and workers as processes. Without a server (see
//! `longshore_cluster::testing`) the tests say so and pass over.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use longshore_cli::process::{self, Finished, Running, Stream};
use longshore_cluster::testing::{Server, programs};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(100);

/// A server, and a directory with images in `in`.
struct Site {
    server: Server,
    directory: TempDir,
}

impl Site {
    fn new(program: &Path, images: u32) -> Site {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(directory.path().join("in/sub")).expect("a directory");
        for number in 0..images {
            let color = |x, y| Rgb([(x * 3 + number) as u8, (y * 5) as u8, (x + y) as u8]);
            let name =
                if number % 3 == 0 { format!("in/sub/{number}.png") } else { format!("in/{number}.jpg") };
            let image = RgbImage::from_fn(160 + number % 7, 120, color);
            image.save(directory.path().join(name)).expect("an image");
        }
        Site { server: Server::start(program, ""), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resize"));
        command.args(arguments).current_dir(self.directory.path()).env("LONGSHORE_NATS", self.server.url());
        command
    }

    #[track_caller]
    fn run(&self, status: i32, arguments: &[&str]) -> Finished {
        let finished = process::run(&mut self.command(arguments)).expect("it runs");
        assert_eq!(finished.code(), Some(status), "{arguments:?}: {finished}");
        finished
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments)).expect("it starts")
    }

    fn status(&self) -> Value {
        let finished = process::run(&mut self.command(&["status", "--json"])).expect("it runs");
        serde_json::from_str(&finished.text()).unwrap_or_else(|error| panic!("{error}: {finished}"))
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.status()) {
            assert!(Instant::now() < deadline, "never: {what}: {}", self.status());
        }
    }

    /// The files below a directory, with their contents.
    fn files(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.path(below);
        let files =
            walkdir::WalkDir::new(&root).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let file = |entry: walkdir::DirEntry| {
            let name = entry.path().strip_prefix(&root).expect("below").to_owned();
            (name, fs::read(entry.path()).expect("readable"))
        };
        files.map(file).collect()
    }
}

#[test]
fn a_batch_through_a_broker_is_that_of_a_local_run() {
    for program in programs() {
        let site = Site::new(&program, 24);
        fs::write(site.path("in/damaged.jpg"), &fs::read(site.path("in/1.jpg")).expect("a file")[..900])
            .expect("cut");
        site.run(1, &["in", "-o", "local", "-s", "64x64"]);
        let options = ["in", "-o", "out", "-s", "64x64"];
        let pushed = site.run(0, &[&["push", "--list"], &options[..]].concat());
        assert!(pushed.text().contains("25 images queued, 0 up to date, 0 failed"), "{pushed}");
        let refused = site.run(1, &[&["push"], &options[..]].concat());
        assert!(refused.complaints().contains("exists already, with 25 jobs"), "{refused}");
        let listed = pushed.text();
        let id = listed
            .lines()
            .find(|line| line.ends_with("/damaged.jpg"))
            .and_then(|line| line.split(' ').next());
        let id = id.expect("a job");
        let explained = site.run(0, &["explain", id]);
        assert!(explained.text().contains("no worker works"), "{explained}");
        site.run(1, &["explain", "none"]);

        for model in ["push", "pull"] {
            let worked = site.run(0, &["work", "-j", "2", "--model", model, "--worker", model]);
            assert!(worked.text().contains("the batch is complete"), "{worked}");
        }
        assert_eq!(site.files("out"), site.files("local"));
        let status = site.status();
        assert_eq!(
            (&status["done"], &status["dead"], &status["missing"]),
            (&24.into(), &1.into(), &0.into())
        );
        let table = site.run(1, &["status", "--report", "page.html"]);
        assert!(table.text().contains("24 of 25 jobs done, 1 dead letters"), "{table}");
        assert!(table.text().contains("damaged.jpg"), "{table}");
        let page = fs::read_to_string(site.path("page.html")).expect("a page");
        assert_eq!(page.matches("class=done").count(), 24);
        assert_eq!(page.matches("class=dead").count(), 1);
        assert!(site.run(0, &["explain", id]).text().contains("a dead letter of push"), "{table}");

        // The image is mended: its letter is sent again. An output is lost: it is made again.
        fs::copy(site.path("in/2.jpg"), site.path("in/damaged.jpg")).expect("copied");
        let retried = site.run(0, &["retry"]);
        assert!(retried.text().contains("1 dead letters are queued again"), "{retried}");
        fs::remove_file(site.path("out/7.jpg")).expect("removed");
        let worker = site.start(&["work", "-j", "1", "--stay"]);
        let resumed = site.run(0, &[&["push", "--resume", "--wait"], &options[..]].concat());
        assert!(resumed.text().contains("up to date"), "{resumed}");
        assert_eq!(site.files("out").len(), 25);
        drop(worker);
    }
}

#[test]
fn images_of_workers_that_are_killed_are_made_by_others() {
    for program in programs() {
        let site = Site::new(&program, 90);
        let options = ["in", "-o", "out", "-s", "64x64"];
        site.run(0, &["in", "-o", "local", "-s", "64x64"]);
        site.run(0, &[&["push", "--lease", "2s"], &options[..]].concat());
        let mut workers: Vec<_> = (0..2).map(|_| site.start(&["work", "-j", "1"])).collect();
        for part in [15, 30, 45] {
            site.wait_until("a part is done", |status| status["done"].as_u64() >= Some(part));
            workers.remove(0).kill().expect("killed");
            workers.push(site.start(&["work", "-j", "1"]));
        }
        for worker in workers {
            let finished = worker.finish().expect("it ends");
            assert_eq!(finished.code(), Some(0), "{finished}");
        }
        // The closing comparison; half an output would be there under a temporary name.
        let resumed = site.run(0, &[&["push", "--resume"], &options[..]].concat());
        assert!(resumed.text().contains("0 images queued, 90 up to date, 0 failed"), "{resumed}");
        // What a killed worker has left is swept by the next local run.
        site.run(0, &options);
        assert_eq!(site.files("out"), site.files("local"));
    }
}

#[test]
fn a_worker_writes_beneath_its_root_alone() {
    for program in programs() {
        let site = Site::new(&program, 3);
        fs::create_dir_all(site.path("allowed")).expect("a directory");
        fs::create_dir_all(site.path("elsewhere")).expect("a directory");
        // Outside of the root; by a link within the root.
        site.run(0, &["push", "in", "-o", "elsewhere"]);
        let worked = site.run(0, &["work", "-j", "1", "--root", "allowed"]);
        assert!(worked.complaints().contains("is not written: it is outside of"), "{worked}");
        assert_eq!(site.files("elsewhere").len(), 0);
        assert_eq!(site.status()["dead"], 3);
        site.run(0, &["push", "in", "-o", "allowed/out", "--replace"]);
        fs::remove_dir_all(site.path("allowed/out")).expect("removed");
        std::os::unix::fs::symlink(site.path("elsewhere"), site.path("allowed/out")).expect("a link");
        let worked = site.run(0, &["work", "-j", "1", "--root", "allowed"]);
        assert!(worked.complaints().contains("a symbolic link"), "{worked}");
        assert_eq!(site.files("elsewhere").len(), 0);
        assert_eq!(site.status()["dead"], 3);
    }
}

#[test]
fn a_worker_ends_in_good_order_at_sigterm() {
    let Some(program) = programs().pop() else { return };
    let site = Site::new(&program, 1);
    let worker = site.start(&["work", "-j", "1", "--batch", "resize"]);
    worker.wait_for(Stream::Error, "there is no such batch yet").expect("it waits");
    let mut worker = worker;
    worker.signal(longshore_cli::signals::Signal::Terminate).expect("it runs");
    let finished = worker.finish().expect("it ends");
    assert_eq!(finished.code(), Some(0), "{finished}");
    site.run(0, &["push", "in", "-o", "out"]);
    let mut worker = site.start(&["work", "-j", "1", "--stay"]);
    site.wait_until("it is done", |status| status["done"] == 1);
    worker.signal(longshore_cli::signals::Signal::Terminate).expect("it runs");
    let finished = worker.finish().expect("it ends");
    assert_eq!(finished.code(), Some(0), "{finished}");
    assert!(finished.text().contains("stopped: 1 done"), "{finished}");
}

#[test]
fn outputs_are_up_to_date_whatever_the_clock_of_their_worker_says() {
    let Some(program) = programs().pop() else { return };
    let Some(library) = std::env::var_os("LONGSHORE_FAKETIME") else {
        println!(
            "notice: LONGSHORE_FAKETIME is not set (.ci/cluster does so); the test of clocks passes over"
        );
        return;
    };
    for offset in ["-1h", "+1h"] {
        let site = Site::new(&program, 4);
        let options = ["in", "-o", "out", "-s", "64x64"];
        site.run(0, &[&["push"], &options[..]].concat());
        let mut work = site.command(&["work", "-j", "1"]);
        // The wall clock alone: a monotonic clock is never set.
        work.env("LD_PRELOAD", &library).env("FAKETIME", offset).env("DONT_FAKE_MONOTONIC", "1");
        let worked = process::run(&mut work).expect("it runs");
        assert_eq!(worked.code(), Some(0), "{worked}");
        let resumed = site.run(0, &[&["push", "--resume"], &options[..]].concat());
        assert!(resumed.text().contains("0 images queued, 4 up to date, 0 failed"), "{offset}: {resumed}");
        // A source that changes afterwards is seen.
        let source = fs::File::options().write(true).open(site.path("in/1.jpg")).expect("an image");
        let output =
            fs::metadata(site.path("out/1.jpg")).and_then(|output| output.modified()).expect("its time");
        assert!(output.elapsed().is_ok(), "{offset}: an output of the future");
        source.set_modified(output + Duration::from_secs(1)).expect("set");
        let again = site.run(0, &[&["push", "--resume"], &options[..]].concat());
        assert!(again.text().contains("1 images queued, 3 up to date, 0 failed"), "{offset}: {again}");
    }
}

#[test]
fn the_script_for_one_machine_does_a_batch_or_says_why_its_server_does_not_start() {
    let Some(program) = programs().pop() else { return };
    let site = Site::new(&program, 5);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/here.sh");
    let here = |port: &str, output: &str| {
        let mut command = Command::new(&script);
        command.args(["in", "-o", output, "-s", "64x64"]).current_dir(site.directory.path());
        command.env("RESIZE", env!("CARGO_BIN_EXE_resize")).env("NATS_SERVER", &program);
        command.env("NATS_PORT", port).env("ROOT", site.directory.path());
        process::run(&mut command).expect("it ends")
    };
    let url = site.server.url();
    let refused = here(url.rsplit(':').next().expect("a port"), "none");
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.complaints().contains("address already in use"), "{refused}");
    assert!(!site.path("none").exists());

    // A port that was free a moment ago; another program may take it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    drop(listener);
    let done = here(&port, "out");
    assert_eq!(done.code(), Some(0), "{done}");
    assert!(done.text().contains("5 of 5 jobs done"), "{done}");
    assert_eq!(site.files("out").len(), 5);
}

#[test]
fn a_dry_push_leaves_the_batch_alone() {
    let Some(program) = programs().pop() else { return };
    let site = Site::new(&program, 4);
    let options = ["in", "-o", "out", "-s", "64x64", "--dry-run"];
    let first = site.run(0, &[&["push"], &options[..]].concat());
    assert!(first.text().contains("4 images to be queued, 0 up to date, 0 failed"), "{first}");
    assert!(!site.path("out").exists());
    site.run(0, &["push", "in", "-o", "out", "-s", "64x64"]);
    site.run(0, &["work", "-j", "1"]);
    let again = site.run(0, &[&["push", "--replace", "--list"], &options[..]].concat());
    assert!(again.text().contains("0 images to be queued, 4 up to date, 0 failed"), "{again}");
    assert_eq!(site.status()["done"], 4);
    // What a command would not do is not taken in silence.
    for (arguments, option) in [
        (&["push", "in", "--report", "page.html"][..], "push has no --report"),
        (&["push", "in", "--json"], "push has no --json"),
        (&["work", "in"], "work has no inputs"),
        (&["work", "-o", "out"], "work has no --output"),
        (&["work", "--force"], "work has no --force"),
    ] {
        let refused = site.run(2, arguments);
        assert!(refused.complaints().contains(option), "{refused}");
    }
}

#[test]
fn a_broker_is_named_and_reached_or_the_status_is_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resize"));
        command.args(arguments).current_dir(directory.path()).env_remove("LONGSHORE_NATS");
        process::run(&mut command).expect("it runs")
    };
    let none = run(&["status"]);
    assert_eq!(none.code(), Some(2), "{none}");
    assert!(none.complaints().contains("--nats URL or LONGSHORE_NATS"), "{none}");
    let unreachable = run(&["status", "--nats", "nats://me:secret@127.0.0.1:1"]);
    assert_eq!(unreachable.code(), Some(2), "{unreachable}");
    assert!(unreachable.complaints().contains("cannot connect to nats://127.0.0.1:1"), "{unreachable}");
    assert!(!unreachable.complaints().contains("secret"), "{unreachable}");
    assert_eq!(
        run(&["push", "in", "-o", "out", "--nats", "nats://127.0.0.1:1", "--lease", "10ms"]).code(),
        Some(2)
    );
}
