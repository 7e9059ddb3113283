//! Faults between a worker and its broker, in this process: an engine that can be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore::{CancelToken, Pool};
use longshore_cluster::{
    Batch, Context, Counts, Delivery, Ended, Engine, EngineError, EngineErrorKind, Entry, Finished, JobId,
    NewJob, Place, Settings, Settlement, Table, Ticket, Worker,
};

use crate::support::{Broker, Errand, Shelf, records, wait_until, writing};

/// An engine behind a cable that can be cut.
#[derive(Clone, Debug)]
pub struct Cable {
    engine: Arc<dyn Engine>,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    pub fn new(engine: Arc<dyn Engine>) -> Cable {
        Cable { engine, is_cut: Arc::default() }
    }

    pub fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    fn through(&self) -> Result<&dyn Engine, EngineError> {
        // SeqCst: the test that cuts, and every thread that calls.
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(EngineError::new(EngineErrorKind::Unreachable, "the cable is cut")),
            false => Ok(&*self.engine),
        }
    }
}

impl Engine for Cable {
    fn create(&self, settings: &Settings) -> Result<(), EngineError> {
        self.through()?.create(settings)
    }

    fn settings(&self) -> Result<Option<Settings>, EngineError> {
        self.through()?.settings()
    }

    fn delete(&self) -> Result<(), EngineError> {
        self.through()?.delete()
    }

    fn publish(&self, jobs: &[NewJob]) -> Result<u64, EngineError> {
        self.through()?.publish(jobs)
    }

    fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, EngineError> {
        self.through()?.fetch(most, wait)
    }

    fn renew(&self, tickets: &[Ticket]) -> Vec<Result<(), EngineError>> {
        match self.through() {
            Ok(engine) => engine.renew(tickets),
            Err(error) => vec![Err(error); tickets.len()],
        }
    }

    fn settle(&self, settlements: &[Settlement]) -> Vec<Result<(), EngineError>> {
        match self.through() {
            Ok(engine) => engine.settle(settlements),
            Err(error) => vec![Err(error); settlements.len()],
        }
    }

    fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<(), EngineError> {
        self.through()?.put(table, key, value)
    }

    fn get(&self, table: Table, keys: &[String]) -> Result<Vec<Option<Entry>>, EngineError> {
        self.through()?.get(table, keys)
    }

    fn remove(&self, table: Table, key: &str, revision: u64) -> Result<bool, EngineError> {
        self.through()?.remove(table, key, revision)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &str,
        each: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<(), EngineError> {
        self.through()?.scan(table, prefix, each)
    }

    fn find(&self, ids: &[JobId]) -> Result<Vec<Option<Place>>, EngineError> {
        self.through()?.find(ids)
    }

    fn counts(&self) -> Result<Counts, EngineError> {
        self.through()?.counts()
    }
}

#[test]
fn a_worker_that_is_cut_off_writes_nothing_and_another_does_its_jobs() {
    for broker in Broker::all() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let batch = broker.batch();
        let lease = Duration::from_secs(1);
        batch.publish(&Settings { lease, replicas: 1 }, writing(6, 0)).expect("published");
        let cable = Cable::new(broker.engine());
        let of_cut = Batch::<Errand>::new(cable.clone());
        let pool = Pool::builder().workers(1).build().expect("a pool");
        let (began, has_begun) = std::sync::mpsc::channel();
        let of_worker = shelf.clone();
        let handler = move |job: Errand, context: &Context| {
            let _ = began.send(());
            // Longer than the lease, while the cable is cut: then it is not held.
            while context.is_held() && shelf_is_short(&of_worker) {
                context.wait(Duration::from_millis(5));
            }
            of_worker.handle(&job, context)
        };
        let cut = Worker::new(&pool, handler).name("cut".parse().expect("a name"));
        let well_pool = Pool::builder().workers(1).build().expect("a pool");
        let of_worker = shelf.clone();
        let well =
            Worker::new(&well_pool, move |job: Errand, context: &Context| of_worker.handle(&job, context));
        let (cut, well) = std::thread::scope(|scope| {
            let cut = scope.spawn(|| cut.run(&of_cut).expect("it runs"));
            has_begun.recv_timeout(crate::support::PATIENCE).expect("it begins");
            cable.cut(true);
            let well = scope.spawn(|| well.run(&batch).expect("it runs"));
            wait_until("all are done", || batch.status().expect("a status").done == 6);
            cable.cut(false);
            (cut.join().expect("no panic"), well.join().expect("no panic"))
        });
        assert_eq!((cut.done, well.done), (0, 6), "{broker:?}: {cut:?}");
        assert!(cut.lost >= 1, "{cut:?}");
        assert_eq!(shelf.outputs().len(), 6);
        assert!(records(&batch, Table::Done).values().all(|record| record.worker != "cut"));
    }
}

