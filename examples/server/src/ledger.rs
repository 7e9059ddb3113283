//! Writes rows in batches, on a thread of its own: while it writes one, the next piles up. So a lone row is written at
//! once, many share a transaction, no timer is needed, and no worker waits for a disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::store::{GiveUp, Writer, Written};
use crate::upload::Row;

/// Rows of a transaction: enough to share its flush to the disk, few enough that the first does not wait long.
const BATCH: usize = 256;
/// Bytes of a transaction, likewise. A larger row has one of its own.
const BATCH_BYTES: usize = 8 << 20;

/// What was written so far.
#[derive(Debug, Default)]
pub struct Counts {
    stored: AtomicU64,
    key_taken: AtomicU64,
    transactions: AtomicU64,
}

impl Counts {
    /// Accepted uploads that are in the database.
    pub fn stored(&self) -> u64 {
        // Relaxed: exact when the caller has waited for the threads that write.
        self.stored.load(Ordering::Relaxed)
    }

    /// Uploads whose key belongs to another one: they are answered, and not stored.
    pub fn key_taken(&self) -> u64 {
        self.key_taken.load(Ordering::Relaxed) // see `stored`
    }

    /// Transactions that it took.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed) // see `stored`
    }
}

/// Writes batches and answers their requests.
pub struct Recorder {
    writer: Writer,
    counts: Arc<Counts>,
}

impl Recorder {
    pub fn new(writer: Writer, counts: Arc<Counts>) -> Self {
        Recorder { writer, counts }
    }

    /// Writes all rows in one transaction, and tells each what has become of it.
    pub fn record(&mut self, batch: Vec<Row>) {
        let written = self.writer.write(&batch);
        if let Ok(written) = &written {
            let stored = written.iter().filter(|row| matches!(row, Written::Stored(_))).count();
            // Relaxed: see `Counts::stored`.
            self.counts.stored.fetch_add(stored as u64, Ordering::Relaxed);
            self.counts.key_taken.fetch_add((written.len() - stored) as u64, Ordering::Relaxed);
            self.counts.transactions.fetch_add(1, Ordering::Relaxed);
        }
        for (number, row) in batch.into_iter().enumerate() {
            let answer = written.as_ref().map(|written| written[number]).map_err(Clone::clone);
            // A client that has gone does not hear of it.
            let _ = row.reply.send(answer);
            drop(row.place);
        }
    }
}

/// The rows that wait to be written, and the thread that writes them.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
    give_up: GiveUp,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<Row>,
    is_closed: bool,
}

/// Takes rows for a ledger.
#[derive(Clone, Debug)]
pub struct Entrance(Arc<Shared>);

impl Ledger {
    /// Starts the thread.
    pub fn start(recorder: Recorder, give_up: GiveUp) -> Result<Ledger> {
        let shared = Arc::<Shared>::default();
        let (running, ended) = mpsc::channel();
        let inside = Arc::clone(&shared);
        let thread = thread::Builder::new().name("ledger".into()).spawn(move || {
            let _running: mpsc::Sender<()> = running;
            let _closed = CloseOnDrop(&inside);
            write_all(&inside, recorder);
        });
        thread.context("no thread")?;
        Ok(Ledger { shared, ended, give_up })
    }

    /// Where rows go in.
    pub fn entrance(&self) -> Entrance {
        Entrance(Arc::clone(&self.shared))
    }

    /// Writes what waits and ends the thread; gives up at the deadline. Returns whether it has ended.
    pub fn close(self, deadline: Instant) -> bool {
        self.shared.lock().is_closed = true;
        self.shared.more.notify_all();
        let has_ended = |ended: &mpsc::Receiver<()>, limit| {
            matches!(ended.recv_timeout(limit), Err(mpsc::RecvTimeoutError::Disconnected))
        };
        if has_ended(&self.ended, deadline.saturating_duration_since(Instant::now())) {
            return true;
        }
        self.give_up.now();
        // Enough to notice it, unless the database does not come back from a call.
        has_ended(&self.ended, GIVING_UP)
    }
}

/// How long a writer may take to notice that it shall give up.
const GIVING_UP: std::time::Duration = std::time::Duration::from_millis(500);

