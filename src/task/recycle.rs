//! Recycled memory blocks, for closures that do not fit into a task and for result slots.
//!
//! The producer of a task allocates a block on one thread, and a worker frees it on another. General
//! allocators are slowest with that pattern. This allocator is built for it, after Bonwick and Adams
//! ("Magazines and Vmem", USENIX 2001). Each thread keeps two *magazines* (chains of free blocks) for each
//! size class. Only whole magazines move between threads, through a *depot* behind a mutex, so a thread takes
//! the mutex once in [`MAGAZINE`] tasks.
//!
//! Magazines that the depot does not keep are returned to the global allocator. At most [`DEPOT_BYTES`] stay
//! in the depot, and two magazines for each class in each thread. A worker that parks after a burst returns
//! its magazines, too ([`trim`]).
//!
//! The depot belongs to the process, a cache to each thread that allocates or frees. Guarded by the unit
//! tests here, and by AddressSanitizer runs of the stress tests without recycling.

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The number of size classes. Their sizes are powers of two, so that a class is found by counting bits.
const CLASSES: usize = 5;
const SMALLEST: usize = 64;
/// The largest block that is recycled, in bytes.
pub const LARGEST: usize = SMALLEST << (CLASSES - 1);
/// The alignment of every block: what a general allocator provides at no cost. (Whole cache lines were tried.
/// The search of the allocator for aligned memory cost more than the cache lines that neighbours share.)
pub const ALIGNMENT: usize = 16;
/// Blocks in a full magazine. Many, so that the depot's mutex is taken rarely; few, to bound the free memory
/// of a thread.
const MAGAZINE: usize = 64;
/// The most bytes in the depots of all classes together: the memory of a burst of 250,000 tasks of 64 bytes
/// stays warm for the next burst.
const DEPOT_BYTES: usize = 16 << 20;

/// Off under AddressSanitizer (`--cfg longshore_no_recycling`), which detects a use after free only if the
/// memory is really freed.
const RECYCLES: bool = !cfg!(longshore_no_recycling);

/// Allocates uninitialised memory for one `T`, which is not zero-sized. Aborts like `Box` if there is no
/// memory.
#[inline]
pub fn alloc<T>() -> NonNull<T> {
    assert!(size_of::<T>() > 0); // decided at compile time, like the match below
    match class_of(Layout::new::<T>()) {
        Some(class) if RECYCLES => CACHE
            // Fails while this thread's locals are being destroyed.
            .try_with(|cache| cache.borrow_mut().classes[class].alloc(class))
            .ok()
            .flatten()
            .unwrap_or_else(|| allocate(class_layout(class)))
            .cast(),
        _ => allocate(Layout::new::<T>()).cast(),
    }
}

/// Frees memory.
///
/// # Safety
/// `place` came from [`alloc`] for `T` or a type of the same size and alignment, and is not used again. Its
/// content has been moved out or dropped.
#[inline]
pub unsafe fn free<T>(place: NonNull<T>) {
    let place = place.cast::<u8>();
    match class_of(Layout::new::<T>()) {
        Some(class) if RECYCLES => {
            let free = place.cast::<FreeBlock>();
            // SAFETY: the block has at least 64 bytes, aligned to 16, so a `FreeBlock` fits. Its content is
            // gone, and the caller does not use it again, so no other pointer to it is in use.
            unsafe { free.write(FreeBlock { next: None }) };
            let freed = CACHE.try_with(|cache| cache.borrow_mut().free(free, class));
            if freed.is_err() {
                // SAFETY: `alloc` allocated the block with the layout of its class, and it is not used again.
                unsafe { alloc::dealloc(place.as_ptr(), class_layout(class)) };
            }
        }
        // SAFETY: `alloc` allocated the memory with this layout, and it is not used again.
        _ => unsafe { alloc::dealloc(place.as_ptr(), Layout::new::<T>()) },
    }
}

/// The size class of a layout; `None` if its size or alignment is too large to be recycled.
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
    // SAFETY: the size of the layout is not 0, because classes start at 64 bytes and `alloc` refuses
    // zero-sized types.
    let place = unsafe { alloc::alloc(layout) };
    NonNull::new(place).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// The content of a free block: the link to the next block of its magazine.
struct FreeBlock {
    next: Option<NonNull<FreeBlock>>,
}

/// A chain of free blocks of one class.
#[derive(Default)]
struct Magazine {
    top: Option<NonNull<FreeBlock>>,
    count: usize,
}

// SAFETY: the blocks of a magazine are plain memory, and no pointer to them exists outside of the magazine.
unsafe impl Send for Magazine {}

