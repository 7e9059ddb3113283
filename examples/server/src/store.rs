//! The database: a connection writes batches of rows, each in one transaction.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};

use crate::upload::{Hash, Row};

/// How long a connection waits for another one that writes.
const BUSY: Duration = Duration::from_secs(30);

/// Where the rows go.
#[derive(Clone, Debug)]
pub enum Database {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

/// A connection.
pub enum Writer {
    Sqlite(Connection),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Client>),
}

impl Database {
    /// Understands a URL or the name of a file.
    pub fn parse(text: &str) -> Result<Database> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            #[cfg(feature = "postgres")]
            return Ok(Database::Postgres(text.into()));
            #[cfg(not(feature = "postgres"))]
            anyhow::bail!("built without PostgreSQL: cargo run -p longshore-server --features postgres");
        }
        ensure!(!text.contains("://"), "{text}: expected a file name or postgres://...");
        Ok(Database::Sqlite(text.into()))
    }

    /// Opens the database and makes its table if there is none. Done once, by the server as it starts.
    pub fn create(&self) -> Result<()> {
        match self.open()? {
            Writer::Sqlite(connection) => connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS uploads (
                     id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL
                 )",
            )?,
            #[cfg(feature = "postgres")]
            Writer::Postgres(mut client) => client.batch_execute(
                "CREATE TABLE IF NOT EXISTS uploads (
                     id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, hash BYTEA NOT NULL, body BYTEA NOT NULL
                 )",
            )?,
        }
        Ok(())
    }

    /// A connection of its own.
    pub fn open(&self) -> Result<Writer> {
        match self {
            Database::Sqlite(path) => open_sqlite(path)
                .map(Writer::Sqlite)
                .with_context(|| format!("cannot open the database {}", path.display())),
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                let client =
                    postgres::Client::connect(url, postgres::NoTls).context("cannot reach PostgreSQL")?;
                Ok(Writer::Postgres(Box::new(client)))
            }
        }
    }
}

fn open_sqlite(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // A commit is one write to the log, which is on the disk when it returns: an answer is a promise.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

impl Writer {
    /// Writes all rows or none; returns their numbers.
    pub fn write(&mut self, rows: &[Row]) -> Result<Vec<i64>> {
        let mut numbers = Vec::with_capacity(rows.len());
        match self {
            Writer::Sqlite(connection) => {
                let transaction = connection.transaction()?;
                let mut insert =
                    transaction.prepare("INSERT INTO uploads (name, hash, body) VALUES (?1, ?2, ?3)")?;
                for row in rows {
                    numbers.push(insert.insert(params![row.name, row.hash, &row.body[..]])?);
                }
                drop(insert);
                transaction.commit()?;
            }
            #[cfg(feature = "postgres")]
            Writer::Postgres(client) => {
                let mut transaction = client.transaction()?;
                let insert = transaction
                    .prepare("INSERT INTO uploads (name, hash, body) VALUES ($1, $2, $3) RETURNING id")?;
                for row in rows {
                    let inserted =
                        transaction.query_one(&insert, &[&row.name, &&row.hash[..], &&row.body[..]])?;
                    numbers.push(inserted.get(0));
                }
                transaction.commit()?;
            }
        }
        Ok(numbers)
    }
}

/// Goes through all rows of a SQLite file: for the check afterwards.
pub fn for_each_row(path: &Path, mut visit: impl FnMut(String, Hash)) -> Result<()> {
    let connection = open_sqlite(path)?;
    let mut select = connection.prepare("SELECT name, hash FROM uploads")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, row.get(1)?);
    }
    Ok(())
}