impl Entrance {
    /// Has a row written. It is answered when it is stored; if the thread has ended, its request hears that.
    pub fn add(&self, row: Row) {
        let mut state = self.0.lock();
        if !state.is_closed {
            state.rows.push_back(row);
            self.0.more.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for rows; none when the ledger is closed and everything is written.
    fn next(&self) -> Vec<Row> {
        let mut state = self.lock();
        while state.rows.is_empty() && !state.is_closed {
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = |row: &&Row| {
            bytes += row.body.len();
            bytes <= BATCH_BYTES
        };
        let count = state.rows.iter().take(BATCH).take_while(fits).count().max(1).min(state.rows.len());
        state.rows.drain(..count).collect()
    }
}

fn write_all(shared: &Shared, mut recorder: Recorder) {
    loop {
        let batch = shared.next();
        if batch.is_empty() {
            return;
        }
        recorder.record(batch);
    }
}

/// However the thread ends, rows that wait are given up, so that their requests fail instead of waiting for ever.
struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::store::Database;
    use crate::upload::Answer;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn row(number: usize, size: usize) -> (Row, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let body = vec![0; size].into();
        (Row { name: number.to_string(), key: None, body, hash: [0; 32], reply, place: None }, answer)
    }

    struct Bench {
        directory: tempfile::TempDir,
        counts: Arc<Counts>,
        ledger: Ledger,
    }

    impl Bench {
        fn new() -> Bench {
            let directory = tempfile::tempdir().expect("a directory");
            let (counts, give_up) = (Arc::<Counts>::default(), GiveUp::default());
            let database = Database::Sqlite(directory.path().join("test.db"));
            let writer = database.open(give_up.clone()).expect("it opens");
            let ledger = Ledger::start(Recorder::new(writer, counts.clone()), give_up).expect("a thread");
            Bench { directory, counts, ledger }
        }

        /// A lock, for as long as the result lives.
        fn lock(&self) -> rusqlite::Connection {
            let other = rusqlite::Connection::open(self.directory.path().join("test.db")).expect("it opens");
            other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
            other
        }
    }

    #[test]
    fn what_comes_during_a_write_shares_the_next_transaction() {
        let bench = Bench::new();
        let locked = bench.lock();
        let (rows, answers): (Vec<_>, Vec<_>) = (0..BATCH).map(|number| row(number, 10)).unzip();
        let entrance = bench.ledger.entrance();
        rows.into_iter().for_each(|row| entrance.add(row));
        drop(locked);
        for (number, answer) in answers.into_iter().enumerate() {
            let stored = answer.blocking_recv().expect("an answer").expect("stored");
            assert_eq!(stored, Written::Stored(number as i64 + 1));
        }
        assert!(bench.ledger.close(Instant::now() + PATIENCE));
        // The first may have been alone.
        assert_eq!(bench.counts.stored(), BATCH as u64);
        assert!(bench.counts.transactions() <= 2, "{}", bench.counts.transactions());
    }

    #[test]
    fn a_transaction_has_no_more_bytes_than_it_should() {
        let bench = Bench::new();
        let entrance = bench.ledger.entrance();
        let locked = bench.lock();
        let (rows, answers): (Vec<_>, Vec<_>) = (0..4).map(|number| row(number, BATCH_BYTES / 2 + 1)).unzip();
        rows.into_iter().for_each(|row| entrance.add(row));
        drop(locked);
        for answer in answers {
            assert!(matches!(answer.blocking_recv().expect("an answer"), Ok(Written::Stored(_))));
        }
        assert_eq!(bench.counts.transactions(), 4);
    }

    #[test]
    fn a_ledger_that_gives_up_answers_everything() {
        let bench = Bench::new();
        let _locked = bench.lock();
        let (row, answer) = row(0, 10);
        let entrance = bench.ledger.entrance();
        entrance.add(row);
        assert!(bench.ledger.close(Instant::now()));
        assert!(!matches!(answer.blocking_recv(), Ok(Ok(_))));
        let (late, answer) = self::row(1, 10);
        entrance.add(late);
        assert!(answer.blocking_recv().is_err());
        assert_eq!(bench.counts.stored(), 0);
    }
}
