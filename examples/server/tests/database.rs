//! A database that is locked, that hangs, or that another program has made.

#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Answer, PROGRAM, Server, count, number};
use longshore_cli::process::{PATIENCE, Running};
use longshore_cli::signals::Signal;
use rusqlite::Connection;

/// A lock on the database, as long as it lives.
fn lock(server: &Server) -> Connection {
    let connection = Connection::open(server.database()).expect("it opens");
    connection.busy_timeout(PATIENCE).expect("a timeout");
    connection.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    connection
}

/// Sends so many uploads at a time, and returns their answers.
fn post_all(server: &Server, count: usize, size: usize) -> Vec<thread::JoinHandle<Answer>> {
    let post = |number: usize| {
        let mut stream = server.connect();
        thread::spawn(move || {
            let head = format!(
                "POST /uploads/upload-{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
            );
            stream.write_all(&[head.as_bytes(), &vec![7; size]].concat()).expect("it is taken");
            Answer::read(stream)
        })
    };
    (0..count).map(post).collect()
}

#[test]
fn a_locked_database_fills_the_places_and_all_others_are_refused() {
    const UPLOADS: usize = 150;
    const CAPACITY: usize = 32;
    for (jobs, model) in [(1, "pull"), (2, "pull"), (2, "push")] {
        let workers = jobs.to_string();
        let options =
            ["--capacity", "32", "--jobs", &workers, "--model", model, "--rounds", "1", "--patience", "1s"];
        let mut server = Server::start(&options);
        let locked = lock(&server);
        let mut answers = post_all(&server, UPLOADS, 1000);
        // Those that are refused have their answers while the database is still locked.
        let begin = Instant::now();
        let mut refused = 0;
        while refused < UPLOADS - CAPACITY - jobs {
            let done = answers.iter().position(thread::JoinHandle::is_finished);
            let Some(done) = done else {
                assert!(begin.elapsed() < PATIENCE, "{refused} are refused, and no more");
                thread::park_timeout(Duration::from_millis(1));
                continue;
            };
            let answer = answers.swap_remove(done).join().expect("no panic");
            assert_eq!(answer.status, 503, "{answer:?}");
            refused += 1;
        }
        drop(locked);
        for answer in answers {
            assert_eq!(answer.join().expect("no panic").status, 201);
        }
        let ended = server.stop();
        assert_eq!(ended.code(), Some(0), "{ended}");
        let stored = (CAPACITY + jobs) as u64;
        assert_eq!(count(&server.database()), (stored, stored));
        assert_eq!(number(&ended.text(), "refused"), UPLOADS as u64 - stored);
        // The first may have been alone, or was written with its fellows.
        assert!(number(&ended.text(), "transactions") <= 3, "{ended}");
    }
}

#[test]
fn memory_is_bounded_by_the_places() {
    let peak = |server: &Server| -> u64 {
        let number = server.running.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{number}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches("kB").trim().parse().expect("a number")
    };
    if !std::path::Path::new("/proc/self/status").exists() {
        println!("notice: the memory of a process is unknown here, skipped");
        return;
    }
    let mut server = Server::start(&["--capacity", "7", "--jobs", "1", "--rounds", "1", "--patience", "60s"]);
    assert_eq!(server.post("first", &vec![7; 1 << 20]).status, 201);
    let before = peak(&server);
    let locked = lock(&server);
    // Ten times what there is room for, all at once, each of the largest size.
    let answers = post_all(&server, 80, 1 << 20);
    thread::park_timeout(Duration::from_millis(500));
    let most = peak(&server) - before;
    drop(locked);
    for answer in answers {
        assert_eq!(answer.join().expect("no panic").status, 201);
    }
    // 8 bodies, each held twice while it grows; and what each connection reads ahead.
    assert!(most < (2 * 8 * 1024) + 80 * 128, "{most} kB more than before");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn one_worker_has_batches_as_well() {
    // Without a lock it depends on the disk how many uploads share a transaction; with one, all that came meanwhile do.
    let mut server = Server::start(&["--jobs", "1", "--rounds", "1", "--capacity", "1000"]);
    let locked = lock(&server);
    let answers = post_all(&server, 100, 100);
    // The work on all of them is done while the first cannot be written: then the queue before the worker is empty.
    thread::park_timeout(Duration::from_millis(300));
    drop(locked);
    for answer in answers {
        assert_eq!(answer.join().expect("no panic").status, 201);
    }
    let ended = server.stop();
    assert!(number(&ended.text(), "transactions") < 50, "{ended}");
    assert_eq!(count(&server.database()), (100, 100));
}

#[test]
fn a_key_stores_once_and_belongs_to_one_upload() {
    let mut server = Server::start(&["--rounds", "1"]);
    let key = "Idempotency-Key: 7f6c\r\n";
    let first = server.raw("POST", "/uploads/a", key, b"content");
    assert_eq!(first.status, 201);
    assert_eq!(server.raw("POST", "/uploads/a", key, b"content"), first);
    assert_eq!(server.raw("POST", "/uploads/a", key, b"other").status, 422);
    assert_eq!(server.raw("POST", "/uploads/b", key, b"content").status, 422);
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.text().contains("2 accepted, 2 refused, 2 stored"), "{ended}");
    assert_eq!(count(&server.database()), (1, 1));
}

