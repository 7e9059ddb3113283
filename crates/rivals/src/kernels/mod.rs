//! The algorithms of the fork-join rows, one file each, generic over the competitor. What they come to is
//! known, or checked by other means.

pub mod fib;
pub mod mandelbrot;
pub mod matrix;
pub mod nested;
pub mod queens;
pub mod quicksort;
pub mod sum;
pub mod uts;
