//! Sorting by time, with one sorting function for all: the library would take twice as long to compile with
//! one for each type.

/// The numbers below `count` in the order of their keys; equal keys in the order of the numbers.
pub fn order(count: usize, key: impl Fn(u32) -> (u64, u64)) -> Vec<u32> {
    let keyed = |i: u32| {
        let (first, second) = key(i);
        (first, second, i)
    };
    let mut keys: Vec<(u64, u64, u32)> = (0..count as u32).map(keyed).collect();
    sort(&mut keys);
    keys.into_iter().map(|(.., i)| i).collect()
}

#[inline(never)]
fn sort(keys: &mut [(u64, u64, u32)]) {
    keys.sort_unstable();
}

/// The items in the order of their keys.
pub fn by_key<T: Clone>(items: &[T], key: impl Fn(&T) -> (u64, u64)) -> Vec<T> {
    order(items.len(), |i| key(&items[i as usize])).into_iter().map(|i| items[i as usize].clone()).collect()
}

/// The one in the middle.
pub fn median(values: &[u64]) -> Option<u64> {
    let order = order(values.len(), |i| (values[i as usize], 0));
    order.get(values.len() / 2).map(|i| values[*i as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_keep_their_order() {
        let items = ["b1", "a1", "b2", "a2"];
        let sorted = by_key(&items, |item| (u64::from(item.as_bytes()[0]), 0));
        assert_eq!(sorted, ["a1", "a2", "b1", "b2"]);
    }
}
