//! Answers that come late: a server, a line or a client that is slow for a while.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use longshore_cluster::testing::Server;
use longshore_cluster::{Access, Batch, Engine, EngineErrorKind, Nats, Settings};

use crate::support::{wait_until, writing};

/// Whether what the server says is let through.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// A line to a server, for one client. What the client says is let through always.
fn line(server: &Server) -> (String, Gate) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    let to = server.url().trim_start_matches("nats://").to_owned();
    let gate: Gate = Arc::new((Mutex::new(true), Condvar::new()));
    let of_line = Arc::clone(&gate);
    thread::spawn(move || {
        let (client, _) = listener.accept()?;
        let server = TcpStream::connect(to)?;
        let (mut said, mut to_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            let copied = io::copy(&mut said, &mut to_server);
            to_server.shutdown(Shutdown::Both).and(copied)
        });
        let (mut answers, mut to_client) = (server, client);
        let mut block = [0; 4096];
        loop {
            let count = answers.read(&mut block)?;
            let (is_open, changed) = &*of_line;
            drop(changed.wait_while(is_open.lock().expect("no panic"), |is_open| !*is_open));
            if count == 0 {
                return to_client.shutdown(Shutdown::Both);
            }
            to_client.write_all(&block[..count])?;
        }
    });
    (url, gate)
}

fn open(gate: &Gate, is_open: bool) {
    *gate.0.lock().expect("no panic") = is_open;
    gate.1.notify_all();
}

#[test]
fn jobs_that_come_late_do_not_wait_for_their_lease() {
    for server in Server::all() {
        let (servers, gate) = line(&server);
        let access = Access { servers, ..Access::default() };
        let engine = Nats::connect(&access, &"test".parse().expect("a name")).expect("connected");
        // Longer than any test is patient.
        let settings = Settings { lease: Duration::from_secs(3_600), replicas: 1 };
        Batch::new(server.connect("test")).publish(&settings, writing(8, 0)).expect("published");
        let fetch = |keys: &mut BTreeSet<String>| match engine.fetch(2, Duration::from_millis(10)) {
            Ok(deliveries) => keys.extend(deliveries.into_iter().map(|delivery| delivery.key)),
            Err(error) => assert_eq!(error.kind(), EngineErrorKind::Unreachable, "{error}"),
        };
        let mut keys = BTreeSet::new();
        wait_until("the first jobs come", || {
            fetch(&mut keys);
            !keys.is_empty()
        });
        open(&gate, false);
        // The server answers, and the call ends before the answer comes.
        let before = keys.len();
        fetch(&mut keys);
        assert_eq!(keys.len(), before);
        open(&gate, true);
        wait_until("all jobs come", || {
            fetch(&mut keys);
            keys.len() == 8
        });
    }
}
