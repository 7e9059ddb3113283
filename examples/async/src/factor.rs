//! The work: prime factors by trial division. For a large prime it takes seconds, which is the point here.

use longshore::CancelToken;

/// Candidates between two looks at the token.
const STRIDE: u32 = 1 << 16;

/// The prime factors in ascending order, none of 1. `None` if the token was cancelled before the end.
pub fn factor(mut number: u64, token: &CancelToken) -> Option<Vec<u64>> {
    let mut factors = Vec::new();
    let mut candidate = 2;
    let mut steps = 0u32;
    while candidate <= number / candidate {
        while number.is_multiple_of(candidate) {
            factors.push(candidate);
            number /= candidate;
        }
        candidate += if candidate == 2 { 1 } else { 2 };
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STRIDE) && token.is_cancelled() {
            return None;
        }
    }
    if number > 1 {
        factors.push(number);
    }
    Some(factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_to_the_number() {
        for number in (1..2000).chain([u64::from(u32::MAX), 1 << 63, 3_u64.pow(40)]) {
            let factors = factor(number, &CancelToken::new()).expect("it is not cancelled");
            assert_eq!(factors.iter().product::<u64>(), number);
            assert!(factors.is_sorted());
            assert!(factors.iter().all(|p| (2..*p).take_while(|d| d * d <= *p).all(|d| p % d > 0)));
        }
    }

    #[test]
    fn a_cancelled_search_ends() {
        let token = CancelToken::new();
        token.cancel();
        assert_eq!(factor(18_446_744_073_709_551_557, &token), None);
    }
}
