//! Records what a work-stealing pool does, and tells where the time went.
//!
//! Two halves that share the record of eight bytes ([`record`]):
//!
//! - **The recorder** ([`recorder`]) is what a pool carries: a ring for each worker and each submitting
//!   thread, written with plain stores, read at any moment. It writes recordings ([`format`](mod@format),
//!   files `.lsr`).
//! - **The analysis** puts a recording together ([`run`]): tasks with their times, parents and waits. It says
//!   where the time went, per worker and summed to 100 %, how large work and span are, and what is wrong
//!   ([`analysis`]). It writes one HTML page, Chrome's JSON and Perfetto's protobuf ([`export`]).
//!
//! Without the default feature `analysis` only the recorder, the format's writer and the records are
//! compiled.
//!
//! `docs/trace-format.md` of the repository describes the format, and which call belongs where in a pool.
//!
//! ```
//! use longshore_trace::analysis::Analysis;
//! use longshore_trace::format::{Facts, Recording};
//! use longshore_trace::record::{Outcome, Place, Source};
//! use longshore_trace::recorder::{Recorder, Settings};
//! use longshore_trace::run::Run;
//!
//! // What a pool does with its recorder:
//! let recorder = Recorder::new(Facts::new(), Settings::default())?;
//! let (main, worker) = (recorder.outside().expect("a track is free"), recorder.worker(0));
//! main.put(Place::Injector, 0, 1);
//! worker.got(Place::Injector, 0, 1);
//! let task = worker.begin(Source::Batch);
//! worker.label(recorder.label("decode"));
//! worker.end(task, Outcome::Completed);
//!
//! // What its user gets:
//! let mut file = Vec::new();
//! recorder.write(&mut file, &Facts::new())?;
//! let run = Run::new(&Recording::parse(&file)?)?;
//! let analysis = Analysis::new(&run);
//! assert_eq!((analysis.tasks, analysis.labels[0].label.as_str()), (1, "decode"));
//! println!("{}", analysis.report(&run));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "analysis")]
pub mod analysis;
#[cfg(feature = "analysis")]
pub mod export;
pub mod format;
pub mod record;
pub mod recorder;
#[cfg(feature = "analysis")]
pub mod run;
#[cfg(feature = "analysis")]
mod sorted;
