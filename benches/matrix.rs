//! Submitters times tasks times work: 1 x 1M, 100 x 10,000, 1,000 x 1,000; primes, Fibonacci numbers, sleep.

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&[
        "prime-1x1m",
        "prime-100x10k",
        "prime-1kx1k",
        "fibonacci-1x1m",
        "fibonacci-100x10k",
        "fibonacci-1kx1k",
        "sleep-1x6400",
        "sleep-100x64",
        "sleep-1kx6",
    ]);
}
