//! Workers as processes of their own, and a server that is killed: the short forms of `.ci/cluster`.

use std::process::Command;
use std::time::Duration;

use longshore::Pool;
use longshore_cli::process::Running;
use longshore_cluster::testing::{Server, programs};
use longshore_cluster::{Access, Batch, Context, Nats, Settings, Table, Worker};
use tempfile::TempDir;

use crate::support::{Deed, Errand, Shelf, errand, records, wait_until, writing};

/// What a worker's process is told.
const ORDERS: &str = "LONGSHORE_TEST_WORKER";
/// Threads of each worker. It holds one job more.
const THREADS: usize = 2;

/// The process of a worker: this program again, with orders.
#[test]
#[ignore = "it is started by the other tests"]
fn a_worker_of_the_other_tests() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let mut orders = orders.lines();
    let (url, directory) = (orders.next().expect("an address"), orders.next().expect("a directory"));
    let access = Access { servers: url.into(), ..Access::default() };
    let engine = Nats::connect(&access, &"test".parse().expect("a name")).expect("connected");
    let batch = Batch::<Errand>::new(engine);
    let shelf = Shelf::new(directory.as_ref());
    let pool = Pool::builder().workers(THREADS).build().expect("a pool");
    let worker = Worker::new(&pool, move |job: Errand, context: &Context| shelf.handle(&job, context));
    let worker = worker.first_delay(Duration::from_millis(100)).tell(|text| eprintln!("{text}"));
    println!("report: {:?}", worker.run(&batch).expect("it runs"));
}

/// A server, a batch, and a place for outputs.
struct Site {
    server: Server,
    directory: TempDir,
    batch: Batch<Errand>,
    shelf: Shelf,
}

impl Site {
    fn all() -> Vec<Site> {
        programs().iter().map(|program| Site::new(Server::start(program, ""))).collect()
    }

    fn new(server: Server) -> Site {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        Site { batch: Batch::new(server.connect("test")), server, directory, shelf }
    }

    fn worker(&self) -> Running {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["processes::a_worker_of_the_other_tests", "--exact", "--ignored", "--nocapture"]);
        command.env(ORDERS, format!("{}\n{}", self.server.url(), self.directory.path().display()));
        Running::start(&mut command).expect("it starts")
    }

    fn publish(&self, lease: u64, jobs: Vec<Errand>) {
        let settings = Settings { lease: Duration::from_secs(lease), replicas: 1 };
        self.batch.publish(&settings, jobs).expect("published");
    }

    fn done(&self) -> u64 {
        self.batch.status().map_or(0, |status| status.done)
    }
}

fn finish(workers: Vec<Running>) {
    for worker in workers {
        let finished = worker.finish().expect("it ends");
        assert_eq!(finished.code(), Some(0), "{finished}");
    }
}

#[test]
fn jobs_of_workers_that_are_killed_are_done_by_others() {
    for site in Site::all() {
        let jobs = writing(150, 20);
        site.publish(2, jobs.clone());
        let mut workers = vec![site.worker(), site.worker()];
        let kills = 4;
        for kill in 1..=kills {
            wait_until("some more are done", || site.done() >= kill * 20);
            let mut killed = workers.remove(0);
            killed.kill().expect("killed");
            killed.finish().expect("it ends");
            workers.push(site.worker());
        }
        finish(workers);
        assert_eq!(site.batch.resume(jobs).expect("compared"), 0);
        assert_eq!(site.shelf.outputs().len(), 150);
        let status = site.batch.status().expect("a status");
        assert_eq!((status.done, status.dead), (150, 0), "{status}");
        let twice: usize = site.shelf.runs().values().map(|runs| runs - 1).sum();
        assert!(twice <= kills as usize * (THREADS + 1), "{twice} runs too many");
    }
}

#[test]
fn a_job_that_ends_its_workers_is_a_dead_letter_after_three_of_them() {
    for site in Site::all() {
        let mut jobs = writing(40, 5);
        jobs.insert(20, errand("aborts", Deed::Aborts));
        site.publish(2, jobs);
        let mut deaths = 0;
        loop {
            let finished = site.worker().finish().expect("it ends");
            if finished.code() == Some(0) {
                break;
            }
            deaths += 1;
            assert!(deaths <= 3, "{finished}");
        }
        assert_eq!((deaths, site.shelf.runs()["aborts"]), (3, 3));
        let dead = records(&site.batch, Table::Dead);
        let error = dead["aborts"].error.clone().unwrap_or_default();
        assert!(error.contains("begun 3 times") && error.contains("ends its worker"), "{error}");
        assert_eq!((dead.len(), site.shelf.outputs().len()), (1, 40));
    }
}

#[test]
fn a_server_that_is_killed_loses_no_job() {
    for mut site in Site::all() {
        let jobs = writing(200, 10);
        site.publish(2, jobs.clone());
        let workers = vec![site.worker(), site.worker()];
        for part in [50, 100] {
            wait_until("a part is done", || site.done() >= part);
            site.server.kill();
            site.server.restart();
        }
        finish(workers);
        // What the server has lost is published again.
        while site.batch.resume(jobs.clone()).expect("compared") > 0 {
            finish(vec![site.worker()]);
        }
        assert_eq!(site.shelf.outputs().len(), 200);
        assert_eq!(site.batch.status().expect("a status").dead, 0);
    }
}

#[test]
fn a_worker_that_is_stopped_for_longer_than_its_lease_writes_nothing_afterwards() {
    for site in Site::all() {
        let jobs = writing(30, 300);
        site.publish(2, jobs);
        let stopped = site.worker();
        wait_until("it has jobs", || site.batch.status().expect("a status").given_out >= 3);
        signal(&stopped, "STOP");
        let other = site.worker();
        wait_until("all are done", || site.done() == 30);
        signal(&stopped, "CONT");
        finish(vec![other, stopped]);
        assert_eq!(site.shelf.outputs().len(), 30);
        // What the stopped worker had begun was begun twice, and recorded once.
        let records = records(&site.batch, Table::Done);
        assert_eq!(records.len(), 30);
        let twice: usize = site.shelf.runs().values().map(|runs| runs - 1).sum();
        assert!(twice <= THREADS, "{twice}");
    }
}

fn signal(process: &Running, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status();
    assert!(status.expect("kill").success());
}
