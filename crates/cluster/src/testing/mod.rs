//! Servers for tests: NATS servers as processes, each with a store in a temporary directory (feature
//! `testing`).
//!
//! The servers are those that `LONGSHORE_NATS_SERVERS` names (paths, separated by colons), or else those that
//! `.ci/cluster` has installed. Without any, a test says so and passes over.

mod access;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_cli::process::{Running, Stream};
use tempfile::TempDir;

use crate::nats::{Access, Nats};

pub use access::{Accounts, Certificates};

/// A server on this machine, with a store in a temporary directory.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    port: u16,
    configuration: String,
    directory: TempDir,
    running: Option<Running>,
}

/// The programs of servers, of every version that is found.
pub fn programs() -> Vec<PathBuf> {
    let named = std::env::var("LONGSHORE_NATS_SERVERS").unwrap_or_default();
    let mut programs: Vec<_> = named.split(':').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    if programs.is_empty() {
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats");
        let versions = ["2.9", "current"].map(|version| installed.join(version).join("nats-server"));
        programs.extend(versions);
        programs.retain(|program| program.is_file());
    }
    let system = Path::new("/usr/sbin/nats-server");
    if programs.is_empty() && system.is_file() {
        programs.push(system.into());
    }
    if programs.is_empty() {
        println!(
            "notice: there is no nats-server (.ci/cluster installs one); the tests on a server pass over"
        );
    }
    programs
}

impl Server {
    /// One of each version.
    pub fn all() -> Vec<Server> {
        programs().iter().map(|program| Server::start(program, "")).collect()
    }

    /// Starts one on a free port of the loopback, with more lines of configuration.
    ///
    /// # Panics
    /// If it does not start: a test cannot go on.
    pub fn start(program: &Path, configuration: &str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = configuration.to_owned();
        let mut server = Server { program: program.into(), port, configuration, directory, running: None };
        server.restart();
        server
    }

    /// Starts it again, on the same port and store.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn restart(&mut self) {
        let store = self.directory.path().join("store");
        let (port, more) = (self.port, &self.configuration);
        let text = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\n{more}\n");
        let file = self.directory.path().join("server.conf");
        std::fs::write(&file, text).expect("written");
        let running = Running::start(Command::new(&self.program).arg("-c").arg(&file)).expect("it starts");
        running.wait_for(Stream::Error, "Server is ready").expect("it is ready");
        self.running = Some(running);
    }

    /// Ends it on the spot.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.kill().expect("killed");
        running.finish().expect("it ends");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The engine of a batch at it.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn connect(&self, batch: &str) -> Nats {
        let access = Access { servers: self.url(), ..Access::default() };
        Nats::connect(&access, &batch.parse().expect("a name")).expect("connected")
    }
}
