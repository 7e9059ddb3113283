//! How many ways there are to place queens on a board so that none attacks another; each choice is a join.

use crate::fork::ForkJoin;

/// Solutions for boards of 0 to 14.
const SOLUTIONS: [u64; 15] = [1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14_200, 73_712, 365_596];

/// What must come out.
#[must_use]
pub fn solutions(size: u32) -> u64 {
    SOLUTIONS[size as usize]
}

/// The rows that are filled, as the squares of the next one that they attack.
#[derive(Clone, Copy)]
struct Board {
    all: u32,
    columns: u32,
    falling: u32,
    rising: u32,
}

impl Board {
    fn free(self) -> u32 {
        self.all & !(self.columns | self.falling | self.rising)
    }

    fn with(self, square: u32) -> Self {
        Self {
            all: self.all,
            columns: self.columns | square,
            falling: (self.falling | square) << 1,
            rising: (self.rising | square) >> 1,
        }
    }
}

/// Counts the solutions on a board of this size.
pub fn queens<F: ForkJoin>(context: F::Context<'_>, size: u32) -> u64 {
    let board = Board { all: (1 << size) - 1, columns: 0, falling: 0, rising: 0 };
    choose::<F>(context, board, board.free())
}

/// Counts the solutions with the next queen on one of these squares.
fn choose<F: ForkJoin>(context: F::Context<'_>, board: Board, squares: u32) -> u64 {
    if squares == 0 {
        return 0;
    }
    let square = squares & squares.wrapping_neg();
    let next = board.with(square);
    let rest = squares & !square;
    if next.columns == next.all {
        return 1;
    }
    if rest == 0 {
        return choose::<F>(context, next, next.free());
    }
    let (a, b) = F::join(
        context,
        move |context| choose::<F>(context, next, next.free()),
        move |context| choose::<F>(context, board, rest),
    );
    a + b
}
