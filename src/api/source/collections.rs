//! Collections of the standard library as sources. Guarded by `source/tests.rs`.
//!
//! A collection that is not in one piece of memory cannot be split at a place. So its items, or references to
//! them, are collected into a vector first, which takes some nanoseconds an item.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

use crate::api::source::IntoSource;
use crate::api::source::adaptors::Chain;
use crate::api::source::elements::Elements;

impl<T: Send, const N: usize> IntoSource for [T; N] {
    type Item = T;
    type Source = Elements<T>;

    fn into_source(self) -> Elements<T> {
        Vec::from(self).into_source()
    }
}

impl<T: Send> IntoSource for Box<[T]> {
    type Item = T;
    type Source = Elements<T>;

    fn into_source(self) -> Elements<T> {
        self.into_vec().into_source()
    }
}

impl<T: Send> IntoSource for VecDeque<T> {
    type Item = T;
    type Source = Elements<T>;

    fn into_source(self) -> Elements<T> {
        Vec::from(self).into_source()
    }
}

impl<'a, T: Sync> IntoSource for &'a VecDeque<T> {
    type Item = &'a T;
    type Source = Chain<&'a [T], &'a [T]>;

    fn into_source(self) -> Self::Source {
        let (front, back) = self.as_slices();
        Chain::of(front, back)
    }
}

impl<'a, T: Send> IntoSource for &'a mut VecDeque<T> {
    type Item = &'a mut T;
    type Source = Chain<&'a mut [T], &'a mut [T]>;

    fn into_source(self) -> Self::Source {
        let (front, back) = self.as_mut_slices();
        Chain::of(front, back)
    }
}

/// Makes sources of collections whose items are collected first.
macro_rules! collected {
    ($([$($generic:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generic)*> IntoSource for $collection {
            type Item = $item;
            type Source = Elements<$item>;

            fn into_source(self) -> Elements<$item> {
                self.into_iter().collect::<Vec<_>>().into_source()
            }
        }
    )*};
}

collected! {
    [K: Send, V: Send] BTreeMap<K, V>, (K, V);
    ['a, K: Sync, V: Sync] &'a BTreeMap<K, V>, (&'a K, &'a V);
    ['a, K: Sync, V: Send] &'a mut BTreeMap<K, V>, (&'a K, &'a mut V);
    [K: Send, V: Send, S] HashMap<K, V, S>, (K, V);
    ['a, K: Sync, V: Sync, S] &'a HashMap<K, V, S>, (&'a K, &'a V);
    ['a, K: Sync, V: Send, S] &'a mut HashMap<K, V, S>, (&'a K, &'a mut V);
    [T: Send] BTreeSet<T>, T;
    ['a, T: Sync] &'a BTreeSet<T>, &'a T;
    [T: Send, S] HashSet<T, S>, T;
    ['a, T: Sync, S] &'a HashSet<T, S>, &'a T;
    [T: Send] BinaryHeap<T>, T;
    ['a, T: Sync] &'a BinaryHeap<T>, &'a T;
    [T: Send] LinkedList<T>, T;
    ['a, T: Sync] &'a LinkedList<T>, &'a T;
    ['a, T: Send] &'a mut LinkedList<T>, &'a mut T;
}
