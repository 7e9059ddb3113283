//! PostgreSQL. A connection that breaks is made anew, and the batch at hand is written again: every row has a key, so that nothing
//! is stored twice, even if the transaction before had been carried out and only its answer was lost.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use uuid::Uuid;

use super::{GiveUp, WriteError, Written};
use crate::upload::{Hash, Row};

/// How long a batch waits for a server that cannot be reached: a restart takes some seconds.
const UNREACHABLE: Duration = Duration::from_secs(10);
/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(100);
/// For one attempt; and for what was sent to be confirmed by the other side's system.
const NETWORK: Duration = Duration::from_secs(5);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS uploads (
    id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, hash BYTEA NOT NULL, body BYTEA NOT NULL, key TEXT UNIQUE
)";
const INSERT: &str = "INSERT INTO uploads (name, hash, body, key)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) ON CONFLICT (key) DO NOTHING";
const SELECT: &str = "SELECT key, id, name, hash FROM uploads WHERE key = ANY($1)";

/// A connection to a server, which is made anew when it breaks.
pub struct Connection {
    config: Config,
    client: Option<Client>,
    give_up: GiveUp,
}

/// An error, and whether the transaction may have been carried out nevertheless.
struct Broken {
    error: postgres::Error,
    is_sent: bool,
}

impl Connection {
    /// Reaches the server, makes the table if there is none, and tries it.
    pub fn open(url: &str, give_up: GiveUp) -> Result<Connection> {
        // Not the URL, which may hold a password.
        let mut config: Config = url.parse().context("the URL of the database")?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(NETWORK);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(NETWORK);
        }
        let mut client = config.connect(NoTls).context("cannot reach PostgreSQL")?;
        client.batch_execute(TABLE).context("cannot make the table `uploads`")?;
        attempt(&mut client).context("the table `uploads` is not the server's")?;
        Ok(Connection { config, client: Some(client), give_up })
    }

    /// Writes all rows or none.
    pub fn write(&mut self, rows: &[Row]) -> Result<Vec<Written>, WriteError> {
        // The same in every attempt.
        let keys: Vec<String> = rows.iter().map(|row| row.key.clone().unwrap_or_else(random_key)).collect();
        let deadline = Instant::now() + UNREACHABLE;
        let mut is_sent = false;
        loop {
            let broken = match self.attempt(rows, &keys) {
                Ok(written) => return Ok(written),
                Err(broken) => broken,
            };
            // Whatever the reason: a transaction that ends with an error is over with its connection.
            self.client = None;
            is_sent |= broken.is_sent;
            let is_over = Instant::now() >= deadline || self.give_up.is_due();
            let text = describe(&broken.error);
            match (is_passing(&broken.error), is_over) {
                (true, false) => thread::park_timeout(PAUSE),
                _ if is_sent => return Err(WriteError::Unknown(text)),
                (true, true) => return Err(WriteError::Unavailable(text)),
                (false, _) => return Err(WriteError::Failed(text)),
            }
        }
    }

    fn attempt(&mut self, rows: &[Row], keys: &[String]) -> Result<Vec<Written>, Broken> {
        let unsent = |error| Broken { error, is_sent: false };
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(self.config.connect(NoTls).map_err(unsent)?),
        };
        let mut transaction = client.transaction().map_err(unsent)?;
        let names: Vec<&str> = rows.iter().map(|row| &*row.name).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| &row.hash[..]).collect();
        let bodies: Vec<&[u8]> = rows.iter().map(|row| &row.body[..]).collect();
        transaction.execute(INSERT, &[&names, &hashes, &bodies, &keys]).map_err(unsent)?;
        let found = transaction.query(SELECT, &[&keys]).map_err(unsent)?;
        let found: std::collections::HashMap<String, (i64, String, Vec<u8>)> =
            found.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
        let written = rows.iter().zip(keys).map(|(row, key)| match found.get(key) {
            Some((id, name, hash)) if *name == row.name && hash[..] == row.hash => Written::Stored(*id),
            _ => Written::KeyTaken,
        });
        let written = written.collect();
        transaction.commit().map_err(|error| Broken { is_sent: !is_refused(&error), error })?;
        Ok(written)
    }
}

fn random_key() -> String {
    Uuid::new_v4().to_string()
}

/// Whether the server itself says that the transaction has no effect.
fn is_refused(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| !is_shutdown(code))
}

/// Whether it may work in a moment: the connection is gone, the server is about to end or to start, or other
/// transactions were in the way.
fn is_passing(error: &postgres::Error) -> bool {
    let is_passing = |code: &SqlState| {
        let is_in_the_way =
            *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED;
        is_shutdown(code) || is_in_the_way
    };
    error.code().is_none_or(is_passing)
}

fn is_shutdown(code: &SqlState) -> bool {
    // Class 08: exceptions of the connection. 57P01 to 57P03: the server ends, has crashed, or is not ready yet.
    code.code().starts_with("08") || ["57P01", "57P02", "57P03"].contains(&code.code())
}

/// The server's own words, which the error hides behind "db error".
fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("PostgreSQL: {}", error.message()),
        None => format!("PostgreSQL: {error}"),
    }
}

/// Writes as uploads will be written, and takes it back.
fn attempt(client: &mut Client) -> Result<()> {
    let mut transaction = client.transaction()?;
    let (hash, keys) = (Hash::default(), [random_key()]);
    transaction.execute(
        INSERT,
        &[&["name"].as_slice(), &[&hash[..]].as_slice(), &[&b"body"[..]].as_slice(), &keys.as_slice()],
    )?;
    let row = transaction.query_one(SELECT, &[&keys.as_slice()])?;
    row.try_get::<_, i64>(1)?;
    row.try_get::<_, Vec<u8>>(3)?;
    Ok(transaction.rollback()?)
}
