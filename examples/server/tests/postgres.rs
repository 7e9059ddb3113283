//! The back end on PostgreSQL: restarts, crashes, answers that are lost. Needs the programs of a PostgreSQL server, but
//! none that runs: `apt-get install postgresql`.

#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Server, number, program};
use longshore_cli::process::{self, PATIENCE, Running, Stream};
use postgres::{Client, NoTls};
use tempfile::TempDir;

/// Who runs the database if the tests are run by root, whom it refuses.
const NOBODY: u32 = 65534;

/// A PostgreSQL server of its own.
struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    running: Option<Running>,
}

impl Postgres {
    /// `None` where it is not installed.
    fn start() -> Option<Postgres> {
        let Some(programs) = programs() else {
            println!("notice: PostgreSQL is not installed, skipped");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("an address").port();
        if rustix::process::getuid().is_root() {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let mut postgres = Postgres { programs, directory, port, running: None };
        let mut command = postgres.command("initdb");
        let ended =
            process::run(command.args(["-A", "trust", "-U", "tester", "-D", "data"])).expect("it ends");
        assert!(ended.status.success(), "{ended}");
        postgres.run();
        Some(postgres)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.directory.path());
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&mut self) {
        let mut command = self.command("postgres");
        command.args(["-D", "data", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", "."]);
        let running = Running::start(&mut command).expect("it starts");
        running.wait_for(Stream::Error, "ready to accept connections").expect("it listens");
        self.running = Some(running);
    }

    /// Ends it with all its processes, in the middle of whatever they do.
    fn kill(&mut self) {
        drop(self.running.take());
        // It believes that another one runs.
        let _ = std::fs::remove_file(self.directory.path().join("data/postmaster.pid"));
    }

    /// A fast shutdown: connections are ended, transactions taken back.
    fn shut_down(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.signal(longshore_cli::signals::Signal::Interrupt).expect("it runs");
        running.finish().expect("it ends");
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn client(&self) -> Client {
        Client::connect(&url(self.address()), NoTls).expect("it listens")
    }

    /// Rows of a name.
    fn rows(&self, pattern: &str) -> i64 {
        let row = self.client().query_one("SELECT count(*) FROM uploads WHERE name LIKE $1", &[&pattern]);
        row.expect("a count").get(0)
    }
}

fn url(address: SocketAddr) -> String {
    format!("postgres://tester@{address}/postgres")
}

/// Where the newest version is, as Debian has it, or in the usual places.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    places.sort();
    places.extend(["/usr/bin", "/usr/local/bin", "/usr/local/pgsql/bin"].map(PathBuf::from));
    places.into_iter().rev().find(|place| place.join("initdb").exists() && place.join("postgres").exists())
}

fn serve(address: SocketAddr) -> Server {
    Server::start(&["--database", &url(address), "--rounds", "1"])
}

#[test]
fn uploads_are_stored_and_a_restart_is_survived() {
    let Some(mut postgres) = Postgres::start() else { return };
    let mut server = serve(postgres.address());
    assert_eq!(server.post("a", b"content").status, 201);
    for kill in [false, true] {
        if kill {
            postgres.kill()
        } else {
            postgres.shut_down()
        }
        // This one comes while there is no database.
        let mut waiting = server.connect();
        waiting
            .write_all(b"POST /uploads/waiting HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
            .expect("it is taken");
        postgres.run();
        assert_eq!(common::Answer::read(waiting).status, 201);
        assert_eq!(server.post("b", b"content").status, 201);
    }
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(postgres.rows("%"), 5);
}

#[test]
fn a_key_stores_once() {
    let Some(postgres) = Postgres::start() else { return };
    let mut server = serve(postgres.address());
    let key = "Idempotency-Key: 7f6c\r\n";
    let first = server.raw("POST", "/uploads/a", key, b"content");
    assert_eq!(first.status, 201);
    assert_eq!(server.raw("POST", "/uploads/a", key, b"content"), first);
    assert_eq!(server.raw("POST", "/uploads/a", key, b"other").status, 422);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(postgres.rows("%"), 1);
}

#[test]
fn a_table_of_other_columns_is_refused_at_the_start() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.client().batch_execute("CREATE TABLE uploads (id BIGSERIAL, title TEXT)").expect("a table");
    let url = url(postgres.address());
    let ended = common::run(&["serve", "--listen", "127.0.0.1:0", "--database", &url]);
    assert_eq!(ended.code(), Some(2), "{ended}");
    assert!(ended.complaints().contains("is not the server's"), "{ended}");
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_crash_of_the_database() {
    let Some(mut postgres) = Postgres::start() else { return };
    let mut server = serve(postgres.address());
    let address = server.address.to_string();
    let load = Running::start(&mut program(&["load", &address, "-n", "3000", "-c", "16", "--size", "100"]));
    let load = load.expect("it starts");
    for _ in 0..3 {
        let enough = postgres.rows("%") + 100;
        let deadline = Instant::now() + PATIENCE;
        while postgres.rows("%") < enough.min(3000) {
            assert!(Instant::now() < deadline, "no more rows");
            thread::yield_now();
        }
        postgres.kill();
        postgres.run();
    }
    let said = load.finish().expect("it ends").text();
    let ended = server.stop();
    assert_eq!(number(&said, "accepted"), 3000, "{said} {ended}");
    let row = postgres.client().query_one("SELECT count(*), count(DISTINCT name) FROM uploads", &[]);
    let row = row.expect("counts");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3000, 3000));
}

/// Passes everything on between a client and the database, and can lose the answer to a commit.
struct Proxy {
    address: SocketAddr,
    loses: Arc<AtomicBool>,
    refuses: Arc<AtomicBool>,
}

impl Proxy {
    fn start(to: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        let address = listener.local_addr().expect("an address");
        let (loses, refuses) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let proxy = Proxy { address, loses: loses.clone(), refuses: refuses.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(to) else { continue };
                let is_lost = Arc::<AtomicBool>::default();
                let ends = [&client, &server].map(|end| end.try_clone().expect("a second handle"));
                let (loses, lost) = (loses.clone(), is_lost.clone());
                let [mut from_client, mut from_server] = ends;
                let (mut to_client, mut to_server) = (client, server);
                thread::spawn(move || {
                    pass(&mut from_client, &mut to_server, |bytes| {
                        let commits = bytes.windows(6).any(|word| word == b"COMMIT");
                        if commits && loses.swap(false, Ordering::SeqCst) {
                            lost.store(true, Ordering::SeqCst);
                        }
                        true
                    });
                });
                thread::spawn(move || {
                    // What comes after a commit is its answer: it was carried out, and nobody will know.
                    pass(&mut from_server, &mut to_client, |_| !is_lost.load(Ordering::SeqCst));
                });
            }
        });
        proxy
    }
}

