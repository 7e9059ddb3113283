//! Brokers and jobs for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "testing")]
use longshore_cluster::testing::Server;
use longshore_cluster::{
    Batch, Context, Engine, EngineError, Fault, Finished, Job, JobId, Memory, Record, Table,
};
use serde::{Deserialize, Serialize};

/// How long anything may take: far more than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A job of tests: writes a file, or does what it should not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    pub name: String,
    pub deed: Deed,
    pub weight: u64,
}

/// What an errand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Writes its file after so many milliseconds.
    Write(u64),
    /// Cannot be done.
    Damaged,
    /// Fails with every attempt.
    Fails,
    /// Fails with the first attempt.
    FailsOnce,
    Panics,
    /// Ends the process.
    Aborts,
    /// Ends when it is told to.
    Forever,
    /// Never ends, whatever it is told.
    Deaf,
    /// Finds no place to write.
    FullDisk,
}

impl Job for Errand {
    fn id(&self) -> JobId {
        self.name.parse().expect("a name")
    }
}

pub fn errand(name: impl ToString, deed: Deed) -> Errand {
    Errand { name: name.to_string(), deed, weight: 1 }
}

/// So many errands that write.
pub fn writing(count: usize, milliseconds: u64) -> Vec<Errand> {
    (0..count).map(|number| errand(format!("job-{number}"), Deed::Write(milliseconds))).collect()
}

/// A place for outputs and for the traces of runs.
#[derive(Clone, Debug)]
pub struct Shelf(pub PathBuf);

impl Shelf {
    pub fn new(directory: &Path) -> Shelf {
        fs::create_dir_all(directory.join("out")).expect("a directory");
        fs::create_dir_all(directory.join("runs")).expect("a directory");
        Shelf(directory.to_owned())
    }

    /// Does an errand, as a handler.
    pub fn handle(&self, job: &Errand, context: &Context) -> Result<Finished, Fault> {
        // A file for each run, so that runs can be counted.
        let clock = Instant::now();
        let trace =
            format!("{}.{}.{:?}", job.name, std::process::id(), clock).replace([' ', '{', '}', ':'], "");
        fs::write(self.0.join("runs").join(trace), "").expect("a trace");
        match job.deed {
            Deed::Write(milliseconds) => {
                context.wait(Duration::from_millis(milliseconds));
                if !context.is_held() {
                    return Err(Fault::Lost);
                }
                let staged = self.0.join(format!("{}.{}", job.name, std::process::id()));
                fs::write(&staged, &job.name).expect("written");
                fs::rename(&staged, self.0.join("out").join(&job.name)).expect("renamed");
                Ok(Finished::bytes(job.name.len() as u64))
            }
            Deed::Damaged => Err(Fault::Job("it is damaged".into())),
            Deed::Fails => Err(Fault::Attempt("no luck".into())),
            Deed::FailsOnce if context.attempt() == 1 => Err(Fault::Attempt("no luck yet".into())),
            Deed::FailsOnce => Ok(Finished::default()),
            Deed::Panics => panic!("a handler of a test panics"),
            Deed::Aborts => std::process::abort(),
            Deed::Forever => {
                context.wait(Duration::from_secs(3600));
                Err(Fault::Attempt("it was told to end".into()))
            }
            Deed::Deaf => loop {
                std::thread::park_timeout(Duration::from_secs(3600));
            },
            Deed::FullDisk => Err(Fault::Machine("no space left on device".into())),
        }
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("out")).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// How often each errand was begun.
    pub fn runs(&self) -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        for entry in fs::read_dir(self.0.join("runs")).expect("a directory") {
            let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
            *runs.entry(name.split('.').next().expect("a name").to_owned()).or_default() += 1;
        }
        runs
    }
}

/// A broker of a test.
#[derive(Debug)]
pub enum Broker {
    Memory(Memory),
    #[cfg(feature = "testing")]
    Nats(Server),
}

impl Broker {
    /// Every engine that there is.
    pub fn all() -> Vec<Broker> {
        #[cfg_attr(not(feature = "testing"), allow(unused_mut))]
        let mut all = vec![Broker::Memory(Memory::new())];
        #[cfg(feature = "testing")]
        all.extend(Server::all().into_iter().map(Broker::Nats));
        all
    }

    pub fn engine(&self) -> Arc<dyn Engine> {
        match self {
            Broker::Memory(memory) => Arc::new(memory.clone()),
            #[cfg(feature = "testing")]
            Broker::Nats(server) => Arc::new(server.connect("test")),
        }
    }

    pub fn batch(&self) -> Batch<Errand> {
        Batch::shared(self.engine())
    }

    /// Queues a message as any other program could.
    pub fn publish_raw(&self, key: &str, message: &[u8]) -> Result<(), EngineError> {
        match self {
            Broker::Memory(memory) => memory.publish_raw(key, message),
            #[cfg(feature = "testing")]
            Broker::Nats(server) => server.connect("test").publish_raw(key, message),
        }
    }
}

/// The records of a table, by the names of the jobs.
pub fn records(batch: &Batch<Errand>, table: Table) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    batch
        .records(table, &mut |record, _| {
            records.insert(record.id.clone(), record);
            true
        })
        .expect("records");
    records
}
