//! The program as its user meets it: a service, clients that ask and clients that hang up.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// For anything to happen on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The largest prime below 2^64.
const HARD: &str = "18446744073709551557";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore-async"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Service {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Service {
    fn start(options: &[&str]) -> Service {
        let mut child = program(&["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("it listens").to_owned();
        Service { child, output, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    fn signal(&self) {
        let process = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.expect("a process number");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
    }

    fn stop(&mut self) -> (Option<i32>, String) {
        self.signal();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn numbers_are_factored_and_what_is_none_is_refused() {
    let mut service = Service::start(&[]);
    let asked = run(&["ask", &service.address, "1", "12", "97", "4294967295"]);
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    assert_eq!(text(&asked.stdout), "1 = \n12 = 2 2 3\n97 = 97\n4294967295 = 3 5 17 257 65537\n");
    let asked = run(&["ask", &service.address, "0", "12", "dozen", "18446744073709551616"]);
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    assert_eq!(text(&asked.stdout).matches("not a number").count(), 3, "{asked:?}");
    assert!(text(&asked.stdout).contains("12 = 2 2 3\n"), "{asked:?}");
    let (status, said) = service.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("5 answered, 3 not answered, 0 hung up"), "{said}");
}

#[test]
fn who_hangs_up_makes_room_for_the_others() {
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
    assert_eq!(text(&asked.stdout), "12 = 2 2 3\n");
    let (status, said) = service.stop();
    assert_eq!(status, Some(0));
    assert!(said.contains("1 answered, 0 not answered, 5 hung up"), "{said}");
}

#[test]
fn a_question_that_must_wait_too_long_is_told_so() {
    let mut service = Service::start(&["--jobs", "1", "--capacity", "1", "--patience", "0.2"]);
    // Both are longer under way than anybody is ready to wait.
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
fn the_demonstration_answers_everybody() {
    let demo = run(&["demo", "--clients", "5", "--impatient", "3"]);
    assert_eq!(demo.status.code(), Some(0), "{demo:?}");
    let said = text(&demo.stdout);
    assert!(said.contains("5 clients have 50 answers, all correct"), "{said}");
    assert!(said.contains("50 answered, 0 not answered, 3 hung up"), "{said}");
}

#[test]
fn bad_usage_exits_with_2() {
    let cases: [&[&str]; 6] = [
        &[],
        &["serve", "--jobs", "0"],
        &["serve", "--jobs", "5000"],
        &["serve", "--capacity", "0"],
        &["serve", "--listen", "nowhere"],
        &["ask", "127.0.0.1:1", "12"],
    ];
    for arguments in cases {
        let run = run(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}");
    }
}
