//! What every engine promises.

use std::time::{Duration, Instant};

use longshore_cluster::{Delivery, Engine, NewJob, Place, Rule, Settings, Settlement, Stored, Table, Verb};

use crate::support::{Broker, PATIENCE, wait_until};

const LEASE: Duration = Duration::from_secs(2);

fn job(name: &str) -> NewJob {
    NewJob { id: name.parse().expect("a name"), mark: name.into(), message: name.into() }
}

fn settings() -> Settings {
    Settings { lease: LEASE, replicas: 1 }
}

/// The next job, however long that takes.
fn next(engine: &dyn Engine) -> Delivery {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no job comes");
        if let Some(delivery) = engine.fetch(1, Duration::from_millis(500)).expect("fetched").pop() {
            return delivery;
        }
    }
}

fn settle(engine: &dyn Engine, delivery: &Delivery, verb: Verb, record: Option<Stored>) {
    let settlement = Settlement { ticket: delivery.ticket.clone(), record, verb };
    engine.settle(&[settlement]).remove(0).expect("settled");
}

#[test]
fn a_job_is_given_out_until_it_is_settled() {
    for broker in Broker::all() {
        let engine = broker.engine();
        assert_eq!(engine.settings().expect("answered"), None);
        assert!(engine.counts().is_err());
        engine.create(&settings()).expect("created");
        engine.create(&Settings::default()).expect("it exists");
        assert_eq!(engine.settings().expect("answered"), Some(settings()));
        assert_eq!(engine.publish(&[job("a"), job("b"), job("a")]).expect("published"), 2, "{broker:?}");
        assert_eq!(engine.publish(&[job("b")]).expect("published"), 0);

        let asked = Instant::now();
        let first = next(&*engine);
        assert_eq!((&*first.key, &*first.message, first.delivered), ("a", &b"a"[..], 1));
        let second = next(&*engine);
        assert_eq!(second.key, "b");
        assert!(engine.fetch(1, Duration::ZERO).expect("fetched").is_empty());
        settle(&*engine, &second, Verb::Remove, None);
        // Its lease runs out.
        let again = next(&*engine);
        assert_eq!((&*again.key, again.delivered), ("a", 2));
        assert!(asked.elapsed() >= LEASE, "{broker:?}: given out again after {:?}", asked.elapsed());
        settle(&*engine, &again, Verb::Return(Duration::ZERO), None);
        let third = next(&*engine);
        assert_eq!((&*third.key, third.delivered), ("a", 3));
        let asked = Instant::now();
        settle(&*engine, &third, Verb::Return(LEASE * 2), None);
        let last = next(&*engine);
        assert!(asked.elapsed() >= LEASE * 2, "{broker:?}: given out again after {:?}", asked.elapsed());
        settle(&*engine, &last, Verb::Remove, None);
        let counts = engine.counts().expect("counts");
        assert_eq!((counts.waiting, counts.given_out), (0, 0));
        engine.delete().expect("deleted");
        assert_eq!(engine.settings().expect("answered"), None);
    }
}

#[test]
fn a_lease_that_is_renewed_does_not_run_out() {
    for broker in Broker::all() {
        let engine = broker.engine();
        engine.create(&settings()).expect("created");
        engine.publish(&[job("kept"), job("left")]).expect("published");
        let kept = next(&*engine);
        let left = next(&*engine);
        let mut came = Vec::new();
        // The other one comes back twice; by then the lease of the first would have run out twice.
        while came.len() < 2 {
            for result in engine.renew(std::slice::from_ref(&kept.ticket)) {
                result.expect("renewed");
            }
            came.extend(engine.fetch(1, Duration::from_millis(200)).expect("fetched"));
        }
        assert!(came.iter().all(|delivery| delivery.key == left.key), "{came:?}");
    }
}

