//! The connection: why it could not be made, and whether the server admits the user when it is made anew.

use std::error::Error;
use std::io;
use std::sync::{Mutex, PoisonError};

use async_nats::{ClientError, ConnectError, ConnectErrorKind, Event};

use crate::engine::{EngineError, EngineErrorKind};

/// After so many refusals without a connection the user counts as not admitted. One alone may come from a
/// server that has just started, and does not know its accounts yet.
const MOST_REFUSALS: u32 = 3;

/// What is known about a connection that was made. The client makes it anew for ever, whatever the server
/// says.
#[derive(Debug, Default)]
pub(super) struct Link(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The last complaint of the server about this client.
    complaint: Option<String>,
    /// How often the server has refused the user since it was admitted.
    refusals: u32,
}

impl Link {
    /// Something has happened to the connection.
    pub fn hear(&self, event: &Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ServerError(error) => state.complaint = Some(error.to_string()),
            Event::Connected => *state = State::default(),
            Event::ClientError(ClientError::Other(text)) => {
                let kinds = [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication];
                let is_refusal = kinds.iter().any(|kind| kind.to_string() == *text);
                state.refusals += u32::from(is_refusal);
            }
            _ => {}
        }
    }

    /// # Errors
    /// [`EngineErrorKind::Denied`] if the server refuses the user again and again.
    pub fn ensure_admitted(&self) -> Result<(), EngineError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.refusals < MOST_REFUSALS {
            return Ok(());
        }
        let complaint = state.complaint.as_deref().unwrap_or("its user, token or credentials are refused");
        let text = format!("the broker does not admit this user any more: {complaint}");
        Err(EngineError::new(EngineErrorKind::Denied, text))
    }
}

/// Why no connection was made.
pub(super) fn refusal(servers: &str, error: &ConnectError) -> EngineError {
    let (kind, text) = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => (
            EngineErrorKind::Denied,
            format!("the user, password, token or credentials are wrong, missing or expired ({error})"),
        ),
        ConnectErrorKind::Tls => (EngineErrorKind::Denied, format!("no encrypted connection: {error}")),
        ConnectErrorKind::Io if is_of_tls(error) => (
            EngineErrorKind::Denied,
            format!("no encrypted connection, a certificate is missing or not trusted: {error}"),
        ),
        ConnectErrorKind::ServerParse => (EngineErrorKind::Refused, error.to_string()),
        _ => (EngineErrorKind::Unreachable, error.to_string()),
    };
    EngineError::new(kind, format!("cannot connect to {servers}: {text}"))
}

/// Whether the handshake of TLS has failed. Its errors come as errors of the stream with wrong data, whereas
/// a server that goes away gives every other kind.
fn is_of_tls(error: &ConnectError) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        next = error.source();
    }
    false
}
