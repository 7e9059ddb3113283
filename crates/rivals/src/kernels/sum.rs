//! The sum of an array, halved by joins down to 1,024 numbers.

use crate::fork::ForkJoin;

/// The longest piece that is summed without a join.
pub const CUT_OFF: usize = 1024;

/// Whole numbers, so that every order of additions comes to the same.
#[must_use]
pub fn numbers(length: usize) -> Vec<f64> {
    (0..length).map(|index| (index % 1000) as f64).collect()
}

/// Their sum.
pub fn sum<F: ForkJoin>(context: F::Context<'_>, numbers: &[f64]) -> f64 {
    if numbers.len() <= CUT_OFF {
        return numbers.iter().sum();
    }
    let (low, high) = numbers.split_at(numbers.len() / 2);
    let (low, high) = F::join(context, |context| sum::<F>(context, low), |context| sum::<F>(context, high));
    low + high
}
