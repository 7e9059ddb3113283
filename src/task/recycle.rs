//! Recycled memory blocks for closures that do not fit into a task and for the slots behind handles.
//!
//! The producer of a task takes a block on one thread and the worker gives it back on another. General allocators
//! are at their slowest with that pattern; this one is built for it, after Bonwick and Adams ("Magazines and Vmem",
//! USENIX 2001): each thread keeps two *magazines* (chains of free blocks) a size class; only whole magazines move
//! between threads, through a *depot* behind a lock, so that the lock is taken once in [`MAGAZINE`] tasks.
//!
//! What the depot does not want goes back to the global allocator: at most [`DEPOT_BYTES`] stay there, besides
//! two magazines a class and thread. A worker that goes to sleep after a burst gives those back as well ([`trim`]).

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The size classes in bytes: powers of two, so that a class is found by counting bits.
const CLASSES: usize = 5;
const SMALLEST: usize = 64;
/// The largest block that is recycled, in bytes.
pub const LARGEST: usize = SMALLEST << (CLASSES - 1);
/// The alignment of every block: what a general allocator gives without effort. (Whole cache lines were tried: the
/// allocator's search for aligned memory cost more than the lines that neighbours share.)
pub const ALIGNMENT: usize = 16;
/// Blocks in a full magazine: enough to make the depot's lock rare, few enough to bound what a thread hoards.
const MAGAZINE: usize = 64;
/// Bytes that the depots of all classes keep together: the tasks of a burst, 64 bytes each and a quarter of a million of
/// them, find their memory warm when the next burst comes.
const DEPOT_BYTES: usize = 16 << 20;

/// Switched off under AddressSanitizer (`--cfg longshore_no_recycling`), which sees a use after free only if the
/// memory is really freed.
const RECYCLES: bool = !cfg!(longshore_no_recycling);

/// Memory for one `T` (not zero-sized), uninitialised, aligned for it. Aborts like `Box` when there is no memory.
#[inline]
pub fn alloc<T>() -> NonNull<T> {
    assert!(size_of::<T>() > 0); // known at compile time, like the choice that follows
    match class_of(Layout::new::<T>()) {
        Some(class) if RECYCLES => CACHE
            // No cache once this thread's locals are being destroyed.
            .try_with(|cache| cache.borrow_mut().classes[class].take(class))
            .ok()
            .flatten()
            .unwrap_or_else(|| allocate(class_layout(class)))
            .cast(),
        _ => allocate(Layout::new::<T>()).cast(),
    }
}

/// Takes memory back.
///
/// # Safety
/// `place` came from `alloc::<T>` (of any type with the same size and alignment) and is not used again; its
/// content has been moved out or dropped.
#[inline]
pub unsafe fn free<T>(place: NonNull<T>) {
    let place = place.cast::<u8>();
    match class_of(Layout::new::<T>()) {
        Some(class) if RECYCLES => {
            let free = place.cast::<FreeBlock>();
            // SAFETY: the block is ours, at least 64 bytes and aligned to them.
            unsafe { free.write(FreeBlock { next: None }) };
            let kept = CACHE.try_with(|cache| cache.borrow_mut().give_back(free, class));
            if kept.is_err() {
                // SAFETY: `alloc` allocated it with the layout of its class.
                unsafe { alloc::dealloc(place.as_ptr(), class_layout(class)) };
            }
        }
        // SAFETY: `alloc` allocated it with this layout.
        _ => unsafe { alloc::dealloc(place.as_ptr(), Layout::new::<T>()) },
    }
}

/// The class for a type of this layout; `None` for one that is too large, or aligned too widely, to be recycled.
const fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size > LARGEST || layout.align() > ALIGNMENT {
        return None;
    }
    let rounded = if size < SMALLEST { SMALLEST } else { size.next_power_of_two() };
    Some((rounded / SMALLEST).trailing_zeros() as usize)
}

