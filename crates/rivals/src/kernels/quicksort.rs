//! Quicksort, a join for the two sides of each partition.

use crate::fork::ForkJoin;
use crate::work::Random;

/// The longest piece that is sorted without a join.
const CUT_OFF: usize = 2048;

/// Numbers in no order.
#[must_use]
pub fn numbers(length: usize) -> Vec<u64> {
    let mut random = Random::new(20_261_121);
    (0..length).map(|_| random.number()).collect()
}

/// Sorts them.
pub fn quicksort<F: ForkJoin>(context: F::Context<'_>, numbers: &mut [u64]) {
    if numbers.len() <= CUT_OFF {
        return numbers.sort_unstable();
    }
    let middle = partition(numbers);
    let (low, high) = numbers.split_at_mut(middle);
    F::join(
        context,
        |context| quicksort::<F>(context, low),
        // The pivot is in its place.
        |context| quicksort::<F>(context, &mut high[1..]),
    );
}

/// Puts the middle one of three to where it belongs, smaller ones before it, and returns its place.
fn partition(numbers: &mut [u64]) -> usize {
    let last = numbers.len() - 1;
    let mut three = [0, last / 2, last];
    three.sort_unstable_by_key(|&place| numbers[place]);
    numbers.swap(three[1], last);
    let pivot = numbers[last];
    let mut place = 0;
    for index in 0..last {
        // No branch: which way a number goes cannot be foreseen.
        let smaller = numbers[index] < pivot;
        numbers.swap(place, index);
        place += usize::from(smaller);
    }
    numbers.swap(place, last);
    place
}
