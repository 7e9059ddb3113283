//! The program as its user meets it: a service, clients that ask and clients that hang up.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use longshore_cli::process::{self, Finished, PATIENCE, Running, Stream};
use longshore_cli::signals::Signal;

/// The largest prime below 2^64.
const HARD: &str = "18446744073709551557";
/// Some seconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(25);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-async"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Finished {
    process::run(&mut program(arguments)).expect("it ends")
}

struct Service {
    running: Option<Running>,
    address: String,
}

impl Service {
    fn start(options: &[&str]) -> Service {
        Service::start_by(program(&["serve", "--listen", "127.0.0.1:0"]), options)
    }

    fn start_by(mut command: Command, options: &[&str]) -> Service {
        let running = Running::start(command.args(options)).expect("it starts");
        let line = running.wait_for(Stream::Output, "listening on ").expect("it listens");
        let address = line.strip_prefix("listening on ").expect("it listens").to_owned();
        Service { running: Some(running), address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    fn signal(&mut self, signal: Signal) {
        self.running.as_mut().expect("it runs").signal(signal).expect("it runs");
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let ended = self.running.take().expect("it runs").finish().expect("it ends");
        (ended.code(), format!("{}{}", ended.text(), ended.complaints()))
    }

    fn stop(&mut self) -> (Option<i32>, String) {
        self.signal(Signal::Terminate);
        self.end()
    }

    /// Sends all of it, and returns everything that comes back to the end.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("it is taken");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer, in UTF-8");
        text
    }

    /// The answer to a question, or to a connection that is refused; how long it took is within [`SOON`].
    fn ask_soon(&self, question: &str) -> String {
        let begin = Instant::now();
        let mut stream = self.connect();
        stream.write_all(format!("{question}\n").as_bytes()).expect("it is taken");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("an answer");
        assert!(begin.elapsed() < SOON, "{line:?} after {:?}", begin.elapsed());
        line
    }

    /// Asks until there is an answer that is no refusal.
    fn ask(&self, question: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.ask_soon(question);
            if !line.contains("try later") {
                return line;
            }
            assert!(Instant::now() < deadline, "it is always refused: {line}");
        }
    }
}

#[test]
fn numbers_are_factored_and_what_is_none_is_refused() {
    let mut service = Service::start(&[]);
    let asked = run(&["ask", &service.address, "1", "12", "97", "4294967295"]);
    assert_eq!(asked.code(), Some(0), "{asked}");
    assert_eq!(asked.text(), "1 = \n12 = 2 2 3\n97 = 97\n4294967295 = 3 5 17 257 65537\n");
    let asked = run(&["ask", &service.address, "0", "12", "dozen", "18446744073709551616"]);
    assert_eq!(asked.code(), Some(1), "{asked}");
    assert_eq!(asked.text().matches("not a number").count(), 3, "{asked}");
    assert!(asked.text().contains("12 = 2 2 3\n"), "{asked}");
    let (status, said) = service.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("5 answered, 3 not answered, 0 hung up"), "{said}");
}

#[test]
fn clients_that_hang_up_make_room_for_the_others() {
    // One worker, which the hard questions would keep for minutes each in a debug build.
    let mut service = Service::start(&["--jobs", "1", "--capacity", "1"]);
    let mut hard = Vec::new();
    for _ in 0..5 {
        let mut stream = service.connect();
        stream.write_all(format!("{HARD}\n").as_bytes()).expect("it listens");
        hard.push(stream);
    }
    drop(hard);
    let asked = run(&["ask", &service.address, "12"]);
    assert_eq!(asked.text(), "12 = 2 2 3\n");
    let (status, said) = service.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("1 answered, 0 not answered, 5 hung up"), "{said}");
}

