//! What a server asks for: certificates of an authority, and accounts whose users have credentials files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An authority and a certificate of it for this machine, as files. The certificate is good for a server and
/// for a client.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes them; `None`, with a notice, if there is no `openssl`.
    ///
    /// # Panics
    /// If there is no temporary directory.
    pub fn new() -> Option<Certificates> {
        let directory = tempfile::tempdir().expect("a directory");
        let script = "
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
                -days 30 -subj /CN=authority -addext basicConstraints=critical,CA:TRUE \
                -addext keyUsage=critical,keyCertSign &&
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr \
                -subj /CN=127.0.0.1 &&
            printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nextendedKeyUsage=serverAuth,clientAuth' > ext &&
            openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext \
                -out own.pem";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(directory.path()).stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Certificates { directory });
        }
        println!("notice: there is no openssl; a test of TLS passes over");
        None
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The certificate of this machine.
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("own.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("own.key")
    }

    /// Configuration of a server that encrypts, and that asks for a certificate if `asks`.
    pub fn configuration(&self, asks: bool) -> String {
        let (certificate, key, authority) = (self.certificate(), self.key(), self.authority());
        format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?}, verify: {asks} }}"
        )
    }
}

/// An operator with an account, as `nsc` makes them: the server knows the keys, and users have credentials
/// files.
#[derive(Debug)]
pub struct Accounts {
    account: KeyPair,
    configuration: String,
}

impl Accounts {
    /// New keys.
    pub fn new() -> Accounts {
        let (operator, system, account) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let of_account = json!({ "limits": limits, "type": "account", "version": 2 });
        let of_system = json!({
            "limits": {
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
                "leaf": -1,
            },
            "type": "account", "version": 2,
        });
        let of_operator = json!({ "system_account": system.public_key(), "type": "operator", "version": 2 });
        let configuration = format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
            token(&operator, &operator, of_operator, None),
            system.public_key(),
            system.public_key(),
            token(&operator, &system, of_system, None),
            account.public_key(),
            token(&operator, &account, of_account, None),
        );
        Accounts { account, configuration }
    }

    /// Configuration of a server with this account.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// Writes files into a directory: the credentials `good`, `expired` and `foreign`, which another operator
    /// has signed, and `garbage`, which are none.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write_kinds(&self, directory: &Path) {
        self.write_credentials(&directory.join("good"), None);
        self.write_credentials(&directory.join("expired"), Some(-60));
        Accounts::new().write_credentials(&directory.join("foreign"), None);
        std::fs::write(directory.join("garbage"), "no credentials").expect("written");
    }

    /// Writes the credentials file of a new user, which is good for so many seconds from now on, or for ever.
    /// With a negative number it has expired.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_credentials(&self, path: &Path, seconds: Option<i64>) {
        let user = KeyPair::new_user();
        let claims = json!({
            "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2,
        });
        let token = token(&self.account, &user, claims, seconds);
        let seed = user.seed().expect("a seed");
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(path, text).expect("written");
    }
}

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts::new()
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_types, reason = "the server compares the end of credentials with its clock")]
fn now() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};

    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What `issuer` says about `subject`, signed.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: Value, seconds: Option<i64>) -> String {
    let (subject, issuer_key) = (subject.public_key(), issuer.public_key());
    let mut token = json!({
        "jti": subject, "iat": now(), "iss": issuer_key, "name": "test", "sub": subject, "nats": claims,
    });
    if let Some(seconds) = seconds {
        token["exp"] = now().saturating_add(seconds).into();
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let [header, token] = [header, token].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{token}");
    let signature = issuer.sign(signed.as_bytes()).expect("a key that signs");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
