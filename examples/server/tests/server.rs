//! The program as its user meets it: servers under small loads, stopped in the middle, and misused.

#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::process::Stdio;

use common::{MODES, Server, count, number, program, run};
use rusqlite::Connection;

#[test]
fn the_bench_finds_each_accepted_upload_once_in_the_database() {
    let bench = run(&["bench", "-n", "200", "-c", "20", "--rounds", "3", "--size", "1000"]);
    assert_eq!(bench.code(), Some(0), "{bench}");
    let table = bench.text();
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
        let ended = server.stop();
        let said = ended.text();
        assert_eq!(ended.code(), Some(0), "{mode}: {ended}");
        let seen = load.wait_with_output().expect("it ends").stdout;
        let seen = String::from_utf8_lossy(&seen).into_owned();
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
    assert_eq!(load.code(), Some(0), "{load}");
    let seen = load.text();
    let (accepted, refused) = (number(&seen, "accepted"), number(&seen, "refused"));
    assert!(refused > 0, "{seen}");
    assert_eq!(accepted + refused, 200, "{seen}");
    let ended = server.stop();
    assert_eq!((ended.code(), number(&ended.text(), "stored")), (Some(0), accepted), "{ended}");
    assert_eq!(count(&server.database()), (accepted, accepted));
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let mut server = Server::start(&["--rounds", "1", "--model", "push"]);
    let status = |method, path: &str, headers, body: &[u8]| server.raw(method, path, headers, body).status;
    assert_eq!(status("GET", "/uploads/a", "", b""), 405);
    assert_eq!(status("POST", "/", "", b""), 404);
    assert_eq!(status("POST", "/uploads/", "", b""), 400);
    assert_eq!(status("POST", "/uploads/a%20b", "", b""), 400);
    assert_eq!(status("POST", &format!("/uploads/{}", "a".repeat(201)), "", b""), 400);
    assert_eq!(status("POST", "/uploads/a", "", &vec![0; (1 << 20) + 1]), 413);
    assert_eq!(status("POST", "/uploads/a", "Idempotency-Key: a b\r\n", b""), 400);
    assert_eq!(status("POST", "/uploads/a", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n", b""), 400);
    assert_eq!(status("POST", "/uploads/empty", "", b""), 201);
    assert_eq!(status("POST", "/uploads/full", "", &vec![0; 1 << 20]), 201);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(count(&server.database()), (2, 2));
}

#[test]
fn a_database_that_fails_is_told_to_the_client_and_at_the_end() {
    for mode in MODES {
        let mut server = Server::start(&["--mode", mode, "--rounds", "1"]);
        Connection::open(server.database())
            .and_then(|connection| connection.execute("DROP TABLE uploads", []))
            .expect("the table is there");
        let answer = server.post("a", b"content");
        assert_eq!(answer.status, 500, "{mode}");
        assert!(answer.text.starts_with("not stored: "), "{mode}: {answer:?}");
        let ended = server.stop();
        assert_eq!(ended.code(), Some(1), "{mode}");
        assert!(ended.text().contains("1 accepted, 0 refused, 0 stored"), "{mode}: {ended}");
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
    let text = file.path().join("text");
    std::fs::write(&text, "no database, but a text that is long enough to be taken for one").expect("a file");
    let (directory, text) =
        (file.path().to_str().expect("a plain name"), text.to_str().expect("a plain name"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--database"];
    let cases: [&[&str]; 6] = [
        &[],
        &["serve", "--mode", "other"],
        &["serve", "--capacity", "100000000000"],
        &["serve", "--jobs", "5000", "--database", database],
        &["serve", "--listen", &taken, "--database", database],
        &["load", "127.0.0.1:1", "-n", "1"],
    ];
    let databases = ["/nowhere/at/all.db", url, "", ":memory:", directory, text, "mysql://host/base"];
    let databases = databases.map(|database| [&serve[..], &[database]].concat());
    for arguments in cases.into_iter().map(<[_]>::to_vec).chain(databases) {
        let run = run(&arguments);
        assert_eq!(run.code(), Some(2), "{arguments:?}: {run}");
        assert!(run.output.is_empty() && !run.error.is_empty(), "{arguments:?}: {run}");
    }
}