#[test]
fn a_question_that_must_wait_too_long_is_told_so() {
    let mut service = Service::start(&["--jobs", "1", "--capacity", "1", "--patience", "0.2"]);
    // Both are longer under way than any client is ready to wait.
    let mut streams: Vec<_> = (0..3).map(|_| service.connect()).collect();
    for stream in &mut streams {
        stream.write_all(format!("{HARD}\n").as_bytes()).expect("it listens");
    }
    // One is computed, one may wait; each of the others is refused, sooner or later.
    let answers = std::sync::mpsc::channel();
    for stream in &streams {
        let (stream, sender) = (stream.try_clone().expect("a second handle"), answers.0.clone());
        std::thread::spawn(move || {
            let mut line = String::new();
            // An error if the test ends before there is an answer.
            let _ = BufReader::new(stream).read_line(&mut line);
            let _ = sender.send(line);
        });
    }
    for _ in 0..2 {
        let answer = answers.1.recv_timeout(PATIENCE).expect("an answer");
        assert_eq!(answer, format!("{HARD}: too busy, try later\n"));
    }
    for stream in &streams {
        stream.shutdown(std::net::Shutdown::Both).expect("it is open");
    }
    let (status, said) = service.stop();
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_stop_answers_what_was_asked() {
    let mut service = Service::start(&["--jobs", "1"]);
    let mut stream = service.connect();
    stream.write_all(b"1000000007\n9999999967\n").expect("it listens");
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next().expect("a line").expect("an answer"), "1000000007 = 1000000007");
    // Stopped now or after the second question, it leaves no question half-answered.
    let (status, said) = service.stop();
    assert_eq!(status, Some(0));
    let answered = 1 + lines.inspect(|line| assert!(line.is_ok(), "{line:?}")).count();
    assert!(said.contains(&format!("{answered} answered, 0 not answered, 0 hung up")), "{said}");
}

#[test]
fn the_demonstration_answers_all_questions() {
    let demo = run(&["demo", "--clients", "5", "--impatient", "3"]);
    assert_eq!(demo.code(), Some(0), "{demo}");
    let said = demo.text();
    assert!(said.contains("5 clients have 50 answers, all correct"), "{said}");
    assert!(said.contains("50 answered, 0 not answered, 3 hung up"), "{said}");
}

