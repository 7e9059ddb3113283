//! The Mandelbrot set by rows, which differ in the work that they are.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::fork::ForkJoin;

/// Iterations after which a point counts as one of the set.
const MOST: u32 = 256;

/// An image of this many points, and what its rows came to.
#[derive(Debug)]
pub struct Image {
    width: usize,
    rows: Vec<AtomicU64>,
}

impl Image {
    /// An image that has not been computed.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, rows: (0..height).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Computes all rows.
    pub fn compute<F: ForkJoin>(&self, context: F::Context<'_>) {
        F::each(context, 0..self.rows.len(), &|_context, row| {
            // Relaxed: read when the loop is over.
            self.rows[row].fetch_add(self.row(row), Ordering::Relaxed);
        });
    }

    /// What the rows came to since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<u64> {
        self.rows.iter().map(|row| row.swap(0, Ordering::Relaxed)).collect()
    }

    /// The iterations of all points of a row.
    fn row(&self, row: usize) -> u64 {
        let scale = |index: usize, count: usize| (index as f64 + 0.5) / count as f64;
        let y = 2.5 * scale(row, self.rows.len()) - 1.25;
        (0..self.width).map(|column| u64::from(iterations(3.0 * scale(column, self.width) - 2.0, y))).sum()
    }
}

fn iterations(x: f64, y: f64) -> u32 {
    let (mut a, mut b) = (0.0, 0.0);
    for iteration in 0..MOST {
        let (aa, bb) = (a * a, b * b);
        if aa + bb > 4.0 {
            return iteration;
        }
        (a, b) = (aa - bb + x, 2.0 * a * b + y);
    }
    MOST
}