/// Whether not all outputs are there.
fn shelf_is_short(shelf: &Shelf) -> bool {
    shelf.outputs().len() < 6
}

#[test]
fn ends_that_the_broker_did_not_hear_of_are_told_again() {
    for broker in Broker::all() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path());
        let batch = broker.batch();
        batch.publish(&Settings::default(), writing(50, 0)).expect("published");
        let cable = Cable::new(broker.engine());
        let of_worker = Batch::<Errand>::new(cable.clone());
        let pool = Pool::builder().workers(2).build().expect("a pool");
        let (is_cut, of_shelf) = (Arc::clone(&cable.is_cut), shelf.clone());
        let handler = move |job: Errand, context: &Context| {
            // Every tenth job ends while the cable is cut.
            if job.name.ends_with('5') {
                is_cut.store(true, Ordering::SeqCst);
            }
            of_shelf.handle(&job, context)
        };
        let worker = Worker::new(&pool, handler);
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| worker.run(&of_worker).expect("it runs"));
            while !running.is_finished() {
                std::thread::park_timeout(Duration::from_millis(30));
                cable.cut(false);
            }
            running.join().expect("no panic")
        });
        assert_eq!((report.done, report.lost, report.untold), (50, 0, 0), "{broker:?}");
        assert!(shelf.runs().values().all(|runs| *runs == 1), "{:?}", shelf.runs());
        assert_eq!(batch.status().expect("a status").done, 50);
    }
}

#[test]
fn a_worker_that_cannot_tell_the_broker_counts_the_jobs() {
    let broker = Broker::all().remove(0);
    let batch = broker.batch();
    batch.publish(&Settings::default(), writing(2, 0)).expect("published");
    let cable = Cable::new(broker.engine());
    let stop = CancelToken::new();
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let (of_worker, stopped) = (cable.clone(), stop.clone());
    let handler = move |_: Errand, _: &Context| {
        of_worker.cut(true);
        stopped.cancel();
        Ok(Finished::default())
    };
    let report = Worker::new(&pool, handler).stop(&stop).run(&Batch::new(cable)).expect("it runs");
    // One was done, the other given back, or done as well before the worker saw the stop.
    assert_eq!((report.ended, report.done + report.returned), (Ended::Stopped, 2), "{report:?}");
    assert_eq!((report.untold, report.unfinished), (2, 0), "{report:?}");
    let status = batch.status().expect("a status");
    assert_eq!((status.done, status.waiting + status.given_out), (0, 2), "{status}");
}

#[test]
fn an_end_that_the_broker_refuses_is_not_confirmed() {
    let broker = Broker::all().remove(0);
    let batch = broker.batch();
    batch.publish(&Settings::default(), writing(1, 0)).expect("published");
    let stop = CancelToken::new();
    let pool = Pool::builder().workers(1).build().expect("a pool");
    let (of_handler, stopped) = (batch.clone(), stop.clone());
    let handler = move |_: Errand, _: &Context| {
        of_handler.delete().expect("deleted");
        stopped.cancel();
        Ok(Finished::default())
    };
    let report = Worker::new(&pool, handler).stop(&stop).run(&batch).expect("it runs");
    assert_eq!((report.done, report.untold), (1, 1), "{report:?}");
}