impl Magazine {
    #[inline]
    fn push(&mut self, block: NonNull<FreeBlock>) {
        let link = FreeBlock { next: self.top };
        // SAFETY: the block is free memory that is large enough for the link, and only this magazine has a
        // pointer to it.
        unsafe { block.write(link) };
        self.top = Some(block);
        self.count += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<NonNull<FreeBlock>> {
        let block = self.top?;
        // SAFETY: every block in the chain holds an initialised link, and only this magazine has a pointer to
        // it.
        self.top = unsafe { block.read() }.next;
        self.count -= 1;
        Some(block)
    }

    fn free(mut self, class: usize) {
        while let Some(block) = self.pop() {
            // SAFETY: every block of the class was allocated with this layout, and is no longer in the chain.
            unsafe { alloc::dealloc(block.cast().as_ptr(), class_layout(class)) };
        }
    }
}

/// Returns the calling thread's free blocks to the depot or the allocator, if the depot has lately refused
/// some of them.
pub fn trim() {
    // An error means that the thread is ending, which returns its blocks.
    let _ = CACHE.try_with(|cache| {
        let mut cache = cache.borrow_mut();
        if std::mem::take(&mut cache.overflowed) {
            cache.empty();
        }
    });
}

/// Returns all blocks in the depots to the allocator.
pub fn empty_depots() {
    for class in 0..CLASSES {
        while let Some(magazine) = from_depot(class) {
            magazine.free(class);
        }
    }
}

static DEPOTS: [Mutex<Vec<Magazine>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];

/// Bytes in the depots of all classes.
static DEPOT_USED: AtomicUsize = AtomicUsize::new(0);

/// Moves a full magazine to the depot. If the depot is full, returns the blocks to the allocator and returns
/// `false`.
#[cold]
fn to_depot(magazine: Magazine, class: usize) -> bool {
    let bytes = magazine.count * class_layout(class).size();
    // Relaxed, here and in `from_depot`: a bound on a sum, which orders nothing.
    if DEPOT_USED.fetch_add(bytes, Ordering::Relaxed) + bytes > DEPOT_BYTES {
        DEPOT_USED.fetch_sub(bytes, Ordering::Relaxed);
        magazine.free(class);
        return false;
    }
    DEPOTS[class].lock().unwrap_or_else(PoisonError::into_inner).push(magazine);
    true
}

#[cold]
fn from_depot(class: usize) -> Option<Magazine> {
    let magazine = DEPOTS[class].lock().unwrap_or_else(PoisonError::into_inner).pop()?;
    DEPOT_USED.fetch_sub(magazine.count * class_layout(class).size(), Ordering::Relaxed);
    Some(magazine)
}

/// One thread's magazines of one class: the one in use, and a full or empty one. With two of them a thread
/// that allocates and frees in turn does not go to the depot at each boundary.
#[derive(Default)]
struct ClassCache {
    loaded: Magazine,
    second: Magazine,
}

impl ClassCache {
    #[inline]
    fn alloc(&mut self, class: usize) -> Option<NonNull<u8>> {
        if self.loaded.count == 0 {
            std::mem::swap(&mut self.loaded, &mut self.second);
            if self.loaded.count == 0 {
                self.loaded = from_depot(class)?;
            }
        }
        self.loaded.pop().map(NonNull::cast)
    }

    /// Returns `false` if blocks were returned to the allocator.
    #[inline]
    fn free(&mut self, block: NonNull<FreeBlock>, class: usize) -> bool {
        let mut stays = true;
        if self.loaded.count == MAGAZINE {
            std::mem::swap(&mut self.loaded, &mut self.second);
            if self.loaded.count > 0 {
                stays = to_depot(std::mem::take(&mut self.loaded), class);
            }
        }
        self.loaded.push(block);
        stays
    }
}

#[derive(Default)]
struct Cache {
    classes: [ClassCache; CLASSES],
    /// Whether the depot has refused a magazine since the last `trim`.
    overflowed: bool,
}

impl Cache {
    #[inline]
    fn free(&mut self, block: NonNull<FreeBlock>, class: usize) {
        if !self.classes[class].free(block, class) {
            self.overflowed = true;
        }
    }

    fn empty(&mut self) {
        for (class, cache) in self.classes.iter_mut().enumerate() {
            for magazine in [std::mem::take(&mut cache.loaded), std::mem::take(&mut cache.second)] {
                // The depot holds full magazines only.
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
                    // SAFETY: the block was allocated for this type, and only this thread has a pointer to
                    // it.
                    unsafe { place.write([seed + i; 12]) };
                    place.as_ptr().expose_provenance()
                })
                .collect();
            let checked = std::thread::spawn(move || {
                for (i, address) in blocks.iter().enumerate() {
                    let place = NonNull::new(std::ptr::with_exposed_provenance_mut::<Content>(*address));
                    let place = place.expect("never null");
                    // SAFETY: the other thread has written it; the spawn orders the write before this read.
                    let content = unsafe { place.read() };
                    assert_eq!(content, [seed + i as u64; 12], "no two blocks overlap");
                    // SAFETY: the block was allocated for this type and is not used again.
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
            // SAFETY: the block was allocated for this type, was never written, and is not used again.
            unsafe { free(place) };
        }
        let used = DEPOT_USED.load(Ordering::Relaxed);
        assert!(used <= DEPOT_BYTES, "{used} bytes in the depot");
        from_depot(class).expect("the depot is not empty").free(class);
    }
}