/// Passes bytes on until `look` says no, or one side ends; then both ends are closed.
fn pass(from: &mut TcpStream, to: &mut TcpStream, mut look: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(got @ 1..) = from.read(&mut buffer) {
        if !look(&buffer[..got]) || to.write_all(&buffer[..got]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn an_answer_that_was_lost_is_found_again() {
    let Some(postgres) = Postgres::start() else { return };
    let proxy = Proxy::start(postgres.address());
    let mut server = serve(proxy.address);
    for number in 0..5 {
        proxy.loses.store(true, Ordering::SeqCst);
        let answer = server.post(&format!("upload-{number}"), b"content");
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(!proxy.loses.load(Ordering::SeqCst), "nothing was lost");
    }
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(postgres.rows("%"), 5);
}

#[test]
fn an_answer_that_stays_lost_is_named_and_a_retry_by_key_stores_once() {
    let Some(postgres) = Postgres::start() else { return };
    let proxy = Proxy::start(postgres.address());
    let mut server = serve(proxy.address);
    let key = "Idempotency-Key: the-same\r\n";
    proxy.loses.store(true, Ordering::SeqCst);
    proxy.refuses.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    let answer = server.raw("POST", "/uploads/a", key, b"content");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.text.contains("it is unknown whether the upload is stored"), "{answer:?}");
    assert!(begin.elapsed() < Duration::from_secs(60));
    // While it cannot be reached at all, nothing is stored for certain.
    let answer = server.post("b", b"content");
    assert_eq!(answer.status, 503, "{answer:?}");
    proxy.refuses.store(false, Ordering::SeqCst);
    assert_eq!(server.raw("POST", "/uploads/a", key, b"content").status, 201);
    assert_eq!(server.stop().code(), Some(1), "an upload was accepted and not stored");
    assert_eq!((postgres.rows("a"), postgres.rows("b")), (1, 0));
}
