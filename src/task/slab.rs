//! Values by number, in a vector whose free places are reused: to add and to remove take the same time,
//! however many there are.
//!
//! A plain value behind its owner's lock. Guarded by the unit tests here.

/// See the module's text.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Place<T>>,
    /// The number of the first free place; the length of the vector if there is none.
    free: usize,
}

#[derive(Debug)]
enum Place<T> {
    Used(T),
    /// The number of the next free place.
    Free(usize),
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: 0 }
    }
}

impl<T> Slab<T> {
    /// Adds a value and returns its number, which a removed value may have had.
    pub fn insert(&mut self, value: T) -> usize {
        let number = self.free;
        match self.places.get_mut(number) {
            Some(place) => match std::mem::replace(place, Place::Used(value)) {
                Place::Free(next) => self.free = next,
                Place::Used(_) => unreachable!("a place in the list of free places is free"),
            },
            None => {
                self.places.push(Place::Used(value));
                self.free = self.places.len();
            }
        }
        number
    }

    /// Removes the value with this number. `None` if there is none.
    pub fn remove(&mut self, number: usize) -> Option<T> {
        let place = self.places.get_mut(number).filter(|place| matches!(place, Place::Used(_)))?;
        let next = std::mem::replace(&mut self.free, number);
        match std::mem::replace(place, Place::Free(next)) {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// All values.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.places.into_iter().filter_map(|place| match place {
            Place::Used(value) => Some(value),
            Place::Free(_) => None,
        })
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused_and_values_are_not_lost() {
        let mut slab = Slab::default();
        let numbers: Vec<usize> = (0..5).map(|value| slab.insert(value)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(
            (slab.remove(1), slab.remove(3), slab.remove(1), slab.remove(9)),
            (Some(1), Some(3), None, None)
        );
        assert_eq!((slab.insert(10), slab.insert(11), slab.insert(12)), (3, 1, 5));
        assert_eq!(slab.into_values().collect::<Vec<_>>(), [0, 11, 2, 10, 4, 12]);
    }
}
