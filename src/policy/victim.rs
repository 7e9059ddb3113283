//! In which order a thief visits its peers.

use crate::base::rng::Rng;

/// All of `0..workers`, each once, from a random start. A start of its own for each sweep keeps thieves from marching
/// in step over the same victims, which costs more with every worker added.
pub fn rotation(workers: usize, rng: &Rng) -> impl Iterator<Item = usize> + use<> {
    let start = if workers > 2 { rng.below(workers) } else { 0 };
    (start..workers).chain(0..start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_visited_once_and_starts_differ() {
        let rng = Rng::new(5, 0);
        let mut starts = std::collections::HashSet::new();
        for _ in 0..100 {
            let order: Vec<usize> = rotation(8, &rng).collect();
            starts.insert(order[0]);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
        assert!(starts.len() > 4, "{starts:?}");
        assert_eq!(rotation(0, &rng).count(), 0);
        assert_eq!(rotation(2, &rng).collect::<Vec<_>>(), [0, 1]);
    }
}
