//! The program as its user meets it: servers under small loads, stopped in the middle, and misused.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;

const MODES: [&str; 4] = ["thread-per-request", "one-consumer", "pool", "back-pressure"];
/// For anything to happen on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-server"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server with a database in a directory of its own.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
    directory: TempDir,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = program(&["serve", "--listen", "127.0.0.1:0", "--database", "test.db"])
            .args(options)
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("it listens");
        let address = address.parse().expect("an address");
        Server { child, output, address, directory }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// Waits until there are so many rows.
    fn wait_for(&self, rows: u64) {
        let deadline = Instant::now() + PATIENCE;
        while count(&self.database()).0 < rows {
            assert!(Instant::now() < deadline, "fewer than {rows} rows");
            std::thread::yield_now();
        }
    }

    /// Stops it by a signal; returns its exit status and what it said at the end.
    fn stop(&mut self) -> (Option<i32>, String) {
        let process = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.expect("a process number");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code(), rest)
    }

    /// Sends a request as it is, with a hint to close, and returns the status of the answer.
    fn raw(&self, method: &str, path: &str, body: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("it listens");
        // It may close before it has read all of a body that is too large.
        let _ = stream.write_all(body);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows, and different names among them.
fn count(database: &Path) -> (u64, u64) {
    let connection = Connection::open(database).expect("the database");
    connection.busy_timeout(PATIENCE).expect("a timeout");
    let count = |row: &rusqlite::Row<'_>, column| row.get::<usize, i64>(column).map(i64::unsigned_abs);
    let counts = |row: &rusqlite::Row<'_>| Ok((count(row, 0)?, count(row, 1)?));
    connection.query_row("SELECT count(*), count(DISTINCT name) FROM uploads", [], counts).expect("counts")
}

/// The number before a word.
fn number(text: &str, word: &str) -> u64 {
    let words: Vec<_> = text.split_whitespace().map(|word| word.trim_matches([',', ':'])).collect();
    let place = words.iter().position(|other| *other == word).expect("the word");
    words[place - 1].parse().expect("a number")
}

#[test]
fn the_bench_finds_each_accepted_upload_once_in_the_database() {
    let bench = run(&["bench", "-n", "200", "-c", "20", "--rounds", "3", "--size", "1000"]);
    assert_eq!(bench.status.code(), Some(0), "{bench:?}");
    let table = text(&bench.stdout);
    for (mode, line) in MODES.iter().zip(table.lines().skip(1)) {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells[..6], [mode, "200", "0", "0", "200", "0"], "{table}");
    }
    assert_eq!(table.lines().count(), 5);
}

#[test]
fn a_server_that_is_stopped_under_load_has_stored_what_it_has_accepted() {
    for mode in MODES {
        let mut server = Server::start(&["--mode", mode, "--rounds", "3", "--capacity", "8"]);
        let address = server.address.to_string();
        let load = program(&["load", &address, "-n", "2000", "-c", "16", "--size", "100"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        server.wait_for(50);
        let (status, said) = server.stop();
        assert_eq!(status, Some(0), "{mode}: {said}");
        let seen = text(&load.wait_with_output().expect("it ends").stdout);
        let accepted = number(&seen, "accepted");
        assert!(accepted >= 50, "{mode}: {seen}");
        assert_eq!(number(&said, "accepted"), accepted, "{mode}: {said}");
        assert_eq!(number(&said, "stored"), accepted, "{mode}: {said}");
        assert_eq!(count(&server.database()), (accepted, accepted), "{mode}");
    }
}

#[test]
fn a_full_server_refuses_and_loses_nothing() {
    let mut server = Server::start(&[
        "--mode",
        "back-pressure",
        "--capacity",
        "1",
        "--jobs",
        "1",
        "--patience",
        "0.001",
        "--rounds",
        "3000",
    ]);
    let load = run(&["load", &server.address.to_string(), "-n", "200", "-c", "20", "--size", "100"]);
    assert_eq!(load.status.code(), Some(0), "{load:?}");
    let seen = text(&load.stdout);
    let (accepted, refused) = (number(&seen, "accepted"), number(&seen, "refused"));
    assert!(refused > 0, "{seen}");
    assert_eq!(accepted + refused, 200, "{seen}");
    let (status, said) = server.stop();
    assert_eq!((status, number(&said, "stored")), (Some(0), accepted), "{said}");
    assert_eq!(count(&server.database()), (accepted, accepted));
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let mut server = Server::start(&["--rounds", "1", "--model", "push"]);
    assert_eq!(server.raw("GET", "/uploads/a", b""), 405);
    assert_eq!(server.raw("POST", "/", b""), 404);
    assert_eq!(server.raw("POST", "/uploads/", b""), 400);
    assert_eq!(server.raw("POST", "/uploads/a%20b", b""), 400);
    assert_eq!(server.raw("POST", &format!("/uploads/{}", "a".repeat(201)), b""), 400);
    assert_eq!(server.raw("POST", "/uploads/a", &vec![0; (1 << 20) + 1]), 413);
    assert_eq!(server.raw("POST", "/uploads/empty", b""), 201);
    assert_eq!(server.raw("POST", "/uploads/full", &vec![0; 1 << 20]), 201);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(count(&server.database()), (2, 2));
}

#[test]
fn a_database_that_fails_is_told_to_the_client_and_at_the_end() {
    for mode in MODES {
        let mut server = Server::start(&["--mode", mode, "--rounds", "1"]);
        Connection::open(server.database())
            .and_then(|connection| connection.execute("DROP TABLE uploads", []))
            .expect("the table is there");
        assert_eq!(server.raw("POST", "/uploads/a", b"content"), 500, "{mode}");
        let (status, said) = server.stop();
        assert_eq!(status, Some(1), "{mode}");
        assert!(said.contains("1 accepted, 0 refused, 0 stored"), "{mode}: {said}");
    }
}

#[test]
fn bad_usage_exits_with_2() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("an address");
    let taken = taken.local_addr().expect("an address").to_string();
    let file = tempfile::tempdir().expect("a directory");
    let database = file.path().join("a.db");
    let database = database.to_str().expect("a plain name");
    let url = "postgres://nobody@127.0.0.1:1/none";
    let cases: [&[&str]; 9] = [
        &[],
        &["serve", "--mode", "other"],
        &["serve", "--capacity", "0"],
        &["serve", "--patience", "0"],
        &["serve", "--jobs", "5000", "--database", database],
        &["serve", "--listen", &taken, "--database", database],
        &["serve", "--listen", "127.0.0.1:0", "--database", "/nowhere/at/all.db"],
        &["serve", "--listen", "127.0.0.1:0", "--database", url],
        &["load", "127.0.0.1:1", "-n", "1"],
    ];
    for arguments in cases {
        let run = run(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}");
    }
}
