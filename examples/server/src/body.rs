//! Reads the body of a request, within limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::time::{Instant, timeout_at};

/// Bytes of a body.
pub const LARGEST: usize = 1 << 20;
/// For all of it.
const SLOWEST: Duration = Duration::from_secs(30);
/// Without any of it.
const STALLED: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
}

impl BodyError {
    pub fn status(self) -> StatusCode {
        match self {
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            BodyError::TooLarge => "a body has up to 1 MiB",
            BodyError::TooSlow => "the body did not come in time",
            BodyError::Broken => "the body is broken",
        }
    }
}

/// What its header says of a body, before any of it was read.
///
/// # Errors
/// It announces more than is allowed.
pub fn announced(request: &Request<Incoming>) -> Result<(), BodyError> {
    match request.body().size_hint().lower() {
        announced if announced > LARGEST as u64 => Err(BodyError::TooLarge),
        _ => Ok(()),
    }
}

/// Reads a body.
///
/// # Errors
/// Each [`BodyError`].
pub async fn read(body: Incoming) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    for_each_part(body, |part| whole.extend_from_slice(&part)).await?;
    Ok(whole.freeze())
}

/// Reads the body of a request that is answered without it, so that the connection can be used again. A client that
/// waits for a word before it sends is not asked to.
pub async fn discard(request: Request<Incoming>) {
    if announced(&request).is_ok() && !request.headers().contains_key(EXPECT) {
        // A connection whose body is not read to its end is closed after the answer.
        let _ = for_each_part(request.into_body(), drop).await;
    }
}

async fn for_each_part(mut body: Incoming, mut each: impl FnMut(Bytes)) -> Result<(), BodyError> {
    let deadline = Instant::now() + SLOWEST;
    let mut length = 0;
    loop {
        let frame = timeout_at(deadline.min(Instant::now() + STALLED), body.frame()).await;
        let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else { return Ok(()) };
        // Frames without data are trailers, which say nothing here.
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        length += data.len();
        if length > LARGEST {
            return Err(BodyError::TooLarge);
        }
        each(data);
    }
}
