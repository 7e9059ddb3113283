//! Unit tests of the sources: split at every place, both parts together have the items of the whole.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::adaptors::{chain, enumerate, rev, zip};
use super::slices::{chunks, chunks_mut, windows};
use super::{IntoSource, Source};

fn drain<S: Source>(source: S) -> Vec<S::Item> {
    let announced = source.remaining();
    assert_eq!(source.is_done(), announced == 0);
    let items: Vec<_> = source.into_block().collect();
    assert_eq!(items.len(), announced);
    items
}

/// Splits at every place, and each part again in the middle. `make` makes the same items each time.
fn split_everywhere<S: Source>(make: impl Fn() -> S) -> Vec<S::Item>
where
    S::Item: PartialEq + fmt::Debug,
{
    let whole = drain(make());
    for at in 0..=whole.len() {
        let mut left = make();
        let mut right = left.split_off(at);
        assert_eq!((left.remaining(), right.remaining()), (at, whole.len() - at));
        let rest_of_left = left.split_off(at / 2);
        let rest_of_right = right.split_off((whole.len() - at) / 2);
        let parts = [left, rest_of_left, right, rest_of_right];
        let items: Vec<_> = parts.into_iter().flat_map(drain).collect();
        assert_eq!(items, whole, "split at {at}");
    }
    whole
}

#[test]
fn every_source_can_be_split_everywhere() {
    let data = [1, 2, 3, 4, 5, 6, 7];
    split_everywhere(|| &data[..]);
    split_everywhere(|| chunks(&data, 3));
    split_everywhere(|| chunks(&data, 7));
    split_everywhere(|| chunks(&data, usize::MAX));
    split_everywhere(|| data.to_vec().into_source());
    split_everywhere(|| (0..10u32).with_grain(4));
    assert_eq!(split_everywhere(|| windows::<_, 3>(&data)).len(), 5);
    assert_eq!(split_everywhere(|| windows::<_, 7>(&data)), [&data]);
    assert!(split_everywhere(|| windows::<_, 8>(&data)).is_empty());
}

#[test]
fn ranges_of_all_integers_are_sources() {
    split_everywhere(|| 0..10usize);
    split_everywhere(|| -3..4i32);
    split_everywhere(|| u64::MAX - 3..u64::MAX);
    split_everywhere(|| i128::MIN..i128::MIN + 3);
    split_everywhere(|| u128::MAX - 3..=u128::MAX);
    assert_eq!(split_everywhere(|| 0..=u8::MAX).len(), 256);
    assert_eq!(split_everywhere(|| i8::MIN..=i8::MAX).len(), 256);
    assert_eq!(split_everywhere(|| i8::MIN..i8::MAX).len(), 255);
    assert_eq!(split_everywhere(|| -2..=2isize), [-2, -1, 0, 1, 2]);
    assert_eq!(split_everywhere(|| 5..=5u16), [5]);
    let empty = Range { start: 5u32, end: 2 };
    assert_eq!(Source::remaining(&empty), 0);
    assert_eq!(Source::remaining(&std::ops::RangeInclusive::new(5u32, 2)), 0);
    assert_eq!(Source::remaining(&(i32::MIN..i32::MAX)), u32::MAX as usize);
    assert_eq!(Source::remaining(&(0..usize::MAX)), usize::MAX);
    assert!(std::panic::catch_unwind(|| Source::remaining(&(0..=usize::MAX))).is_err());
    assert!(std::panic::catch_unwind(|| Source::remaining(&(0..u128::MAX))).is_err());
}

#[test]
fn adaptors_have_the_items_of_the_standard_librarys() {
    let data = [1, 2, 3, 4, 5];
    assert_eq!(split_everywhere(|| zip(&data, 10..14u64)), data.iter().zip(10..14).collect::<Vec<_>>());
    assert_eq!(split_everywhere(|| zip(10..14u64, &data)).len(), 4);
    assert_eq!(split_everywhere(|| chain(0..3, 7..9)), [0, 1, 2, 7, 8]);
    assert_eq!(split_everywhere(|| chain(0..0, 7..=9)), [7, 8, 9]);
    assert_eq!(split_everywhere(|| enumerate(&data)), data.iter().enumerate().collect::<Vec<_>>());
    assert_eq!(split_everywhere(|| rev(&data)), data.iter().rev().collect::<Vec<_>>());
    let numbered = data.iter().enumerate().rev().collect::<Vec<_>>();
    assert_eq!(split_everywhere(|| rev(enumerate(&data))), numbered);
    let reversed = data.iter().rev().enumerate().collect::<Vec<_>>();
    assert_eq!(split_everywhere(|| enumerate(rev(&data))), reversed);
    let pairs = data.iter().zip(0..3).rev().collect::<Vec<_>>();
    assert_eq!(split_everywhere(|| rev(zip(&data, 0..3))), pairs, "the longer source is cut first");
    split_everywhere(|| rev(chunks(&data, 2)));
    split_everywhere(|| rev(vec![1, 2, 3]));
    assert_eq!(zip((0..9).with_grain(3), (0..9).with_grain(2)).grain(), 3);
}

