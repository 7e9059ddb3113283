//! The commands of a program as processes: their exit statuses, and what they say.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use longshore::{CancelToken, Pool};
use longshore_cli::end::Failure;
use longshore_cli::process::{Finished, Running, Stream};
use longshore_cli::signals::Signal;
use longshore_cluster::program::{self, BrokerOptions, StatusOptions, UNCONFIRMED, WorkOptions};
use longshore_cluster::testing::{Accounts, Server, programs};
use longshore_cluster::{Batch, BatchError, Context, EngineError, EngineErrorKind, Settings, Table};

use crate::faults::Cable;
use crate::support::{Broker, Deed, Errand, Shelf, errand, records, wait_until, writing};

/// What a process is told: the directory of its outputs, and its arguments, a line for each.
const ORDERS: &str = "LONGSHORE_TEST_PROGRAM";

#[derive(Parser)]
enum Program {
    Work {
        #[command(flatten)]
        broker: BrokerOptions,
        #[command(flatten)]
        work: WorkOptions,
    },
    Status(StatusOptions),
}

/// The process: this program again, with orders.
#[test]
#[ignore = "it is started by the other tests"]
fn a_program_of_the_other_tests() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let mut lines = orders.lines();
    let shelf = Shelf::new(lines.next().expect("a directory").as_ref());
    let result = match Program::parse_from(lines) {
        Program::Work { broker, work } => {
            let pool = Pool::builder().workers(2);
            let handler = move |job: Errand, context: &Context| shelf.handle(&job, context);
            program::work("test", (&broker, &work), pool, (|_: &Errand| 0, None), handler)
        }
        Program::Status(options) => program::status::<Errand>("test", &options),
    };
    let code = match result {
        Ok(status) => status.code(),
        Err(failure) => {
            // As `longshore_cli::end::main` does.
            eprintln!("{failure:?}");
            failure.status().code()
        }
    };
    std::process::exit(code.into());
}

/// The process that is to be started.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["programs::a_program_of_the_other_tests", "--exact", "--ignored", "--nocapture"]);
    let directory = directory.to_str().expect("a name that is UTF-8");
    command.env(ORDERS, [&[directory, "test"], arguments].concat().join("\n"));
    command
}

fn start(directory: &Path, arguments: &[&str]) -> Running {
    Running::start(&mut command(directory, arguments)).expect("it starts")
}

/// A server, its batch `test`, and a place for outputs; the newest server only, because what is looked at is
/// the program.
fn site(lease: u64, jobs: Vec<Errand>) -> Option<(Server, Batch<Errand>, tempfile::TempDir)> {
    let server = Server::start(&programs().pop()?, "");
    let batch = Batch::new(server.connect("test"));
    let settings = Settings { lease: Duration::from_secs(lease), replicas: 1 };
    batch.publish(&settings, jobs).expect("published");
    Some((server, batch, tempfile::tempdir().expect("a directory")))
}

fn has_begun(directory: &Path, count: usize) {
    let shelf = Shelf::new(directory);
    wait_until("they have begun", || shelf.runs().len() >= count);
}

fn terminate(worker: &mut Running) {
    worker.signal(Signal::Terminate).expect("it runs");
}

fn code(running: Running) -> (Option<i32>, Finished) {
    let finished = running.finish().expect("it ends");
    (finished.code(), finished)
}

#[test]
fn ends_that_the_broker_has_not_confirmed_have_a_status_of_their_own() {
    let Some((mut server, _, directory)) = site(60, writing(2, 3_000)) else { return };
    let mut worker = start(directory.path(), &["work", "--nats", &server.url()]);
    has_begun(directory.path(), 2);
    server.kill();
    terminate(&mut worker);
    let (code, finished) = code(worker);
    assert_eq!(code, Some(69), "{finished}");
    assert!(finished.complaints().contains("has not confirmed the ends of"), "{finished}");
}

