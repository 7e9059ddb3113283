//! The image batch: what the resize example does to the photographs, in memory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_resize::transform::transform;
use longshore_resize::{Output, Recipe};

use super::ideal::{at_once, in_order, parallelism, side_by_side};
use super::{ROW, Row, Scale, Setup, higher};
use crate::ledger::{self, Expected, hash};
use crate::outcome::{Failure, Ready, figures, ready};
use crate::pools::{Execute, SIDE_BY_SIDE, TO_IDEAL, executing, leak};
use crate::work::Random;

/// How often each photograph is in the batch.
const COPIES: usize = 4;

/// Where the order comes from.
const SEED: u64 = 20_261_124;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "images",
    title: "The photographs of the repository, 4 times each, decoded, resized to a quarter of each side, encoded",
    metrics: &[
        higher("share", "share of the ideal"),
        higher("order", "share of what the order allows"),
        higher("rate", "images per s"),
    ],
    not_shown: "Bytes to bytes in memory, no disk. The order is shuffled, the same for every competitor, also where one thread does it. \
                The ideal is the sequential rate, measured in the same process before and after, times the number of workers \
                or cores, whichever is less. The photographs are of unequal size, and there are few: what the order allows is \
                the time that a schedule takes in which no thread waits before the last one has begun, made of the sequential \
                times. `side-by-side` is no pool: each thread does the whole batch by itself, so it shows how much less two \
                decoders at a time get of the machine (its memory, its last-level cache) than one, which no pool can help.",
    only: Some(TO_IDEAL),
    prepare: |setup, name| match name {
        SIDE_BY_SIDE => machine(setup),
        _ => executing!(name, R => batch::<R>(setup)),
    },
    ..ROW
}];

/// What becomes of one photograph, as a number.
fn process(photo: &[u8]) -> Result<u64, Failure> {
    let size = "25%".parse().map_err(|error| Failure::Wrong(format!("a quarter is no size: {error}")))?;
    let recipe = Recipe { size, format: Output::Jpeg, quality: 85, ..Recipe::default() };
    let made = transform(photo, &recipe)
        .map_err(|error| Failure::Wrong(format!("a photograph cannot be resized: {error}")))?;
    let quarter = |side: u32| (f64::from(side) / 4.0).round() as u32;
    if made.to != (quarter(made.from.0), quarter(made.from.1)) {
        return Err(Failure::Wrong(format!("{:?} instead of a quarter of {:?}", made.to, made.from)));
    }
    Ok(made.bytes.iter().fold(0, |sum, &byte| hash(sum ^ u64::from(byte))))
}

fn photographs() -> Result<Vec<Vec<u8>>, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/photos");
    let unreadable = |error| Failure::Wrong(format!("{} cannot be read: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "jpg") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| fs::read(path).map_err(unreadable)).collect()
}

/// The photographs with what comes of each, in an order that is the same for everyone.
type Photos = Vec<(Arc<Vec<u8>>, u64)>;

fn shuffled(scale: Scale) -> Result<Photos, Failure> {
    let mut photos = photographs()?;
    let copies = if scale == Scale::Full { COPIES } else { 1 };
    if scale == Scale::Quick {
        photos.sort_by_key(Vec::len);
        photos.truncate(2);
    }
    let known = photos.into_iter().map(|photo| process(&photo).map(|right| (Arc::new(photo), right)));
    let photos = known.collect::<Result<Photos, _>>()?;
    let mut photos: Photos = std::iter::repeat_n(photos, copies).flatten().collect();
    Random::new(SEED).shuffle(&mut photos);
    Ok(photos)
}

/// What a task enters: its number, or an unexpected number if the result is wrong.
fn entry(number: u64, photo: &[u8], right: u64) -> u64 {
    if process(photo).is_ok_and(|result| result == right) { number } else { u64::MAX }
}

/// How long one thread takes for each, in seconds.
fn sequential(photos: &Photos) -> Result<Vec<f64>, Failure> {
    let one = |(photo, _): &(Arc<Vec<u8>>, u64)| {
        let start = Instant::now();
        std::hint::black_box(process(photo)?);
        Ok(start.elapsed().as_secs_f64())
    };
    photos.iter().map(one).collect()
}

/// Runs the batch between two sequential ones, which say how long each photograph takes.
fn between(
    photos: &Photos,
    run: impl FnOnce() -> Result<Duration, Failure>,
) -> Result<(Duration, Vec<f64>), Failure> {
    let before = sequential(photos)?;
    let elapsed = run()?;
    let after = sequential(photos)?;
    Ok((elapsed, before.iter().zip(after).map(|(before, after)| (before + after) / 2.0).collect()))
}

/// How near to the ideal the machine comes without any pool.
fn machine(setup: Setup) -> Ready {
    let photos = shuffled(setup.scale)?;
    let count = photos.len() as u64;
    ready(count, move || {
        let work = |number: u64| entry(number, &photos[number as usize].0, photos[number as usize].1);
        let (elapsed, times) = between(&photos, || side_by_side(setup.workers, count, work))?;
        let all = (at_once(setup.workers) as u64 * count) as f64;
        let share = times.iter().sum::<f64>() / elapsed.as_secs_f64();
        figures(elapsed, [("share", share), ("rate", all / elapsed.as_secs_f64())])
    })
}

fn batch<R: Execute>(setup: Setup) -> Ready {
    // The limit of a competitor is meant for tiny tasks.
    let pool = leak::<R>(setup.workers, 1)?;
    let photos = shuffled(setup.scale)?;
    let count = photos.len() as u64;
    let cores = parallelism::<R>(setup.workers);
    let submit = move |photos: &Photos| {
        let mark = ledger::mark();
        let start = Instant::now();
        for (number, (photo, right)) in (0..).zip(photos) {
            let (photo, right) = (Arc::clone(photo), *right);
            pool.execute(move || ledger::enter(entry(number, &photo, right)));
        }
        Ok(mark.wait(Expected::of(0..count), start)?.duration_since(start))
    };
    // A sequential batch says nothing new before the measurement, and takes seconds.
    submit(&photos)?;
    ready(count, move || {
        let (elapsed, times) = between(&photos, || submit(&photos))?;
        let taken = elapsed.as_secs_f64();
        let share = times.iter().sum::<f64>() / cores as f64 / taken;
        figures(
            elapsed,
            [("share", share), ("order", in_order(&times, cores) / taken), ("rate", count as f64 / taken)],
        )
    })
}
