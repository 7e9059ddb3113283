//! SQLite. The file is opened when the server starts, and stays open: a server that has run out of descriptors still writes.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use longshore_cli::name;
use longshore_cli::tree::{Facts, Identity};
use rusqlite::{ErrorCode, OpenFlags, Statement, params};

use super::{GiveUp, WriteError, Written};
use crate::upload::{Hash, Row};

/// How long a batch waits for another process that has locked the database.
const LOCKED: Duration = Duration::from_secs(30);
/// How long the start waits for it.
const LOCKED_AT_START: Duration = Duration::from_secs(5);
/// How long SQLite itself waits; in between it is looked whether the server ends.
const LOOK: Duration = Duration::from_millis(100);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS uploads (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL, key TEXT UNIQUE
)";
const INSERT: &str =
    "INSERT INTO uploads (name, hash, body, key) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING";
const SELECT: &str = "SELECT id, name, hash FROM uploads WHERE key = ?1";

/// A connection to a file.
pub struct Connection {
    connection: rusqlite::Connection,
    path: PathBuf,
    /// The file that was opened, whatever is at the path by now.
    identity: Option<Identity>,
    give_up: GiveUp,
}

impl Connection {
    /// Opens the file, makes the table if there is none, and tries it.
    pub fn open(path: &Path, give_up: GiveUp) -> Result<Connection> {
        let context = || format!("cannot open the database {}", name::shown(path));
        let connection = open(path).with_context(context)?;
        connection.busy_timeout(LOCKED_AT_START).with_context(context)?;
        prepare(&connection).with_context(context)?;
        connection.busy_timeout(LOOK).with_context(context)?;
        let identity = identity(path);
        Ok(Connection { connection, path: path.to_owned(), identity, give_up })
    }

    /// Writes all rows or none.
    pub fn write(&mut self, rows: &[Row]) -> Result<Vec<Written>, WriteError> {
        if identity(&self.path) != self.identity {
            return Err(WriteError::Failed("the file of the database was moved or removed".into()));
        }
        let deadline = Instant::now() + LOCKED;
        let written = self.begin(deadline).and_then(|()| self.insert(rows));
        let written = written.map_err(unavailable_if_locked).and_then(|written| {
            self.commit(deadline)?;
            Ok(written)
        });
        if written.is_err() && !self.connection.is_autocommit() {
            // If this fails as well, so does the next batch, and says why.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        written
    }

    fn begin(&self, deadline: Instant) -> rusqlite::Result<()> {
        self.until_unlocked(deadline, "BEGIN IMMEDIATE")
    }

    /// The moment of the promise: when it returns, the rows are on the disk.
    fn commit(&self, deadline: Instant) -> Result<(), WriteError> {
        self.until_unlocked(deadline, "COMMIT").map_err(|error| match error.sqlite_error_code() {
            // Nothing of it counts: it was not written to its end.
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                unavailable_if_locked(error)
            }
            _ => WriteError::Unknown(error.to_string()),
        })
    }

    fn until_unlocked(&self, deadline: Instant, statement: &str) -> rusqlite::Result<()> {
        loop {
            match self.connection.execute_batch(statement) {
                Err(error) if is_locked(&error) && Instant::now() < deadline && !self.give_up.is_due() => {
                    // SQLite has waited by itself, except for some locks.
                    thread::park_timeout(Duration::from_millis(1));
                }
                other => return other,
            }
        }
    }

    fn insert(&self, rows: &[Row]) -> rusqlite::Result<Vec<Written>> {
        let mut insert = self.connection.prepare(INSERT)?;
        let mut select = self.connection.prepare(SELECT)?;
        rows.iter().map(|row| self.insert_one(row, &mut insert, &mut select)).collect()
    }

    fn insert_one(
        &self,
        row: &Row,
        insert: &mut Statement<'_>,
        select: &mut Statement<'_>,
    ) -> rusqlite::Result<Written> {
        if insert.execute(params![row.name, row.hash, &row.body[..], row.key])? > 0 {
            return Ok(Written::Stored(self.connection.last_insert_rowid()));
        }
        select.query_row([&row.key], |found| {
            let is_same = found.get::<_, String>(1)? == row.name && found.get::<_, Hash>(2)? == row.hash;
            Ok(if is_same { Written::Stored(found.get(0)?) } else { Written::KeyTaken })
        })
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn unavailable_if_locked(error: rusqlite::Error) -> WriteError {
    if is_locked(&error) {
        WriteError::Unavailable(error.to_string())
    } else {
        WriteError::Failed(error.to_string())
    }
}

/// What file is at a path.
fn identity(path: &Path) -> Option<Identity> {
    path.metadata().ok().and_then(|metadata| Facts::of(&metadata).identity)
}

/// Opens a file by its name: not as a URI, in which a name could ask for a database in memory.
fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    rusqlite::Connection::open_with_flags(path, flags)
}

/// Makes the table if there is none, and writes to it as uploads will be, without effect.
fn prepare(connection: &rusqlite::Connection) -> Result<()> {
    // A commit is one write to the log, which is on the disk when it returns: an answer is a promise.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        bail!("it cannot have a write-ahead log, but only the journal mode {mode}");
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLE)?;
    let attempt = || -> rusqlite::Result<()> {
        let key = "an attempt at the start, which is taken back";
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.prepare(INSERT)?.execute(params!["name", Hash::default(), &b"body"[..], key])?;
        connection.prepare(SELECT)?.query_row([key], |found| {
            Ok((found.get::<_, i64>(0)?, found.get::<_, String>(1)?, found.get::<_, Hash>(2)?))
        })?;
        Ok(())
    };
    let attempted = attempt().context("its table `uploads` is not the server's");
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    attempted
}

