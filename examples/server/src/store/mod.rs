//! The database: one connection that writes batches of rows, each batch in one transaction.
//!
//! A row can have a key, which its client has chosen; two uploads with the same key are one row, however often they come. PostgreSQL,
//! whose connection can break when a transaction has been sent and its answer has not come, gets a key for each row: after a new
//! connection the batch is written again, and what was stored already is found by its key.

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};

use crate::upload::Row;

pub use sqlite::for_each_row;

/// Where the rows go.
#[derive(Clone, Debug)]
pub enum Database {
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

/// A connection.
pub enum Writer {
    Sqlite(sqlite::Connection),
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Connection>),
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It has this number, perhaps since an earlier upload with its key.
    Stored(i64),
    /// Another upload has its key, with another name or content.
    KeyTaken,
}

/// Why a batch was not written. It holds for all its rows.
#[derive(Clone, Debug)]
pub enum WriteError {
    /// None is stored, and nothing about the rows can be mended by sending them again.
    Failed(String),
    /// None is stored: the database cannot be reached, or is locked, for too long.
    Unavailable(String),
    /// The transaction was sent, and its answer was lost. Sent again with its key, a row is stored once.
    Unknown(String),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Failed(text) => write!(f, "not stored: {text}"),
            WriteError::Unavailable(text) => write!(f, "not stored: {text}; try again"),
            WriteError::Unknown(text) => {
                write!(f, "it is unknown whether the upload is stored: {text}; send it again with its key")
            }
        }
    }
}

/// Tells all writers that it is too late to wait any longer: the server ends.
#[derive(Clone, Debug, Default)]
pub struct GiveUp(Arc<AtomicBool>);

impl GiveUp {
    pub fn now(&self) {
        // Relaxed: a hint that may be seen a little later, and publishes nothing.
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) // see `now`
    }
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
        // To SQLite both are databases of a connection, which end with it.
        ensure!(!text.is_empty() && text != ":memory:", "'{text}' is no file, so nothing would stay");
        Ok(Database::Sqlite(text.into()))
    }

    /// Opens the database, makes its table if there is none, and makes sure that uploads can be written to it.
    pub fn open(&self, give_up: GiveUp) -> Result<Writer> {
        match self {
            Database::Sqlite(path) => sqlite::Connection::open(path, give_up).map(Writer::Sqlite),
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                postgres::Connection::open(url, give_up).map(Box::new).map(Writer::Postgres)
            }
        }
    }
}

impl Writer {
    /// Writes all rows or none; returns what became of each.
    pub fn write(&mut self, rows: &[Row]) -> Result<Vec<Written>, WriteError> {
        match self {
            Writer::Sqlite(connection) => connection.write(rows),
            #[cfg(feature = "postgres")]
            Writer::Postgres(connection) => connection.write(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_for_a_database_is_refused() {
        for text in ["", ":memory:", "mysql://host/base", "sqlite://file"] {
            assert!(Database::parse(text).is_err(), "{text}");
        }
        assert!(matches!(Database::parse("uploads.db"), Ok(Database::Sqlite(_))));
    }
}
