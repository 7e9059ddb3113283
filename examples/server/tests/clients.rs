//! Clients that close one side, send too much, wait for a word, are silent, or stop in the middle.

#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{Answer, PROGRAM, Server, count};
use longshore_cli::process::PATIENCE;

/// A promise about seconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);

fn request(name: &str, length: usize, headers: &str) -> Vec<u8> {
    format!("POST /uploads/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n")
        .into_bytes()
}

#[test]
fn a_client_that_closes_its_sending_side_is_answered() {
    for mode in common::MODES {
        let mut server = Server::start(&["--mode", mode, "--rounds", "1"]);
        let clients: Vec<_> = (0..100)
            .map(|number| {
                let mut stream = server.connect();
                let head = request(&format!("upload-{number}"), 1000, "");
                thread::spawn(move || {
                    stream.write_all(&[&head[..], &[7; 1000]].concat()).expect("it is taken");
                    stream.shutdown(Shutdown::Write).expect("it is open");
                    Answer::read(stream)
                })
            })
            .collect();
        for client in clients {
            let answer = client.join().expect("no panic");
            assert_eq!(answer.status, 201, "{mode}: {answer:?}");
        }
        assert_eq!(server.stop().code(), Some(0));
        assert_eq!(count(&server.database()), (100, 100), "{mode}");
    }
}

#[test]
fn a_body_that_is_too_large_is_told_so() {
    let mut server = Server::start(&["--rounds", "1"]);
    let large = 16 << 20;
    for _ in 0..10 {
        // As most clients do: everything is sent before anything is read.
        let answer = server.post("large", &vec![7; large]);
        assert_eq!(answer.status, 413, "{answer:?}");
        let mut stream = server.connect();
        let head = "POST /uploads/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n";
        stream.write_all(head.as_bytes()).expect("it is taken");
        stream.write_all(&vec![7; large]).expect("it is taken");
        assert_eq!(Answer::read(stream).status, 413);
    }
    // A client that asks before it sends is told without the body.
    let mut stream = server.connect();
    stream.write_all(&request("large", large, "Expect: 100-continue\r\n")).expect("it is taken");
    assert_eq!(Answer::read(stream).status, 413);
    let mut stream = server.connect();
    stream.write_all(&request("small", 3, "Expect: 100-continue\r\n")).expect("it is taken");
    let mut word = [0; 25];
    stream.read_exact(&mut word).expect("a word");
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").expect("it is taken");
    assert_eq!(Answer::read(stream).status, 201);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(count(&server.database()), (1, 1));
}

#[test]
fn a_connection_goes_on_after_an_upload_that_was_not_accepted() {
    let mut server = Server::start(&["--rounds", "1"]);
    let mut stream = server.connect();
    for (name, status) in [("a%20b", "400"), ("good", "201"), ("a%20b", "400"), ("good", "201")] {
        stream.write_all(&[&request(name, 1000, "")[..], &[7; 1000]].concat()).expect("it is taken");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer[9..], *status.as_bytes());
        let mut byte = [0];
        let mut end = Vec::new();
        // To the end of the text, which is the second line that is empty or the last.
        while !end.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a header");
            end.push(byte[0]);
        }
        while byte[0] != b'\n' || end.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a text");
            end.push(byte[0]);
        }
    }
    drop(stream);
    assert_eq!(server.stop().code(), Some(0));
}

/// Starts a server that may have no more than so many descriptors.
fn with_descriptors(descriptors: u32, options: &[&str]) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""), PROGRAM]);
    Server::start_by(command, options)
}

#[test]
fn silent_clients_do_not_keep_the_others_out() {
    let mut server = with_descriptors(64, &["--rounds", "1"]);
    let silent: Vec<TcpStream> = (0..52).map(|_| server.connect()).collect();
    let mut half = server.connect();
    half.write_all(b"POST /uploads/half HTTP/1.1\r\nHo").expect("it is taken");
    let mut stored = 0;
    let begin = Instant::now();
    while stored < 20 {
        let asked = Instant::now();
        let answer = server.post(&format!("upload-{stored}"), b"content");
        assert!(asked.elapsed() < SOON, "an answer took {:?}", asked.elapsed());
        match answer.status {
            201 => stored += 1,
            503 => assert!(begin.elapsed() < PATIENCE, "all are refused"),
            other => panic!("{other}: {answer:?}"),
        }
    }
    drop((silent, half));
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(count(&server.database()), (20, 20));
}

#[test]
fn too_few_descriptors_for_any_client_are_told_at_the_start() {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n 30; exec {PROGRAM} serve --listen 127.0.0.1:0 --database \"$0\"");
    let directory = tempfile::tempdir().expect("a directory");
    command.args(["-c", &script]).arg(directory.path().join("a.db"));
    let ended = longshore_cli::process::run(&mut command).expect("it ends");
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.complaints().contains("only 30 open files"), "{ended}");
}

#[test]
fn a_body_that_does_not_come_gives_its_place_back() {
    // One place to wait and one worker: two bodies that do not come take both.
    let mut server =
        Server::start(&["--mode", "back-pressure", "--capacity", "1", "--jobs", "1", "--patience", "60s"]);
    let mut slow: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(&[&request("slow", 1000, "")[..], b"some"].concat()).expect("it is taken");
    }
    let begin = Instant::now();
    assert_eq!(server.post("other", b"content").status, 201);
    assert!(begin.elapsed() < SOON + SOON);
    for stream in slow {
        assert_eq!(Answer::read(stream).status, 408);
    }
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(count(&server.database()), (1, 1));
}

#[test]
fn malformed_requests_are_answered_or_cut_and_store_nothing() {
    let mut server = Server::start(&["--rounds", "1"]);
    let long = "a".repeat(200_000);
    let requests = [
        "\r\n\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST\r\n\r\n",
        "POST /uploads/a\r\n\r\n",
        "POST /uploads/a HTTP/9.9\r\n\r\n",
        "POST /uploads/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /uploads/a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /uploads/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /uploads/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        "POST /uploads/a HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\nabc",
        "POST /uploads/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        "POST /uploads/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
        "POST /uploads/a HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /uploads/a HTTP/1.1\r\nName : value\r\n\r\n",
        "POST /uploads/../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /uploads/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /uploads/%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let heads = [
        format!("POST /uploads/{long} HTTP/1.1\r\n\r\n"),
        format!("POST /uploads/a HTTP/1.1\r\nX: {long}\r\n\r\n"),
    ];
    for request in requests.iter().map(|request| request.as_bytes()).chain(heads.iter().map(String::as_bytes))
    {
        let mut stream = server.connect();
        // It may have had enough before the end.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let is_refused =
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4") || answer.starts_with(b"HTTP/1.0 4");
        assert!(is_refused, "{}: {}", request.escape_ascii(), answer.escape_ascii());
    }
    assert_eq!(server.post("good", b"content").status, 201);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(count(&server.database()), (1, 1));
}
