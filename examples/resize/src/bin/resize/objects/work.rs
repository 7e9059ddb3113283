//! One image from object to object.

use std::path::Path;

use longshore_cluster::{Fault, Finished};
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::{Job, job, transform};
use object_store::{Error, ObjectMeta};

use super::stores::Stores;
use super::url::Url;

/// How often a source is read that is replaced while it is worked on.
const ATTEMPTS: usize = 3;

/// Carries out a job whose output is beneath `root`, if `may_write` still says so when the output is made.
///
/// # Errors
/// What becomes of the job: the image is at fault, or the store, or this machine, which may not read or
/// write.
pub fn work(stores: &Stores, root: &Url, job: &Job, may_write: &dyn Fn() -> bool) -> Result<Finished, Fault> {
    let url = |path: &Path| Url::of(path).map_err(Fault::Job);
    let (source, output) = (url(&job.source)?, url(&job.output)?);
    if output.beneath(root).is_none() {
        return Err(Fault::Job(format!("{output} is not written: it is outside of {root}")));
    }
    for _ in 0..ATTEMPTS {
        if let Some(finished) = attempt(stores, job, (&source, &output), may_write)? {
            return Ok(finished);
        }
    }
    Err(Fault::Attempt(format!("{source}: it is replaced again and again while it is worked on")))
}

/// `None` if the source was replaced meanwhile.
fn attempt(
    stores: &Stores,
    job: &Job,
    (source, output): (&Url, &Url),
    may_write: &dyn Fn() -> bool,
) -> Result<Option<Finished>, Fault> {
    let of_image = |failure: Failure| {
        let text = format!("{source}: {failure}");
        match failure.kind {
            Kind::Internal => Fault::Attempt(text),
            _ => Fault::Job(text),
        }
    };
    let (before, bytes) = stores
        .read(source, |size| job::check_size(size, &job.recipe.limits).map_err(Refusal::Image))
        .map_err(|refusal| match refusal {
            Refusal::Image(failure) => of_image(failure),
            Refusal::Store(error) => fault("read", source, &error),
        })?;
    let made = transform::transform(&bytes, &job.recipe).map_err(of_image)?;
    if !may_write() {
        return Err(Fault::Lost);
    }
    let count = made.bytes.len() as u64;
    let made = made.bytes.into_owned();
    stores.write(output, made, job.recipe.format).map_err(|error| fault("write", output, &error))?;
    // After the output, whose time is that of its end: a source that was replaced meanwhile seems older.
    let now = stores.look(source).map_err(|error| fault("read", source, &error))?;
    Ok(now.is_none_or(|now| is_same(&now, &before)).then(|| Finished::bytes(count)))
}

/// Why a source is not read.
enum Refusal {
    Image(Failure),
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Store(error)
    }
}

fn is_same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    match (&a.e_tag, &b.e_tag) {
        (Some(a), Some(b)) => a == b,
        _ => (a.size, a.last_modified.timestamp()) == (b.size, b.last_modified.timestamp()),
    }
}

fn fault(verb: &str, url: &Url, error: &Error) -> Fault {
    let text = format!("cannot {verb} {url}: {error}");
    match error {
        // Another machine may have other credentials or another way to the store. If none has, the jobs wait
        // for longer than they would after attempts.
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::Generic { .. } => {
            Fault::Machine(text)
        }
        _ => Fault::Attempt(text),
    }
}
