//! How to reach a server, and as which user.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};

use crate::engine::{EngineError, EngineErrorKind};

/// How often the server is asked whether it is still there. After two questions without an answer the
/// connection counts as broken: a cable that was cut says nothing.
const PING: Duration = Duration::from_secs(3);
/// How long a server may take to answer at all.
const CONNECT: Duration = Duration::from_secs(4);

/// How to reach a server, and as which user. A password within an address is taken as well.
#[derive(Clone, Default)]
pub struct Access {
    /// Addresses, `nats://host:port` or `tls://host:port`, separated by commas.
    pub servers: String,
    /// A user, with [`Access::password`].
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A token, instead of a user.
    pub token: Option<String>,
    /// A credentials file, as `nsc` makes it.
    pub credentials: Option<PathBuf>,
    /// Certificates of authorities to trust, in PEM; with it the connection is encrypted.
    pub authority: Option<PathBuf>,
    /// A certificate and its key, in PEM, by which the server knows this client.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for Access {
    /// Without passwords and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("servers", &self.shown())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// The addresses without what could be a password.
    pub fn shown(&self) -> String {
        let plain = |address: &str| match (address.split_once("://"), address.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            _ => address.to_owned(),
        };
        self.servers.split(',').map(plain).collect::<Vec<_>>().join(",")
    }

    pub(super) async fn options(&self) -> Result<(ConnectOptions, Vec<ServerAddr>), EngineError> {
        let refused = |what: String, error: std::io::Error| {
            EngineError::new(EngineErrorKind::Refused, format!("{what}: {error}"))
        };
        let addresses = self.servers.split(',').map(|address| address.trim().parse::<ServerAddr>());
        let addresses =
            addresses.collect::<Result<Vec<_>, _>>().map_err(|error| refused(self.shown(), error))?;
        let mut options =
            ConnectOptions::new().name("longshore").ping_interval(PING).connection_timeout(CONNECT);
        options = options.request_timeout(Some(super::PATIENCE));
        let of_address = addresses.iter().find_map(|address| Some((address.username()?, address.password())));
        let user = match (&self.user, of_address) {
            (Some(user), _) => Some((user.clone(), self.password.clone())),
            (None, Some((user, password))) => Some((user.to_owned(), password.map(str::to_owned))),
            (None, None) => None,
        };
        if let Some((user, password)) = user {
            options = options.user_and_password(user, password.unwrap_or_default());
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        if let Some(path) = &self.credentials {
            let read = options.credentials_file(path).await;
            options = read.map_err(|error| refused(path.display().to_string(), error))?;
        }
        if let Some(path) = &self.authority {
            std::fs::metadata(path).map_err(|error| refused(path.display().to_string(), error))?;
            options = options.add_root_certificates(path.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = &self.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
        }
        Ok((options, addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let servers = "nats://me:secret@a:4222,tls://b,secret@c:1".into();
        let access = Access { servers, password: Some("secret".into()), ..Access::default() };
        assert_eq!(access.shown(), "nats://a:4222,tls://b,c:1");
        assert!(!format!("{access:?}").contains("secret"));
    }
}