#[test]
fn a_worker_that_is_told_to_end_within_a_time_says_what_it_has_left() {
    let Some((server, batch, directory)) = site(2, vec![errand("deaf", Deed::Deaf)]) else { return };
    let url = server.url();
    let mut worker = start(directory.path(), &["work", "--nats", &url, "--grace", "100ms"]);
    has_begun(directory.path(), 1);
    terminate(&mut worker);
    let (code, finished) = code(worker);
    assert_eq!(code, Some(75), "{finished}");
    assert!(finished.text().contains("1 not finished"), "{finished}");
    // Its lease has not ended: it is another worker's afterwards.
    assert_eq!(batch.status().expect("a status").done, 0);
}

#[test]
fn a_second_signal_ends_a_worker_at_once() {
    let Some((server, _, directory)) = site(2, vec![errand("deaf", Deed::Deaf)]) else { return };
    let mut worker = start(directory.path(), &["work", "--nats", &server.url()]);
    has_begun(directory.path(), 1);
    terminate(&mut worker);
    worker.wait_for(Stream::Error, "SIGTERM").expect("it says so");
    terminate(&mut worker);
    let (code, finished) = code(worker);
    assert_eq!(code, Some(143), "{finished}");
}

#[test]
fn a_worker_whose_threads_are_all_lost_asks_to_be_started_again() {
    let jobs = (0..2).map(|number| errand(format!("deaf-{number}"), Deed::Deaf)).chain(writing(4, 0));
    let Some((server, batch, directory)) = site(2, jobs.collect()) else { return };
    let work = ["work", "--nats", &server.url(), "--job-limit", "300ms"];
    let (code, finished) = code(start(directory.path(), &work));
    assert_eq!(code, Some(75), "{finished}");
    let (code, finished) = self::code(start(directory.path(), &work));
    assert_eq!(code, Some(0), "{finished}");
    let status = batch.status().expect("a status");
    assert_eq!((status.done, status.dead), (4, 2), "{status}");
}

#[test]
fn a_worker_whose_credentials_expire_ends_and_says_why() {
    let Some(program) = programs().pop() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("credentials");
    let accounts = Accounts::new();
    let server = Server::start(&program, accounts.configuration());
    // Long enough for a loaded machine to connect within; a worker that comes too late has status 2.
    accounts.write_credentials(&file, Some(8));
    let file = file.to_str().expect("a name that is UTF-8");
    let work = ["work", "--nats", &server.url(), "--stay", "--nats-credentials", file];
    let worker = start(directory.path(), &work);
    worker.wait_for(Stream::Error, "no such batch yet").expect("it waits");
    let (code, finished) = code(worker);
    assert_eq!(code, Some(69), "{finished}");
    assert!(finished.complaints().contains("does not admit this user any more"), "{finished}");
}

#[test]
fn a_watch_goes_on_when_the_broker_is_back() {
    let Some((mut server, batch, directory)) = site(2, writing(1, 0)) else { return };
    let url = server.url();
    let watch = start(directory.path(), &["status", "--nats", &url, "--watch"]);
    watch.wait_for(Stream::Output, "0 of 1 jobs done").expect("it looks");
    server.kill();
    watch.wait_for(Stream::Error, "trying again").expect("it waits");
    server.restart();
    let (code, finished) = code(start(directory.path(), &["work", "--nats", &url]));
    assert_eq!(code, Some(0), "{finished}");
    let (code, finished) = self::code(watch);
    assert_eq!(code, Some(0), "{finished}");
    assert!(finished.text().contains("1 of 1 jobs done"), "{finished}");
    drop(batch);
}

