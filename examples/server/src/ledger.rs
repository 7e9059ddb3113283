//! Writes rows in batches: whoever comes while nobody writes becomes the writer, and also writes what comes meanwhile.
//! So a lone row is written at once, many share a transaction, and no timer is needed.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::store::Writer;
use crate::upload::Row;

/// Rows of a transaction: enough to share its flush to the disk, few enough that the first does not wait long.
const BATCH: usize = 256;

/// The rows that wait to be written.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    stored: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    /// Whether a thread is writing; it will look at `rows` again before it leaves.
    is_written: bool,
}

impl Ledger {
    /// Rows that are in the database.
    pub fn stored(&self) -> u64 {
        // Relaxed: exact when the caller has waited for those who write.
        self.stored.load(Ordering::Relaxed)
    }

    /// Has the rows written, by this thread or by the one that is writing. They are answered when they are stored, which
    /// may be after this call.
    ///
    /// `with_writer` lends the connection of the calling thread.
    pub fn add(
        &self,
        rows: impl IntoIterator<Item = Row>,
        mut with_writer: impl FnMut(&Batch<'_>) -> Result<Vec<i64>>,
    ) {
        let mut state = self.lock();
        state.rows.extend(rows);
        if mem::replace(&mut state.is_written, true) {
            return;
        }
        let turn = Turn(self);
        while !state.rows.is_empty() {
            let few = state.rows.len().min(BATCH);
            let batch: Vec<Row> = state.rows.drain(..few).collect();
            drop(state);
            self.write(batch, &mut with_writer);
            state = self.lock();
        }
        // Under the lock in which nothing was left: who comes next begins a turn of its own.
        state.is_written = false;
        mem::forget(turn);
    }

    fn write(&self, batch: Vec<Row>, with_writer: &mut impl FnMut(&Batch<'_>) -> Result<Vec<i64>>) {
        let written = with_writer(&Batch(&batch));
        let answers: Vec<_> = match written {
            Ok(numbers) => {
                // Relaxed: see `stored`.
                self.stored.fetch_add(numbers.len() as u64, Ordering::Relaxed);
                numbers.into_iter().map(Ok).collect()
            }
            Err(error) => batch.iter().map(|_| Err(format!("{error:#}"))).collect(),
        };
        for (row, answer) in batch.into_iter().zip(answers) {
            // A client that has gone does not hear of it.
            let _ = row.reply.send(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a transaction writes.
pub struct Batch<'a>(&'a [Row]);

impl Batch<'_> {
    pub fn write(&self, writer: &mut Writer) -> Result<Vec<i64>> {
        writer.write(self.0)
    }
}

/// The duty of the thread that writes. Only a panic drops it: then the waiting rows are given up, so that their
/// requests fail instead of waiting for ever.
struct Turn<'a>(&'a Ledger);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.rows.clear();
        state.is_written = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    fn row(number: usize) -> (Row, oneshot::Receiver<crate::upload::Stored>) {
        let (reply, answer) = oneshot::channel();
        (Row { name: number.to_string(), body: Default::default(), hash: [0; 32], reply }, answer)
    }

    #[test]
    fn what_comes_during_a_write_is_written_by_the_same_thread() {
        let ledger = Ledger::default();
        let (first, mut answer) = row(0);
        let mut later = Vec::new();
        let mut sizes = Vec::new();
        ledger.add([first], |batch| {
            sizes.push(batch.0.len());
            if sizes.len() == 1 {
                let (rows, answers): (Vec<_>, Vec<_>) = (0..BATCH + 1).map(row).unzip();
                later = answers;
                ledger.add(rows, |_| unreachable!("somebody is writing"));
            }
            Ok(batch.0.iter().map(|row| row.name.parse().expect("a number")).collect())
        });
        assert_eq!(sizes, [1, BATCH, 1]);
        assert_eq!(answer.try_recv(), Ok(Ok(0)));
        for (number, mut answer) in later.into_iter().enumerate() {
            assert_eq!(answer.try_recv(), Ok(Ok(number as i64)));
        }
        assert_eq!(ledger.stored(), BATCH as u64 + 2);
    }

    #[test]
    fn a_failed_transaction_is_told_to_all_its_rows_and_a_panic_gives_up_those_that_wait() {
        let ledger = Ledger::default();
        let (rows, answers): (Vec<_>, Vec<_>) = (0..3).map(row).unzip();
        ledger.add(rows, |_| anyhow::bail!("the disk is full"));
        for mut answer in answers {
            assert_eq!(answer.try_recv(), Ok(Err("the disk is full".into())));
        }
        let (broken, mut answer) = row(0);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ledger.add([broken], |_| panic!("a bug"));
        }));
        assert!(panicked.is_err());
        assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        let (next, mut answer) = row(7);
        ledger.add([next], |_| Ok(vec![7]));
        assert_eq!(answer.try_recv(), Ok(Ok(7)));
    }
}
