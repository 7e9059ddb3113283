//! The image batch: what the resize example does to the photographs, in memory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_pipeline::{self as pipeline, Encoding, Format};

use super::skew::parallelism;
use super::{ROW, Row, Scale, Setup, higher};
use crate::ledger::{self, Expected, hash};
use crate::outcome::{Failure, Ready, figures, warmed};
use crate::pools::{Execute, executing, leak};

/// How often each photograph is in the batch.
const COPIES: usize = 4;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "images",
    title: "The photographs of the repository, 4 times each, decoded, resized to a quarter of each side, encoded",
    metrics: &[higher("share", "share of the ideal"), higher("rate", "images per s")],
    not_shown: "Bytes to bytes in memory, no disk. The ideal is the sequential rate, measured in the same process before \
                and after, times the number of workers or cores, whichever is less; two decoders at a time have half \
                of the shared cache each, which no pool can help.",
    prepare: |setup, name| executing!(name, R => batch::<R>(setup)),
    ..ROW
}];

/// What becomes of one photograph, as a number.
fn process(photo: &[u8]) -> Result<u64, Failure> {
    let quarter = |width: u32, height: u32| ((width / 4).max(1), (height / 4).max(1));
    let resized = pipeline::resize(photo, Encoding { format: Format::Jpeg, quality: 85 }, quarter)
        .map_err(|error| Failure::Wrong(format!("a photograph cannot be resized: {error}")))?;
    if resized.to != quarter(resized.from.0, resized.from.1) {
        return Err(Failure::Wrong(format!("{:?} instead of a quarter of {:?}", resized.to, resized.from)));
    }
    Ok(resized.bytes.iter().fold(0, |sum, &byte| hash(sum ^ u64::from(byte))))
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

fn batch<R: Execute>(setup: Setup) -> Ready {
    // The limit of a competitor is meant for tiny tasks.
    let pool = leak::<R>(setup.workers, 1)?;
    let mut photos = photographs()?;
    let copies = if setup.scale == Scale::Full { COPIES } else { 1 };
    if setup.scale == Scale::Quick {
        photos.sort_by_key(Vec::len);
        photos.truncate(2);
    }
    let photos: Vec<(Arc<Vec<u8>>, u64)> = photos
        .into_iter()
        .map(|photo| process(&photo).map(|right| (Arc::new(photo), right)))
        .collect::<Result<_, _>>()?;
    let photos: Vec<_> = std::iter::repeat_n(photos, copies).flatten().collect();
    let count = photos.len() as u64;
    let submit = {
        let photos = photos.clone();
        move || -> Result<Duration, Failure> {
            let mark = ledger::mark();
            let start = Instant::now();
            for (number, (photo, right)) in (0..).zip(&photos) {
                let (photo, right) = (Arc::clone(photo), *right);
                pool.execute(move || match process(&photo) {
                    Ok(result) if result == right => ledger::enter(number),
                    // Not a number that anybody expects.
                    _ => ledger::enter(u64::MAX),
                });
            }
            Ok(mark.wait(Expected::of(0..count), start)?.duration_since(start))
        }
    };
    let sequential = move || -> Result<Duration, Failure> {
        let start = Instant::now();
        for (photo, _) in &photos {
            std::hint::black_box(process(photo)?);
        }
        Ok(start.elapsed())
    };
    warmed(count, move || {
        let before = sequential()?;
        let elapsed = submit()?;
        let after = sequential()?;
        let ideal = (before + after).as_secs_f64() / 2.0 / parallelism::<R>(setup.workers) as f64;
        let rate = count as f64 / elapsed.as_secs_f64();
        figures(elapsed, [("share", ideal / elapsed.as_secs_f64()), ("rate", rate)])
    })
}
