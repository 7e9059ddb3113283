//! Matrix multiplication by recursive blocks: the four quarters of the result at once, twice.
//!
//! A matrix is stored as its quarters one after the other, each likewise, down to blocks of 32 x 32 in rows.
//! So a quarter is a slice, and four quarters can be written at the same time.

use crate::fork::ForkJoin;

/// A side of the blocks that are multiplied in place.
const BLOCK: usize = 32;

/// A square matrix; its side is `BLOCK` times a power of two.
#[derive(Clone, Debug)]
pub struct Matrix {
    side: usize,
    cells: Vec<f64>,
}

impl Matrix {
    /// With these cells by row and column.
    pub fn new(side: usize, cell: impl Fn(usize, usize) -> f64) -> Self {
        assert!(side.is_multiple_of(BLOCK) && (side / BLOCK).is_power_of_two(), "the side");
        let mut matrix = Self { side, cells: vec![0.0; side * side] };
        for row in 0..side {
            for column in 0..side {
                let place = matrix.place(row, column);
                matrix.cells[place] = cell(row, column);
            }
        }
        matrix
    }

    /// Where a cell is stored.
    fn place(&self, mut row: usize, mut column: usize) -> usize {
        let (mut start, mut side) = (0, self.side);
        while side > BLOCK {
            side /= 2;
            start += (row / side * 2 + column / side) * side * side;
            (row, column) = (row % side, column % side);
        }
        start + row * BLOCK + column
    }

    /// The product with a column of numbers.
    #[must_use]
    pub fn times(&self, column: &[f64]) -> Vec<f64> {
        let dot = |row| (0..self.side).map(|i| self.cells[self.place(row, i)] * column[i]).sum();
        (0..self.side).map(dot).collect()
    }

    /// All zero again.
    pub fn clear(&mut self) {
        self.cells.fill(0.0);
    }

    /// Adds the product of `a` and `b`.
    pub fn add_product<F: ForkJoin>(&mut self, context: F::Context<'_>, a: &Matrix, b: &Matrix) {
        multiply::<F>(context, &mut self.cells, &a.cells, &b.cells);
    }
}

fn quarters(cells: &[f64]) -> [&[f64]; 4] {
    let quarter = cells.len() / 4;
    std::array::from_fn(|index| &cells[index * quarter..(index + 1) * quarter])
}

/// c += a b.
fn multiply<F: ForkJoin>(mut context: F::Context<'_>, c: &mut [f64], a: &[f64], b: &[f64]) {
    if c.len() == BLOCK * BLOCK {
        return multiply_block(c, a, b);
    }
    let (a, b) = (quarters(a), quarters(b));
    for inner in 0..2 {
        let quarter = c.len() / 4;
        let (top, bottom) = c.split_at_mut(2 * quarter);
        let (c0, c1) = top.split_at_mut(quarter);
        let (c2, c3) = bottom.split_at_mut(quarter);
        F::join(
            F::again(&mut context),
            |context| {
                F::join(
                    context,
                    |context| multiply::<F>(context, c0, a[inner], b[2 * inner]),
                    |context| multiply::<F>(context, c1, a[inner], b[2 * inner + 1]),
                )
            },
            |context| {
                F::join(
                    context,
                    |context| multiply::<F>(context, c2, a[2 + inner], b[2 * inner]),
                    |context| multiply::<F>(context, c3, a[2 + inner], b[2 * inner + 1]),
                )
            },
        );
    }
}

fn multiply_block(c: &mut [f64], a: &[f64], b: &[f64]) {
    for (c, a) in c.chunks_exact_mut(BLOCK).zip(a.chunks_exact(BLOCK)) {
        for (&factor, b) in a.iter().zip(b.chunks_exact(BLOCK)) {
            for (c, b) in c.iter_mut().zip(b) {
                *c += factor * b;
            }
        }
    }
}