#[test]
fn collections_are_sources() {
    let mut deque: VecDeque<u32> = (0..7).collect();
    deque.rotate_left(3);
    let items: Vec<u32> = deque.iter().copied().collect();
    assert_eq!(split_everywhere(|| (&deque).into_source()), deque.iter().collect::<Vec<_>>());
    drain((&mut deque).into_source()).into_iter().for_each(|n| *n += 1);
    assert_eq!(
        split_everywhere(|| deque.clone().into_source()),
        items.iter().map(|n| n + 1).collect::<Vec<_>>()
    );
    split_everywhere(|| [1, 2, 3].into_source());
    split_everywhere(|| (&Box::<[u8]>::from([1, 2, 3])).into_source().to_vec().into_source());
    assert_eq!(drain(Box::<[u8]>::from([1, 2, 3]).into_source()), [1, 2, 3]);
    assert_eq!(drain((&Arc::<[u8]>::from([1, 2, 3])).into_source()), [&1, &2, &3]);

    let mut map: BTreeMap<u8, u8> = [(1, 2), (3, 4)].into();
    assert_eq!(split_everywhere(|| (&map).into_source()), [(&1, &2), (&3, &4)]);
    drain((&mut map).into_source()).into_iter().for_each(|(_, value)| *value += 1);
    assert_eq!(drain(map.into_source()), [(1, 3), (3, 5)]);
    let mut map = HashMap::from([(1, 2)]);
    assert_eq!(drain((&map).into_source()), [(&1, &2)]);
    drain((&mut map).into_source()).into_iter().for_each(|(_, value)| *value += 1);
    assert_eq!(drain(map.into_source()), [(1, 3)]);
    assert_eq!(drain((&BTreeSet::from([2, 1])).into_source()), [&1, &2]);
    assert_eq!(drain(BTreeSet::from([2, 1]).into_source()), [1, 2]);
    assert_eq!(drain((&HashSet::from([1])).into_source()), [&1]);
    assert_eq!(drain(HashSet::from([1]).into_source()), [1]);
    assert_eq!(drain((&BinaryHeap::from([1])).into_source()), [&1]);
    assert_eq!(drain(BinaryHeap::from([1]).into_source()), [1]);
    let mut list = LinkedList::from([1, 2]);
    drain((&mut list).into_source()).into_iter().for_each(|n| *n += 1);
    assert_eq!(drain((&list).into_source()), [&2, &3]);
    assert_eq!(drain(list.into_source()), [2, 3]);
}

#[test]
fn mutable_sources_reach_every_element_once() {
    let mut data = [0; 10];
    let mut left = &mut data[..];
    let right = left.split_off(4);
    drain(left).into_iter().chain(drain(right)).for_each(|n| *n += 1);
    let mut left = chunks_mut(&mut data, 3);
    let right = left.split_off(2);
    drain(left).into_iter().chain(drain(right)).flatten().for_each(|n| *n += 1);
    assert_eq!(data, [2; 10]);
}

#[test]
fn a_vector_is_not_split_beyond_its_end() {
    let mut elements = vec![String::from("one"), String::from("two")].into_source();
    let split = std::panic::AssertUnwindSafe(|| elements.split_off(3));
    assert!(std::panic::catch_unwind(split).is_err());
    assert_eq!(drain(elements), ["one", "two"]);
}

#[test]
fn elements_that_no_part_hands_out_are_dropped_once() {
    let element = std::rc::Rc::new(());
    // Not `Send`, but it stays on this thread.
    struct Here(#[allow(dead_code, reason = "counted")] std::rc::Rc<()>);
    // SAFETY: no value of this test leaves its only thread.
    unsafe impl Send for Here {}
    let elements: Vec<Here> = (0..10).map(|_| Here(element.clone())).collect();
    let mut left = elements.into_source();
    let right = left.split_off(6);
    let mut block = left.into_block();
    assert!(block.next().is_some() && block.next_back().is_some());
    assert_eq!(std::rc::Rc::strong_count(&element), 9);
    drop(right);
    assert_eq!(std::rc::Rc::strong_count(&element), 5);
    drop(block);
    assert_eq!(std::rc::Rc::strong_count(&element), 1);
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "that is what this is about")]
fn references_to_slices_and_vectors_that_are_references_are_sources() {
    fn items<'a, I: IntoSource<Item = &'a u8>>(source: I) -> Vec<u8> {
        drain(source.into_source()).into_iter().copied().collect()
    }
    fn changed<'a, I: IntoSource<Item = &'a mut u8>>(source: I) {
        drain(source.into_source()).into_iter().for_each(|item| *item += 1);
    }
    let mut vector = vec![1, 2, 3];
    changed(&mut &mut vector[..]);
    changed(&mut &mut vector);
    assert_eq!(items(&&mut vector[..]), [3, 4, 5]);
    assert_eq!(items(&&mut vector), [3, 4, 5]);
    assert_eq!(items(&&vector[..]), [3, 4, 5]);
    assert_eq!(items(&&vector), [3, 4, 5]);
}