#[test]
fn tables_keep_the_last_value_or_the_first() {
    for broker in Broker::all() {
        let engine = broker.engine();
        engine.create(&settings()).expect("created");
        let get = |key: &str| engine.get(Table::Done, &[key.to_owned()]).expect("answered").remove(0);
        assert_eq!(get("a"), None);
        for value in ["one", "two"] {
            engine.put(Table::Done, "a", value.as_bytes()).expect("stored");
        }
        let entry = get("a").expect("a value");
        assert_eq!((&*entry.key, &*entry.value), ("a", &b"two"[..]));
        assert!(entry.time > Duration::from_secs(1_600_000_000), "{entry:?}");
        engine.publish(&[job("a"), job("b")]).expect("published");
        for (key, value) in [("a", "three"), ("b", "four")] {
            let record =
                Stored { table: Table::Done, key: key.into(), value: value.into(), rule: Rule::KeepFirst };
            let delivery = next(&*engine);
            settle(&*engine, &delivery, Verb::Remove, Some(record));
        }
        assert_eq!(get("a").expect("a value").value, b"two");
        assert_eq!(get("b").expect("a value").value, b"four");
        assert!(!engine.remove(Table::Done, "a", entry.revision + 1000).expect("answered"));
        assert!(engine.remove(Table::Done, "a", entry.revision).expect("removed"));
        assert_eq!(get("a"), None);
        assert_eq!(engine.counts().expect("counts").done, 1);
        for key in ["x.1", "x.2", "y.1"] {
            engine.put(Table::Meta, key, b"").expect("stored");
        }
        let mut keys = Vec::new();
        let mut collect = |entry: longshore_cluster::Entry| {
            keys.push(entry.key);
            true
        };
        engine.scan(Table::Meta, "x.", &mut collect).expect("scanned");
        engine.scan(Table::Dead, "", &mut collect).expect("scanned");
        assert_eq!(keys, ["x.1", "x.2"]);
    }
}

#[test]
fn the_place_of_a_job_is_known() {
    for broker in Broker::all() {
        let engine = broker.engine();
        engine.create(&settings()).expect("created");
        engine.publish(&[job("a"), job("b"), job("c")]).expect("published");
        let ids = ["a", "b", "c", "none"].map(|name| name.parse().expect("a name"));
        let places = engine.find(&ids).expect("answered");
        assert_eq!(places, [Some(Place::Waiting(0)), Some(Place::Waiting(1)), Some(Place::Waiting(2)), None]);
        let delivery = next(&*engine);
        let counts = engine.counts().expect("counts");
        assert_eq!((counts.waiting, counts.given_out), (2, 1));
        let places = engine.find(&ids).expect("answered");
        assert_eq!(places[..2], [Some(Place::GivenOut), Some(Place::Waiting(0))]);
        settle(&*engine, &delivery, Verb::Remove, None);
        wait_until("it is gone", || engine.find(&ids).expect("answered")[0].is_none());
    }
}

#[test]
fn many_values_are_scanned_and_found() {
    for broker in Broker::all() {
        let engine = broker.engine();
        engine.create(&settings()).expect("created");
        let jobs: Vec<_> = (0..3_000).map(|number| job(&format!("job-{number}"))).collect();
        assert_eq!(engine.publish(&jobs).expect("published"), 3_000);
        let ids: Vec<_> = jobs.iter().map(|job| job.id.clone()).collect();
        assert!(engine.find(&ids).expect("answered").iter().all(Option::is_some));
        let mut taken = 0;
        while taken < 3_000 {
            let block = engine.fetch(100, Duration::from_millis(500)).expect("fetched");
            let done = |delivery: &Delivery| Settlement {
                ticket: delivery.ticket.clone(),
                record: Some(Stored {
                    table: Table::Done,
                    key: delivery.key.clone(),
                    value: delivery.key.clone().into(),
                    rule: Rule::KeepFirst,
                }),
                verb: Verb::Remove,
            };
            let settlements: Vec<_> = block.iter().map(done).collect();
            for result in engine.settle(&settlements) {
                result.expect("settled");
            }
            taken += block.len();
        }
        let mut count = 0;
        engine
            .scan(Table::Done, "", &mut |entry| {
                assert_eq!(entry.key.as_bytes(), entry.value);
                count += 1;
                true
            })
            .expect("scanned");
        assert_eq!(count, 3_000);
        let mut first = 0;
        engine
            .scan(Table::Done, "", &mut |_| {
                first += 1;
                false
            })
            .expect("scanned");
        assert_eq!(first, 1);
    }
}