/// Goes through all rows of a file: for the check afterwards.
pub fn for_each_row(path: &Path, mut visit: impl FnMut(String, Hash)) -> Result<()> {
    let connection = open(path)?;
    let mut select = connection.prepare("SELECT name, hash FROM uploads")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, row.get(1)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    fn row(name: &str, content: u8, key: Option<&str>) -> Row {
        let (reply, _) = oneshot::channel();
        let body = vec![content; 10].into();
        Row { name: name.into(), key: key.map(String::from), body, hash: [content; 32], reply, place: None }
    }

    fn database() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("test.db");
        (directory, path)
    }

    #[test]
    fn a_key_is_stored_once_and_with_its_content() {
        let (_directory, path) = database();
        let mut connection = Connection::open(&path, GiveUp::default()).expect("it opens");
        let rows =
            [row("a", 1, Some("k")), row("a", 1, Some("k")), row("a", 2, Some("k")), row("a", 1, None)];
        let expected = [Written::Stored(1), Written::Stored(1), Written::KeyTaken, Written::Stored(2)];
        assert_eq!(connection.write(&rows).expect("written"), expected);
        // Also after a new start.
        let mut connection = Connection::open(&path, GiveUp::default()).expect("it opens");
        assert_eq!(connection.write(&rows[..3]).expect("written"), expected[..3]);
        let mut count = 0;
        for_each_row(&path, |_, _| count += 1).expect("readable");
        assert_eq!(count, 2);
    }

    #[test]
    fn a_lock_is_waited_for_and_given_up() {
        let (_directory, path) = database();
        let give_up = GiveUp::default();
        let mut connection = Connection::open(&path, give_up.clone()).expect("it opens");
        let other = open(&path).expect("it opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
        let (done, written) = mpsc::channel();
        let writing = thread::spawn(move || {
            for _ in 0..2 {
                done.send(connection.write(&[row("a", 1, None)])).expect("it is waited for");
            }
        });
        assert!(written.recv_timeout(3 * LOOK).is_err(), "it waits");
        other.execute_batch("COMMIT").expect("it is ours");
        assert_eq!(written.recv().expect("an end").expect("written"), [Written::Stored(1)]);
        while other.execute_batch("BEGIN IMMEDIATE").is_err() {}
        give_up.now();
        let second = written.recv().expect("an end");
        // It may have been faster than the lock.
        assert!(matches!(second, Ok(_) | Err(WriteError::Unavailable(_))), "{second:?}");
        writing.join().expect("no panic");
    }

    #[test]
    fn a_file_that_is_gone_is_no_place_to_store_anything() {
        let (directory, path) = database();
        let mut connection = Connection::open(&path, GiveUp::default()).expect("it opens");
        std::fs::rename(&path, directory.path().join("moved")).expect("it is there");
        let refused = connection.write(&[row("a", 1, None)]).expect_err("it is gone");
        assert!(refused.to_string().contains("moved or removed"), "{refused}");
    }

    #[test]
    fn what_is_not_the_servers_is_refused_at_the_start() {
        for schema in [
            "CREATE TABLE uploads (other TEXT)",
            "CREATE TABLE uploads (id INTEGER PRIMARY KEY, name TEXT, hash BLOB, body BLOB)",
            "CREATE TABLE uploads (id INTEGER PRIMARY KEY, name TEXT, hash BLOB, body BLOB, key TEXT)",
            "CREATE TABLE uploads (id INTEGER PRIMARY KEY, name TEXT, hash BLOB, body BLOB, key TEXT UNIQUE,
                 more TEXT NOT NULL)",
            "CREATE VIEW uploads AS SELECT 1 AS id, 2 AS name, 3 AS hash, 4 AS body, 5 AS key",
            "CREATE TABLE uploads (id INTEGER PRIMARY KEY, name TEXT, hash BLOB, body BLOB, key TEXT UNIQUE);
             CREATE TRIGGER no BEFORE INSERT ON uploads BEGIN SELECT raise(ABORT, 'no'); END",
        ] {
            let (_directory, path) = database();
            open(&path).and_then(|other| other.execute_batch(schema)).expect(schema);
            let refused = Connection::open(&path, GiveUp::default()).err().expect(schema);
            assert!(format!("{refused:#}").contains("is not the server's"), "{schema}: {refused:#}");
        }
        let (directory, path) = database();
        assert!(Connection::open(directory.path(), GiveUp::default()).is_err());
        std::fs::write(&path, "a text, and long enough to be no database at all").expect("a file");
        assert!(Connection::open(&path, GiveUp::default()).is_err());
    }
}
