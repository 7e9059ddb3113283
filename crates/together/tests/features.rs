//! What the features `metrics`, `serde` and `tracing` add, each with a receiver of the test's own. One
//! process, one recorder and one subscriber, so all of it is here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use longshore::{AnyPool, Histograms, PinStatus, Pool, PoolStats, PullPool, WorkerState};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

#[test]
fn a_snapshot_can_be_written_and_read() {
    let pool = Pool::builder().workers(2).histograms(Histograms::All).build().expect("starts");
    pool.submit_batch((0..100).map(|n| move || n)).expect("open").into_iter().for_each(|handle| {
        handle.join().expect("ran");
    });
    pool.shutdown().expect("shuts down");
    let stats = pool.stats();
    let text = serde_json::to_string(&stats).expect("is written");
    let read: PoolStats = serde_json::from_str(&text).expect("is read");
    assert_eq!(read.workers, stats.workers);
    assert_eq!((read.name, read.submitted), (stats.name, 100));
    assert_eq!(serde_json::to_string(&Histograms::Sampled).expect("is written"), "\"Sampled\"");
    assert_eq!(serde_json::to_string(&PinStatus::Pinned(3)).expect("is written"), "{\"Pinned\":3}");
    assert_eq!(serde_json::from_str::<WorkerState>("\"Gone\"").expect("is read"), WorkerState::Gone);
}

/// Keeps the last value of each metric, by name and labels.
#[derive(Default)]
struct Kept(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Kept {
    fn slot(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.0.lock().expect("no panic").entry(name).or_default().clone()
    }

    fn value(&self, name: &str) -> u64 {
        let kept = self.0.lock().expect("no panic");
        let found = kept.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", kept.keys()));
        found.load(Ordering::Relaxed)
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.slot(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.slot(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_snapshot_is_published() {
    let builder = PullPool::builder().workers(1).thread_name("shop").histograms(Histograms::All);
    let pool = builder.build().expect("starts");
    (0..10).for_each(|_| pool.execute(|| ()).expect("open"));
    pool.shutdown().expect("shuts down");
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || pool.stats().publish());
    assert_eq!(kept.value("longshore_tasks_total{pool=shop,state=completed}"), 10);
    assert_eq!(kept.value("longshore_worker_executed_total{pool=shop,worker=0}"), 10);
    assert_eq!(f64::from_bits(kept.value("longshore_tasks{pool=shop,state=waiting}")), 0.0);
    let longest = f64::from_bits(kept.value("longshore_wait_seconds{pool=shop,quantile=1}"));
    assert!(longest > 0.0 && longest < 1_000.0, "{longest}");
}

/// The fields of an event, and the span that it happened in.
type Note = (String, Option<&'static str>);

/// Notes each event.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

/// The fields of an event.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?};", field.name());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let span = context.lookup_current().map(|span| span.name());
        self.0.lock().expect("no panic").push((text.0, span));
    }
}

#[test]
fn tasks_run_in_the_span_of_their_submitter() {
    let notes = Notes::default();
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    let pool = Pool::builder().workers(2).thread_name("traced").build().expect("starts");
    let note = |text: &'static str| move || info!(text);
    info_span!("request").in_scope(|| {
        pool.execute(note("executed")).expect("open");
        pool.submit(note("submitted")).expect("open").join().expect("ran");
        pool.execute_batch([note("batched")]).expect("open");
        pool.task().worker(1).execute(note("sent")).expect("open");
        pool.broadcast(move |_| info!(text = "ordered")).expect("open");
    });
    pool.execute(note("alone")).expect("open");
    pool.shutdown().expect("shuts down");
    let notes = notes.0.lock().expect("no panic");
    let spans_of = |text: &str| -> Vec<Option<&str>> {
        notes.iter().filter(|(noted, _)| noted.contains(text)).map(|(_, span)| *span).collect()
    };
    for text in ["executed", "submitted", "batched", "sent"] {
        assert_eq!(spans_of(text), [Some("request")], "{text}");
    }
    assert_eq!(spans_of("ordered"), [Some("request"); 2]);
    assert_eq!(spans_of("alone"), [None]);
    for event in ["worker started", "worker ended"] {
        let of_pool = notes.iter().filter(|(text, _)| text.contains(event) && text.contains("traced"));
        assert_eq!(of_pool.count(), 2, "{event}");
    }
}