#[test]
fn a_table_of_other_columns_is_refused_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.db");
    Connection::open(&path)
        .and_then(|other| other.execute_batch("CREATE TABLE uploads (id INTEGER PRIMARY KEY, title TEXT)"))
        .expect("a table");
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--listen", "127.0.0.1:0", "--database"]).arg(&path);
    let ended = longshore_cli::process::run(&mut command).expect("it ends");
    assert_eq!((ended.code(), ended.output.len()), (Some(2), 0), "{ended}");
    assert!(ended.complaints().contains("is not the server's"), "{ended}");
}

/// With uploads that cannot be stored, a client with half a head, and one that has begun a body.
fn stuck(options: &[&str]) -> (Server, Connection, [TcpStream; 3]) {
    let server = Server::start(options);
    let locked = lock(&server);
    let post = |text: &str| {
        let mut stream = server.connect();
        stream.write_all(text.as_bytes()).expect("it is taken");
        stream
    };
    let mut held =
        post("POST /uploads/held HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    // The word of a server that has begun to read it.
    held.read_exact(&mut [0; 25]).expect("100 Continue");
    held.write_all(b"a").expect("it is taken");
    let half = post("POST /uploads/half HTTP/1.1\r\nHo");
    let silent = post("");
    (server, locked, [held, half, silent])
}

#[test]
fn a_stop_ends_within_its_grace_whatever_the_database_does() {
    let (mut server, _locked, clients) = stuck(&["--grace", "2s", "--rounds", "1"]);
    let begin = Instant::now();
    let ended = server.stop();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(ended.code(), Some(1), "{ended}");
    assert!(ended.text().contains("0 stored"), "{ended}");
    assert!(ended.complaints().contains("1 connections were cut"), "{ended}");
    drop(clients);
    assert_eq!(count(&server.database()), (0, 0));
}

#[test]
fn half_a_request_does_not_hold_a_stop() {
    let mut server = Server::start(&["--grace", "1h", "--rounds", "1"]);
    let mut half = server.connect();
    half.write_all(b"POST /uploads/half HTTP/1.1\r\nHo").expect("it is taken");
    let _silent = server.connect();
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn the_second_signal_ends_it_at_once() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let (mut server, _locked, clients) = stuck(&["--grace", "1h", "--rounds", "1"]);
        server.signal(Signal::Terminate);
        let running = server.running.as_mut().expect("it runs");
        running.wait_for(longshore_cli::process::Stream::Error, "SIGTERM").expect("a note");
        running.signal(signal).expect("it runs");
        let ended = server.running.take().expect("it runs").finish().expect("it ends");
        assert_eq!(ended.code(), Some(128 + i32::from(signal.number())), "{ended}");
        drop(clients);
    }
}

/// What is accepted and answered is there after the process was killed, and nothing is there twice.
#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    let mut server = Server::start(&["--rounds", "1"]);
    let (address, database) = (server.address.to_string(), server.database());
    let load = ["load", &address, "-n", "3000", "-c", "8", "--size", "1000"];
    let load = Running::start(&mut common::program(&load)).expect("it starts");
    server.wait_for(100);
    server.running.take().expect("it runs").kill().expect("killed");
    let said = load.finish().expect("it ends").text();
    let (acknowledged, (rows, names)) = (number(&said, "accepted"), count(&database));
    assert_eq!(rows, names);
    // Each connection has one upload at a time, so that all others were answered.
    assert!((rows - 8..=rows).contains(&acknowledged), "{rows} rows, {acknowledged} acknowledged");
}
