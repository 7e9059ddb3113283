//! What the tests share: a server with a database of its own, and plain connections to it.

#![allow(dead_code, reason = "every test binary has a copy and uses its own part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use longshore_cli::process::{Finished, PATIENCE, Running, Stream};
use longshore_cli::signals::Signal;
use rusqlite::Connection;
use tempfile::TempDir;

pub const MODES: [&str; 4] = ["thread-per-request", "one-consumer", "pool", "back-pressure"];
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_longshore-server");

pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}

pub fn run(arguments: &[&str]) -> Finished {
    longshore_cli::process::run(&mut program(arguments)).expect("it ends")
}

/// A server with a database in a directory of its own.
pub struct Server {
    /// Until it is stopped.
    pub running: Option<Running>,
    pub address: SocketAddr,
    pub directory: TempDir,
}

impl Server {
    /// With an SQLite file, unless the options name another database.
    pub fn start(options: &[&str]) -> Server {
        Server::start_by(Command::new(PROGRAM), options)
    }

    /// Through another program, whose last argument is the server's file.
    pub fn start_by(mut command: Command, options: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).current_dir(directory.path());
        if !options.contains(&"--database") {
            command.args(["--database", "test.db"]);
        }
        let running = Running::start(&mut command).expect("the program starts");
        let line = running.wait_for(Stream::Output, "listening on ").expect("it listens");
        let address = line.strip_prefix("listening on ").expect("it listens").parse().expect("an address");
        Server { running: Some(running), address, directory }
    }

    pub fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// Waits until there are so many rows.
    pub fn wait_for(&self, rows: u64) {
        let deadline = Instant::now() + PATIENCE;
        while count(&self.database()).0 < rows {
            assert!(Instant::now() < deadline, "fewer than {rows} rows");
            std::thread::yield_now();
        }
    }

    /// Stops it by a signal, and waits for its end.
    pub fn stop(&mut self) -> Finished {
        self.signal(Signal::Terminate);
        self.running.take().expect("it runs").finish().expect("it ends")
    }

    pub fn signal(&mut self, signal: Signal) {
        self.running.as_mut().expect("it runs").signal(signal).expect("it runs");
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Sends a request as it is, with a hint to close, and returns the answer.
    pub fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let mut stream = self.connect();
        stream.write_all(&[head.as_bytes(), body].concat()).expect("it is taken");
        Answer::read(stream)
    }

    pub fn post(&self, name: &str, body: &[u8]) -> Answer {
        self.raw("POST", &format!("/uploads/{name}"), "", body)
    }
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// Reads an answer to its end, which the end of the connection is.
    pub fn read(stream: TcpStream) -> Answer {
        Answer::try_read(stream).expect("an answer")
    }

    pub fn try_read(stream: TcpStream) -> std::io::Result<Answer> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other(format!("no answer but {line:?}")))?;
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        let _ = reader.into_inner().shutdown(Shutdown::Both);
        Ok(Answer { status, text: String::from_utf8_lossy(&text).into_owned() })
    }
}

/// Rows, and different names among them.
pub fn count(database: &Path) -> (u64, u64) {
    let connection = Connection::open(database).expect("the database");
    connection.busy_timeout(PATIENCE).expect("a timeout");
    let count = |row: &rusqlite::Row<'_>, column| row.get::<usize, i64>(column).map(i64::unsigned_abs);
    let counts = |row: &rusqlite::Row<'_>| Ok((count(row, 0)?, count(row, 1)?));
    connection.query_row("SELECT count(*), count(DISTINCT name) FROM uploads", [], counts).expect("counts")
}

/// The number before a word.
pub fn number(text: &str, word: &str) -> u64 {
    let words: Vec<_> = text.split_whitespace().map(|word| word.trim_matches([',', ':'])).collect();
    let place = words.iter().position(|other| *other == word).expect("the word");
    words[place - 1].parse().expect("a number")
}
