//! A loop in a loop, with next to nothing in the inner one.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::fork::{ForkJoin, each_by_joins};
use crate::ledger::hash;

/// A cell for each pair of indexes.
#[derive(Debug)]
pub struct Cells {
    inner: usize,
    cells: Vec<AtomicU32>,
}

impl Cells {
    /// So many times so many.
    #[must_use]
    pub fn new(outer: usize, inner: usize) -> Self {
        Self { inner, cells: (0..outer * inner).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Counts each cell up, by the competitor's loops.
    pub fn loops<F: ForkJoin>(&self, context: F::Context<'_>) {
        F::each(context, 0..self.cells.len() / self.inner, &|context, outer| {
            F::each(context, 0..self.inner, &|_context, inner| self.visit(outer * self.inner + inner));
        });
    }

    /// Counts each cell up, by joins down to one index.
    pub fn joins<F: ForkJoin>(&self, context: F::Context<'_>) {
        each_by_joins::<F, _>(context, 0..self.cells.len() / self.inner, &|context, outer| {
            each_by_joins::<F, _>(context, 0..self.inner, &|_context, inner| {
                self.visit(outer * self.inner + inner);
            });
        });
    }

    /// The body.
    #[inline]
    fn visit(&self, index: usize) {
        let cell = &self.cells[index];
        // Relaxed, and not one operation: every index is visited by one task alone.
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(hash(index as u64) as u32), Ordering::Relaxed);
    }

    /// Whether each cell was visited once since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        (0..).zip(&self.cells).all(|(index, cell)| cell.swap(0, Ordering::Relaxed) == hash(index) as u32)
    }
}
