//! M6: the offer. A piece of work goes to its owner or to one thief, as it was put together.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::code::facade::UninitCell;
use crate::code::fork_slot::ForkSlot;

/// A piece of work, whose content is written without atomics.
struct Piece(UninitCell<u32>);

impl Piece {
    fn new() -> Arc<Self> {
        Arc::new(Piece(UninitCell::empty()))
    }

    fn pointer(&self) -> NonNull<Piece> {
        NonNull::from(self)
    }

    /// As `Job::prepare`: only the owner knows the piece.
    fn prepare(&self, content: u32) {
        // SAFETY: that is what is checked.
        unsafe { self.0.write(content) };
    }

    /// Two that have it would both take its content out, which loom reports.
    fn use_up(&self) -> u32 {
        // SAFETY: that is what is checked.
        unsafe { self.0.read() }
    }
}

fn end<T>(thread: loom::thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

/// `count` threads, each of which tries `tries` times to take something. What they got.
fn thieves(
    offer: &Arc<ForkSlot<Piece>>,
    count: usize,
    tries: usize,
) -> Vec<loom::thread::JoinHandle<Vec<u32>>> {
    let thief = |_| {
        let offer = offer.clone();
        loom::thread::spawn(move || {
            let taken = (0..tries).filter_map(|_| offer.take());
            // SAFETY: the model keeps the pieces alive.
            taken.map(|piece| unsafe { piece.as_ref() }.use_up()).collect()
        })
    };
    (0..count).map(thief).collect()
}

/// Puts it in and takes it back at once, unless a thief was there.
fn offer_and_take_back(offer: &ForkSlot<Piece>, piece: &Piece, content: u32) -> Option<u32> {
    piece.prepare(content);
    offer.put(piece.pointer());
    offer.take_back(piece.pointer()).then(|| piece.use_up())
}

pub fn a_piece_goes_to_its_owner_or_to_a_thief() {
    let (offer, piece) = (Arc::new(ForkSlot::free()), Piece::new());
    let thieves = thieves(&offer, 1, 2);
    let kept = offer_and_take_back(&offer, &piece, 1);
    assert!(offer.is_free());
    let taken = thieves.into_iter().flat_map(end);
    assert_eq!(taken.chain(kept).collect::<Vec<_>>(), [1]);
}

pub fn a_piece_goes_to_one_of_two_thieves() {
    let (offer, piece) = (Arc::new(ForkSlot::free()), Piece::new());
    let thieves = thieves(&offer, 2, 1);
    let kept = offer_and_take_back(&offer, &piece, 1);
    let taken = thieves.into_iter().flat_map(end);
    assert_eq!(taken.chain(kept).collect::<Vec<_>>(), [1]);
    assert!(!offer.has_any());
}

/// The owner's next frame lies where the last one lay. A thief that saw the first piece and takes the second has the
/// second whole.
pub fn the_next_piece_may_have_the_same_address() {
    let (offer, piece) = (Arc::new(ForkSlot::free()), Piece::new());
    let thieves = thieves(&offer, 1, 2);
    let first = offer_and_take_back(&offer, &piece, 1);
    // Only if nobody else has it: a frame is not left before its piece is back or done.
    let second = first.and_then(|_| offer_and_take_back(&offer, &piece, 2));
    let mut all: Vec<u32> = thieves.into_iter().flat_map(end).chain(first).chain(second).collect();
    all.sort_unstable();
    assert_eq!(all, if first.is_some() { vec![1, 2] } else { vec![1] });
}