#[test]
fn a_wait_lasts_through_a_broken_connection_and_tells_what_stays_missing() {
    let broker = Broker::all().remove(0);
    let batch = broker.batch();
    batch.publish(&Settings::default(), writing(3, 0)).expect("published");
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(directory.path());
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let handler = move |job: Errand, context: &Context| shelf.handle(&job, context);
    longshore_cluster::Worker::new(&pool, handler).run(&batch).expect("it runs");

    let cable = Cable::new(broker.engine());
    let of_publisher = Batch::<Errand>::new(cable.clone());
    let stop = CancelToken::new();
    // The comparison is cut off the first time; then one job is missing every time.
    let mut comparisons = 0;
    let compare = || {
        comparisons += 1;
        cable.cut(comparisons == 1);
        if comparisons == 1 {
            let mend = cable.clone();
            std::thread::spawn(move || {
                std::thread::park_timeout(Duration::from_millis(700));
                mend.cut(false);
            });
            return of_publisher.resume(writing(3, 0));
        }
        Ok(1)
    };
    let waited = program::wait("test", &of_publisher, &stop, compare).expect("it waits").expect("to the end");
    assert_eq!((waited.missing, waited.status.done), (1, 3));
    assert!(comparisons > 3, "{comparisons}");
}

#[test]
fn a_broker_that_stops_answering_is_not_a_job_that_has_failed() {
    let cable = Cable::new(Broker::all().remove(0).engine());
    let batch = Batch::<Errand>::new(cable.clone());
    cable.cut(true);
    let refused = |error: BatchError| program::failure(error).status();
    let settings = Settings::default();
    assert_eq!(refused(batch.publish(&settings, writing(1, 0)).expect_err("it is cut off")), UNCONFIRMED);
    assert_eq!(refused(batch.status().expect_err("it is cut off")), UNCONFIRMED);
    let denied = EngineError::new(EngineErrorKind::Denied, "no");
    assert_eq!(program::failure(denied).status(), UNCONFIRMED);
    // As a command adds to it.
    let with_context = anyhow::Error::from(batch.retry().expect_err("it is cut off")).context("--resume");
    assert_eq!(program::failure(with_context).status(), UNCONFIRMED);
    cable.cut(false);
    let none = refused(batch.resume(writing(1, 0)).expect_err("no such batch"));
    assert_eq!(none, Failure::failed(BatchError::NoBatch).status());
}

#[test]
fn four_poisons_among_500_jobs_are_four_dead_letters() {
    for program in programs() {
        let server = Server::start(&program, "");
        let batch = Batch::<Errand>::new(server.connect("test"));
        let directory = tempfile::tempdir().expect("a directory");
        let mut jobs = writing(496, 1);
        let poisons = [Deed::Damaged, Deed::Panics, Deed::Aborts, Deed::Deaf];
        for (place, (name, deed)) in
            ["damaged", "panics", "aborts", "endless"].into_iter().zip(poisons).enumerate()
        {
            jobs.insert(60 + 120 * place, errand(name, deed));
        }
        let settings = Settings { lease: Duration::from_secs(2), replicas: 1 };
        assert_eq!(batch.publish(&settings, jobs).expect("published"), 500);
        let work = ["work", "--nats", &server.url(), "--job-limit", "3s"];
        // Started anew when the process is ended by a job.
        let mut deaths = 0;
        loop {
            let (code, finished) = code(start(directory.path(), &work));
            if code == Some(0) {
                break;
            }
            deaths += 1;
            assert!(deaths <= 3, "{finished}");
        }
        let dead = records(&batch, Table::Dead);
        let reasons = [
            ("damaged", "it is damaged"),
            ("panics", "its handler panicked"),
            ("aborts", "it ends its worker"),
            ("endless", "it ran for longer than 3.0 s"),
        ];
        assert_eq!(dead.len(), reasons.len(), "{dead:?}");
        for (name, reason) in reasons {
            let error = dead[name].error.as_deref().unwrap_or_default();
            assert!(error.contains(reason), "{name}: {error}");
        }
        assert_eq!(batch.status().expect("a status").done, 496);
        assert_eq!(Shelf::new(directory.path()).outputs().len(), 496);
    }
}
