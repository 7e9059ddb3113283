//! What do joins and loops cost, and what do they make of algorithms that divide their work?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&[
        "fib",
        "fib-w1",
        "sum-1k",
        "sum-10k",
        "sum-100k",
        "sum-10m",
        "uts-t1",
        "queens",
        "quicksort",
        "matrix",
        "mandelbrot",
        "loops",
        "loops-joins",
    ]);
}