const fn class_layout(class: usize) -> Layout {
    match Layout::from_size_align(SMALLEST << class, ALIGNMENT) {
        Ok(layout) => layout,
        Err(_) => panic!("sizes and alignment are constant powers of two"),
    }
}

#[cold]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here has size 0: classes start at 64 bytes and `alloc` refuses zero-sized types.
    let place = unsafe { alloc::alloc(layout) };
    NonNull::new(place).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// What a free block holds: the link to the next one of its magazine.
struct FreeBlock {
    next: Option<NonNull<FreeBlock>>,
}

/// A chain of free blocks of one class.
#[derive(Default)]
struct Magazine {
    top: Option<NonNull<FreeBlock>>,
    count: usize,
}

// SAFETY: the blocks of a magazine are plain memory that nobody else can reach.
unsafe impl Send for Magazine {}

impl Magazine {
    #[inline]
    fn push(&mut self, block: NonNull<FreeBlock>) {
        let link = FreeBlock { next: self.top };
        // SAFETY: the block is free and ours.
        unsafe { block.write(link) };
        self.top = Some(block);
        self.count += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<NonNull<FreeBlock>> {
        let block = self.top?;
        // SAFETY: a block in the chain holds an initialised link.
        self.top = unsafe { block.read() }.next;
        self.count -= 1;
        Some(block)
    }

    fn free(mut self, class: usize) {
        while let Some(block) = self.pop() {
            // SAFETY: every block of a class was allocated with its layout.
            unsafe { alloc::dealloc(block.cast().as_ptr(), class_layout(class)) };
        }
    }
}

/// Bytes that went back to the allocator since [`trim`] last said that it was much.
static RETURNED: AtomicUsize = AtomicUsize::new(0);

/// So many returned bytes are much: allocators keep a heap of that size although nearly all of it is free.
const TRIM_THRESHOLD: usize = 64 << 20;

/// Gives the calling thread's free blocks back, if it has had more lately than the depot takes. Returns whether all
/// threads together have given back much since this was last said.
pub fn trim() -> bool {
    let overflowed = CACHE.try_with(|cache| {
        let mut cache = cache.borrow_mut();
        let overflowed = std::mem::take(&mut cache.overflowed);
        if overflowed {
            cache.empty();
        }
        overflowed
    });
    // An error means that the thread is ending. Relaxed: a rough sum that orders nothing.
    overflowed == Ok(true)
        && RETURNED.load(Ordering::Relaxed) >= TRIM_THRESHOLD
        && RETURNED.swap(0, Ordering::Relaxed) >= TRIM_THRESHOLD
}

static DEPOTS: [Mutex<Vec<Magazine>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

/// Bytes in all depots.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Hands a full magazine to the depot, or its blocks to the allocator when the depot has enough. Returns whether the
/// depot took it.
#[cold]
fn to_depot(magazine: Magazine, class: usize) -> bool {
    let bytes = magazine.count * class_layout(class).size();
    // Relaxed, here and below: a bound on a sum, which orders nothing.
    if KEPT.fetch_add(bytes, Ordering::Relaxed) + bytes > DEPOT_BYTES {
        KEPT.fetch_sub(bytes, Ordering::Relaxed);
        RETURNED.fetch_add(bytes, Ordering::Relaxed);
        magazine.free(class);
        return false;
    }
    DEPOTS[class].lock().unwrap_or_else(PoisonError::into_inner).push(magazine);
    true
}

#[cold]
fn from_depot(class: usize) -> Option<Magazine> {
    let magazine = DEPOTS[class].lock().unwrap_or_else(PoisonError::into_inner).pop()?;
    KEPT.fetch_sub(magazine.count * class_layout(class).size(), Ordering::Relaxed);
    Some(magazine)
}

/// One thread's magazines of one class: the one in use and a full or empty one, so that a thread that takes and
/// gives in turn does not go to the depot at each boundary.
#[derive(Default)]
struct ClassCache {
    loaded: Magazine,
    spare: Magazine,
}

impl ClassCache {
    #[inline]
    fn take(&mut self, class: usize) -> Option<NonNull<u8>> {
        if self.loaded.count == 0 {
            std::mem::swap(&mut self.loaded, &mut self.spare);
            if self.loaded.count == 0 {
                self.loaded = from_depot(class)?;
            }
        }
        self.loaded.pop().map(NonNull::cast)
    }

    /// Returns `false` if blocks had to go back to the allocator.
    #[inline]
    fn give_back(&mut self, block: NonNull<FreeBlock>, class: usize) -> bool {
        let mut kept = true;
        if self.loaded.count == MAGAZINE {
            std::mem::swap(&mut self.loaded, &mut self.spare);
            if self.loaded.count > 0 {
                kept = to_depot(std::mem::take(&mut self.loaded), class);
            }
        }
        self.loaded.push(block);
        kept
    }
}

#[derive(Default)]
struct Cache {
    classes: [ClassCache; CLASSES],
    /// The depot has refused a magazine since the last look.
    overflowed: bool,
}

impl Cache {
    #[inline]
    fn give_back(&mut self, block: NonNull<FreeBlock>, class: usize) {
        if !self.classes[class].give_back(block, class) {
            self.overflowed = true;
        }
    }

    fn empty(&mut self) {
        for (class, cache) in self.classes.iter_mut().enumerate() {
            for magazine in [std::mem::take(&mut cache.loaded), std::mem::take(&mut cache.spare)] {
                // A part-full magazine is not worth a place in the depot.
                if magazine.count == MAGAZINE {
                    to_depot(magazine, class);
                } else {
                    magazine.free(class);
                }
            }
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.empty();
    }
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_the_smallest_class_that_holds_it() {
        let layout = |size, align| Layout::from_size_align(size, align).expect("sensible");
        let sizes = |size| class_of(layout(size, 8)).map(|class| class_layout(class).size());
        assert_eq!([1, 64, 65, 128, 1024].map(sizes), [64, 64, 128, 128, 1024].map(Some));
        assert_eq!(class_of(layout(LARGEST + 1, 8)), None);
        assert_eq!(class_of(layout(64, 2 * ALIGNMENT)), None);
    }

    #[test]
    fn blocks_are_distinct_aligned_and_survive_the_trip_to_another_thread() {
        type Content = [u64; 12];
        let round = |seed: u64| {
            let blocks: Vec<usize> = (0..MAGAZINE as u64 * 5)
                .map(|i| {
                    let place = alloc::<Content>();
                    assert_eq!(place.addr().get() % ALIGNMENT, 0);
                    // SAFETY: the block is ours and large enough.
                    unsafe { place.write([seed + i; 12]) };
                    place.as_ptr().expose_provenance()
                })
                .collect();
            let checked = std::thread::spawn(move || {
                for (i, address) in blocks.iter().enumerate() {
                    let place = NonNull::new(std::ptr::with_exposed_provenance_mut::<Content>(*address));
                    let place = place.expect("never null");
                    // SAFETY: written above; the spawn orders the write before this read.
                    let content = unsafe { place.read() };
                    assert_eq!(content, [seed + i as u64; 12], "no two blocks overlap");
                    // SAFETY: taken for this type, used no more.
                    unsafe { free(place) };
                }
                blocks.len()
            });
            assert_eq!(checked.join().expect("the checks hold"), MAGAZINE * 5);
        };
        (0..4).for_each(|i| round(i * 1000));
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "there is no depot")]
    fn the_depot_is_bounded() {
        type Content = [u8; 1000];
        let class = class_of(Layout::new::<Content>()).expect("recycled");
        let places: Vec<_> = (0..DEPOT_BYTES / class_layout(class).size() + 8 * MAGAZINE)
            .map(|_| alloc::<Content>())
            .collect();
        for place in places {
            // SAFETY: taken for this type, nothing was written, used no more.
            unsafe { free(place) };
        }
        let kept = KEPT.load(Ordering::Relaxed);
        assert!(kept <= DEPOT_BYTES, "{kept} bytes kept");
        from_depot(class).expect("something was kept").free(class);
    }
}
