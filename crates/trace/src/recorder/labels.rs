//! Labels: names of tasks and threads, each with a small number that fits into a record.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::record::MAX_LABEL;

/// Numbers given so far. A text keeps its number for the life of the recorder.
#[derive(Debug, Default)]
pub struct Labels(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<String, u16>,
    texts: Vec<String>,
}

impl Labels {
    /// The number of a text: 1 to [`MAX_LABEL`], or 0 when all numbers are given.
    pub fn number(&self, text: &str) -> u16 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(text) {
            return *number;
        }
        if known.texts.len() >= usize::from(MAX_LABEL) {
            return 0;
        }
        known.texts.push(text.to_owned());
        let number = known.texts.len() as u16;
        known.numbers.insert(text.to_owned(), number);
        number
    }

    /// The texts from number `from + 1` on, with their numbers.
    pub fn since(&self, from: usize) -> Vec<(u16, String)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.texts.iter().enumerate().skip(from).map(|(i, text)| (i as u16 + 1, text.clone())).collect()
    }
}

/// Places in a [`LabelCache`].
const CACHED: usize = 16;

/// Numbers of static texts that a thread has used lately, by address: spares it the lock.
#[derive(Debug, Default)]
pub struct LabelCache([Cell<(usize, usize, u16)>; CACHED]);

impl LabelCache {
    /// The number of a text.
    #[inline]
    pub fn number(&self, text: &'static str, labels: &Labels) -> u16 {
        let place = &self.0[text.as_ptr().addr() / 8 % CACHED];
        let (address, length, number) = place.get();
        if address == text.as_ptr().addr() && length == text.len() && number != 0 {
            return number;
        }
        let number = labels.number(text);
        place.set((text.as_ptr().addr(), text.len(), number));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_the_last_number_is_no_number() {
        let (labels, cache) = (Labels::default(), LabelCache::default());
        assert_eq!((labels.number("decode"), labels.number("encode"), labels.number("decode")), (1, 2, 1));
        assert_eq!((cache.number("encode", &labels), cache.number("encode", &labels)), (2, 2));
        assert_eq!(labels.since(1), [(2, "encode".to_owned())]);
        (0..5000).for_each(|i| _ = labels.number(&format!("label {i}")));
        assert_eq!(labels.number("one too many"), 0);
        assert_eq!(labels.since(0).len(), usize::from(MAX_LABEL));
    }
}