#[test]
fn a_line_that_is_too_long_is_never_taken_for_a_shorter_one() {
    let mut service = Service::start(&[]);
    for filler in ["0", " ", "\t"] {
        for length in [97, 98, 99, 100, 5000] {
            let answer = service.exchange(format!("{}123\n12\n", filler.repeat(length)).as_bytes());
            let (first, second) = answer.split_once('\n').expect("two lines");
            match length {
                97 => assert_eq!(first, "123 = 3 41"),
                _ => assert!(first.contains("too long"), "{length}: {answer}"),
            }
            assert_eq!(second, "12 = 2 2 3\n", "{length}");
        }
    }
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn any_bytes_are_answered_by_a_line() {
    let mut service = Service::start(&[]);
    let odd: [&[u8]; 9] =
        [b"\xff", b"12\xfe", b"\x1b[31m", b"1\x002", b"", b"+12", b"1,2", b"=", b"\xe2\x80\xae"];
    for line in odd {
        let answer = service.exchange(&[line, b"\n12\n"].concat());
        let lines: Vec<_> = answer.lines().collect();
        assert_eq!(lines.len(), 2, "{answer:?}");
        assert!(lines[0].contains(": not a number"), "{answer:?}");
        assert!(!answer.contains(|c: char| c.is_control() && c != '\n'), "{answer:?}");
        assert_eq!(lines[1], "12 = 2 2 3");
    }
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_client_that_closes_its_sending_side_is_answered() {
    let mut service = Service::start(&[]);
    for _ in 0..100 {
        assert_eq!(service.exchange(b"12\n97\n1"), "12 = 2 2 3\n97 = 97\n1 = \n");
    }
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn clients_that_ask_much_and_hang_up_make_room_for_the_others() {
    let mut service = Service::start(&["--jobs", "1"]);
    for repeat in [2, 1000] {
        let clients: Vec<_> = (0..10)
            .map(|_| {
                let mut stream = service.connect();
                stream.write_all(format!("{HARD}\n").repeat(repeat).as_bytes()).expect("it is taken");
                stream
            })
            .collect();
        drop(clients);
        assert_eq!(service.ask("12"), "12 = 2 2 3\n");
    }
    // Those that stay keep the worker; the next question is refused soon.
    let staying: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = service.connect();
            stream.write_all(format!("{HARD}\n").as_bytes()).expect("it is taken");
            stream
        })
        .collect();
    let answer = service.ask_soon("12");
    assert!(answer == "12: too busy, try later\n" || answer == "12 = 2 2 3\n", "{answer}");
    drop(staying);
    let (status, said) = service.stop();
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn silent_clients_do_not_keep_the_others_out() {
    let mut command = Command::new("sh");
    let service =
        format!("ulimit -n 100; exec {} serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_longshore-async"));
    command.args(["-c", &service]);
    let mut service = Service::start_by(command, &[]);
    let silent: Vec<_> = (0..150).map(|_| service.connect()).collect();
    assert_eq!(service.ask("12"), "12 = 2 2 3\n");
    drop(silent);
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn two_thousand_silent_clients_do_not_keep_the_others_out() {
    if longshore_cli::limits::raise_descriptors() < 2300 {
        println!("notice: this process may not open 2,300 files, skipped");
        return;
    }
    let mut service = Service::start(&[]);
    let silent: Vec<_> = (0..2200).map(|_| service.connect()).collect();
    assert_eq!(service.ask("12"), "12 = 2 2 3\n");
    drop(silent);
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn a_client_that_never_reads_does_not_hold_a_stop() {
    let mut service = Service::start(&["--grace", "1h"]);
    let mut flood = service.connect();
    flood.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    // Until neither side takes any more, or the service has cut it.
    while flood.write_all(&b"12\n".repeat(10_000)).is_ok() {}
    let begin = Instant::now();
    let (status, said) = service.stop();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    assert_eq!(status, Some(0), "{said}");
    drop(flood);
}

#[test]
fn a_stop_ends_within_its_grace_and_the_second_at_once() {
    for second in [false, true] {
        let mut service = Service::start(&["--jobs", "2", "--grace", if second { "1h" } else { "1s" }]);
        let mut hard = service.connect();
        hard.write_all(format!("{HARD}\n").as_bytes()).expect("it is taken");
        let mut half = service.connect();
        half.write_all(b"1").expect("it is taken");
        // The hard question is under way when another one, on a later connection, is answered.
        assert_eq!(service.ask("12"), "12 = 2 2 3\n");
        service.signal(Signal::Terminate);
        if second {
            let running = service.running.as_mut().expect("it runs");
            running.wait_for(Stream::Error, "SIGTERM").expect("a note");
            running.signal(Signal::Interrupt).expect("it runs");
        }
        let begin = Instant::now();
        let (status, said) = service.end();
        assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
        let expected = if second { 130 } else { 1 };
        assert_eq!(status, Some(expected), "{said}");
        assert_eq!(said.contains("1 connections were cut"), !second, "{said}");
    }
}

#[test]
fn bad_usage_exits_with_2() {
    let cases: [&[&str]; 6] = [
        &[],
        &["serve", "--jobs", "5000"],
        &["serve", "--listen", "nowhere"],
        &["ask", "127.0.0.1:1", "12"],
        &["ask", "127.0.0.1:1", "12\n13"],
        &["ask", "127.0.0.1:1", "\x1b[31m"],
    ];
    for arguments in cases {
        let run = run(arguments);
        assert_eq!(run.code(), Some(2), "{arguments:?}: {run}");
        assert!(run.output.is_empty() && !run.error.is_empty(), "{arguments:?}: {run}");
    }
}
