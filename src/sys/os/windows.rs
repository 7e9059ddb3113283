//! Windows: processor groups, the limits of a job object, the topology, stacks, a fence in all threads, and
//! the lock of the loader.
//!
//! State: whose turn it is among the groups ([`TURN`]). A processor is named by its group and its number in
//! the group, `group * 64 + number`, so that one number names it on machines of any size. Guarded by the unit
//! tests of `sys/affinity.rs`, `sys/barrier.rs`, `sys/stack.rs` and `sys/topology`, and by `tests/platforms`.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use core_affinity::CoreId;
use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::System::JobObjects::{
    JOB_OBJECT_CPU_RATE_CONTROL_ENABLE, JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
    JOB_OBJECT_CPU_RATE_CONTROL_MIN_MAX_RATE, JOBOBJECT_CPU_RATE_CONTROL_INFORMATION,
    JobObjectCpuRateControlInformation, QueryInformationJobObject,
};
use windows_sys::Win32::System::SystemInformation::{
    CACHE_RELATIONSHIP, GROUP_AFFINITY, GROUP_RELATIONSHIP, GetLogicalProcessorInformationEx,
    LOGICAL_PROCESSOR_RELATIONSHIP, NUMA_NODE_RELATIONSHIP, OSVERSIONINFOW, PROCESSOR_GROUP_INFO,
    PROCESSOR_RELATIONSHIP, RelationCache, RelationGroup, RelationNumaNode, RelationProcessorCore,
    RelationProcessorDie, RelationProcessorPackage, SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX,
};
use windows_sys::Win32::System::Threading::{
    FlushProcessWriteBuffers, GetCurrentProcess, GetCurrentThread, GetCurrentThreadId,
    GetCurrentThreadStackLimits, GetProcessAffinityMask, GetThreadGroupAffinity, OpenThread,
    SetThreadGroupAffinity, THREAD_QUERY_LIMITED_INFORMATION,
};

use crate::sys::os::system::{CpuPlace, PinOutcome, StackBounds, System};

/// The most processors of a group.
const GROUP: usize = 64;

/// The rate of a job object is in parts of 10,000 of all processors.
const WHOLE_RATE: usize = 10_000;

/// The first version since which a thread runs in all groups unless it is bound: Windows Server 2022. Windows
/// 11 has a higher number.
const FIRST_BUILD_WITHOUT_BORDERS: u32 = 20_348;

/// How many threads have been given a group. Relaxed: the number is all that is communicated.
static TURN: AtomicUsize = AtomicUsize::new(0);

/// Windows.
#[derive(Debug)]
pub struct Os;

impl System for Os {
    /// All groups, unless the mask of the process is a part of its only group.
    fn process_cores() -> Vec<usize> {
        let all: Vec<usize> = active_groups().iter().flat_map(cores_of_mask).collect();
        let (mut process, mut system) = (0_usize, 0_usize);
        // SAFETY: the handle is that of this process, and both pointers are valid for writes.
        let result =
            unsafe { GetProcessAffinityMask(GetCurrentProcess(), &raw mut process, &raw mut system) };
        // Both masks are 0 if the process has threads in several groups; it is not bound to any then. If they
        // differ, the process was started with a part of its group, which is that of the calling thread.
        if result != 0 && process != 0 && process != system {
            if let Some(own) = thread_mask(current_thread()) {
                return cores_of_mask(&GROUP_AFFINITY { Mask: process, ..own }).collect();
            }
        }
        all
    }

    /// If the thread runs in all groups, its mask is the whole of one of them, so a mask like that counts as
    /// all groups.
    fn thread_cores() -> Option<Vec<usize>> {
        let mask = thread_mask(current_thread())?;
        let groups = active_groups();
        let is_whole = groups.iter().any(|group| (group.Group, group.Mask) == (mask.Group, mask.Mask));
        if is_whole && groups.len() > 1 && build_number() >= FIRST_BUILD_WITHOUT_BORDERS {
            return Some(Self::process_cores());
        }
        Some(cores_of_mask(&mask).collect())
    }

    /// A bound thread runs in one group.
    fn set_thread_cores(cores: &[usize]) -> bool {
        let Some(&first) = cores.first() else { return false };
        if cores.iter().any(|core| core / GROUP != first / GROUP || core % GROUP >= usize::BITS as usize) {
            return false;
        }
        let Ok(group) = u16::try_from(first / GROUP) else { return false };
        let mask = cores.iter().fold(0, |mask, core| mask | 1 << (core % GROUP));
        let wanted = GROUP_AFFINITY { Mask: mask, Group: group, Reserved: [0; 3] };
        // SAFETY: the handle is that of this thread, and the pointer is valid for reads. The previous mask is
        // not wanted.
        unsafe { SetThreadGroupAffinity(current_thread(), &raw const wanted, ptr::null_mut()) != 0 }
    }

    fn part_for_a_thread(cores: Vec<usize>) -> Vec<usize> {
        group_in_turn(&cores, TURN.fetch_add(1, Ordering::Relaxed)) // see `TURN`
    }

    /// The mask is read back with its group.
    fn pin(core: usize) -> PinOutcome {
        // `core_affinity` means a processor of the group in which the thread happens to be.
        let is_plain = core < GROUP.min(usize::BITS as usize)
            && active_groups().len() == 1
            && core_affinity::set_for_current(CoreId { id: core });
        let is_accepted = is_plain || Self::set_thread_cores(&[core]);
        if is_accepted && Self::thread_cores().as_deref() == Some(&[core]) {
            PinOutcome::Pinned
        } else {
            PinOutcome::Refused
        }
    }

    fn thread_name() -> u64 {
        // SAFETY: the call has no preconditions.
        unsafe { GetCurrentThreadId() }.into()
    }

    fn cores_of(thread: u64) -> Option<Vec<usize>> {
        let number = u32::try_from(thread).ok().filter(|&number| number != 0)?;
        // SAFETY: the call takes numbers only.
        let handle = unsafe { OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, number) };
        if handle.is_null() {
            return None;
        }
        let mask = thread_mask(handle);
        // SAFETY: the handle was opened above, and is not used again.
        unsafe { CloseHandle(handle) };
        mask.map(|mask| cores_of_mask(&mask).collect())
    }

    /// The hard cap of the job object in which the process runs.
    fn cpu_limit() -> Option<usize> {
        let mut limit = JOBOBJECT_CPU_RATE_CONTROL_INFORMATION::default();
        // SAFETY: a null handle means the job of this process. The pointer is valid for writes of the size
        // that is given, and the length that is returned is not wanted.
        let result = unsafe {
            QueryInformationJobObject(
                ptr::null_mut(),
                JobObjectCpuRateControlInformation,
                (&raw mut limit).cast(),
                size_of::<JOBOBJECT_CPU_RATE_CONTROL_INFORMATION>() as u32,
                ptr::null_mut(),
            )
        };
        let flags = limit.ControlFlags;
        if result == 0 || flags & JOB_OBJECT_CPU_RATE_CONTROL_ENABLE == 0 {
            return None;
        }
        let rate = if flags & JOB_OBJECT_CPU_RATE_CONTROL_MIN_MAX_RATE != 0 {
            // SAFETY: the flag says that the union holds a smallest and a largest rate.
            usize::from(unsafe { limit.Anonymous.Anonymous }.MaxRate)
        } else if flags & JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP != 0 {
            // SAFETY: the flag says that the union holds a rate.
            unsafe { limit.Anonymous.CpuRate as usize }
        } else {
            return None; // a weight is no limit
        };
        let all: usize = active_groups().iter().map(|mask| mask.Mask.count_ones() as usize).sum();
        (rate > 0).then(|| (all * rate).div_ceil(WHOLE_RATE).max(1))
    }

    fn places() -> BTreeMap<usize, CpuPlace> {
        let mut places: BTreeMap<usize, CpuPlace> =
            active_groups().iter().flat_map(cores_of_mask).map(|core| (core, CpuPlace::default())).collect();
        let mut set = |cores: &[usize], field: fn(&mut CpuPlace) -> &mut usize| {
            let Some(&lowest) = cores.first() else { return };
            let known = cores.iter().filter_map(|core| Some((core, places.get(core)?.to_owned())));
            let changed: Vec<_> = known.map(|(&core, place)| (core, place)).collect();
            for (core, mut place) in changed {
                *field(&mut place) = lowest;
                places.insert(core, place);
            }
        };
        relations(RelationProcessorPackage).for_each(|r| set(&r.cores(), |place| &mut place.package));
        relations(RelationNumaNode).for_each(|r| set(&r.cores(), |place| &mut place.node));
        relations(RelationProcessorDie).for_each(|r| set(&r.cores(), |place| &mut place.die));
        let caches = relations(RelationCache).filter(|relation| relation.cache_level() == Some(3));
        caches.for_each(|r| set(&r.cores(), |place| &mut place.cache));
        relations(RelationProcessorCore).for_each(|r| set(&r.cores(), |place| &mut place.core));
        places
    }

    fn performance_cores() -> Option<usize> {
        let cores: Vec<_> =
            relations(RelationProcessorCore).map(|r| (r.efficiency_class(), r.cores().len())).collect();
        // The higher the class, the faster the core.
        let fastest = cores.iter().map(|(class, _)| *class).max()?;
        let of_class = |wanted: bool| cores.iter().filter(move |(class, _)| (*class == fastest) == wanted);
        of_class(false).next()?;
        Some(of_class(true).map(|(_, threads)| threads).sum())
    }

    fn stack() -> Option<StackBounds> {
        let (mut lowest, mut highest) = (0, 0);
        // SAFETY: both pointers are valid for writes.
        unsafe { GetCurrentThreadStackLimits(&raw mut lowest, &raw mut highest) };
        (lowest < highest).then_some(StackBounds { lowest, size: highest - lowest })
    }

    /// Not in Wine, of which version 8 has the call and does nothing in it.
    fn fence_everywhere() -> Option<fn() -> bool> {
        if is_wine() {
            return None;
        }
        Some(|| {
            // SAFETY: the call has no preconditions.
            unsafe { FlushProcessWriteBuffers() };
            true
        })
    }

    /// A thread that ends calls the destructors of its thread-locals under the loader's lock, which every
    /// thread needs to start and to end.
    fn blocks_other_threads() -> bool {
        // SAFETY: the call returns the address of the block that describes this process, which lives as long
        // as the process.
        let block = unsafe { RtlGetCurrentPeb() };
        if block.is_null() {
            return false;
        }
        // SAFETY: in every version of Windows the block holds the address of the lock at this offset. The
        // address is written before the first thread of the program runs.
        let lock = unsafe { block.byte_add(LOADER_LOCK).cast::<*mut c_void>().read() };
        // SAFETY: the address is that of the loader's critical section, which lives as long as the process.
        !lock.is_null() && unsafe { RtlIsCriticalSectionLockedByThread(lock) } != 0
    }
}

/// The offset of the address of the loader's lock in the block that describes a process (`PEB.LoaderLock`).
const LOADER_LOCK: usize = if cfg!(target_pointer_width = "64") { 0x110 } else { 0xa0 };

#[link(name = "ntdll")]
unsafe extern "system" {
    fn RtlGetCurrentPeb() -> *mut c_void;
    fn RtlGetVersion(version: *mut OSVERSIONINFOW) -> i32;
    fn RtlIsCriticalSectionLockedByThread(section: *mut c_void) -> u32;
}

/// The number by which versions of Windows are told apart; 0 if it cannot be read. (`GetVersionExW` gives an
/// old one to every program that does not name the new ones in its manifest.)
fn build_number() -> u32 {
    let size = size_of::<OSVERSIONINFOW>() as u32;
    let mut version = OSVERSIONINFOW { dwOSVersionInfoSize: size, ..Default::default() };
    // SAFETY: the pointer is valid for writes, and the structure says its size.
    let status = unsafe { RtlGetVersion(&raw mut version) };
    if status == 0 { version.dwBuildNumber } else { 0 }
}

/// Those of `cores` that are in one group. `turn` chooses the group, such that of many turns each group gets
/// about its share of the cores.
fn group_in_turn(cores: &[usize], turn: usize) -> Vec<usize> {
    let Some(&first) = cores.first() else { return Vec::new() };
    // A step of one group, so that the next turn is in the next group.
    let step = cores.iter().filter(|&core| core / GROUP == first / GROUP).count();
    let group = cores[(turn % cores.len()) * step % cores.len()] / GROUP;
    cores.iter().copied().filter(|core| core / GROUP == group).collect()
}

#[link(name = "kernel32")]
unsafe extern "system" {
    fn GetModuleHandleA(name: *const c_char) -> *mut c_void;
    fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Whether the system is Wine, which has a function that Windows lacks.
fn is_wine() -> bool {
    // SAFETY: the name ends with NUL. Every process has this library.
    let library = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr()) };
    // SAFETY: the name ends with NUL, and the library stays loaded as long as the process lives.
    !library.is_null() && !unsafe { GetProcAddress(library, c"wine_get_version".as_ptr()) }.is_null()
}

fn current_thread() -> *mut c_void {
    // SAFETY: the call returns a constant that means the calling thread.
    unsafe { GetCurrentThread() }
}

/// The group and the mask of a thread.
fn thread_mask(thread: *mut c_void) -> Option<GROUP_AFFINITY> {
    let mut mask = GROUP_AFFINITY::default();
    // SAFETY: the handle is one of a living thread that may be asked, and the pointer is valid for writes.
    let result = unsafe { GetThreadGroupAffinity(thread, &raw mut mask) };
    (result != 0).then_some(mask)
}

/// The processors in a mask, ascending.
fn cores_of_mask(mask: &GROUP_AFFINITY) -> impl Iterator<Item = usize> + use<> {
    let GROUP_AFFINITY { Mask: mask, Group: group, .. } = *mask;
    let bits = (0..usize::BITS as usize).filter(move |bit| mask >> bit & 1 == 1);
    bits.map(move |bit| usize::from(group) * GROUP + bit)
}

/// The active processors of each group.
fn active_groups() -> Vec<GROUP_AFFINITY> {
    relations(RelationGroup).flat_map(|relation| relation.groups()).collect()
}

/// One entry of what the system says about its processors, copied out of the list.
struct Relation(Vec<u8>);

/// What the system says about one relation of its processors. Empty if it says nothing.
fn relations(kind: LOGICAL_PROCESSOR_RELATIONSHIP) -> impl Iterator<Item = Relation> {
    let mut bytes = Vec::new();
    let mut length = 0_u32;
    // The list may grow between two calls, on a machine to which processors are added.
    for _ in 0..4 {
        // The entries are aligned to their pointers.
        let mut words = vec![0_u64; (length as usize).div_ceil(size_of::<u64>())];
        let buffer = words.as_mut_ptr().cast::<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX>();
        // SAFETY: the buffer is valid for writes of `length` bytes, and aligned.
        if unsafe { GetLogicalProcessorInformationEx(kind, buffer, &raw mut length) } != 0 {
            bytes = words.iter().flat_map(|word| word.to_ne_bytes()).take(length as usize).collect();
            break;
        }
    }
    entries(bytes)
}

/// The entries of a list in the system's form. An entry that is cut off ends the list.
fn entries(mut bytes: Vec<u8>) -> impl Iterator<Item = Relation> {
    std::iter::from_fn(move || {
        // Each entry begins with the kind and its own size.
        let size = u32::from_ne_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
        if size < HEAD || size > bytes.len() {
            return None;
        }
        let rest = bytes.split_off(size);
        Some(Relation(std::mem::replace(&mut bytes, rest)))
    })
}

/// The length of kind and size, which precede the content of an entry.
const HEAD: usize = 8;

impl Relation {
    /// The structure at `offset`, if the entry is long enough.
    fn at<T: Copy>(&self, offset: usize) -> Option<T> {
        let bytes = self.0.get(offset..offset.checked_add(size_of::<T>())?)?;
        // SAFETY: the bytes are as many as a `T` has. The structures that are read here consist of numbers,
        // for which every bit pattern is valid, and an unaligned read needs no alignment.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    fn kind(&self) -> Option<LOGICAL_PROCESSOR_RELATIONSHIP> {
        self.at(0)
    }

    /// The masks of the processors that the entry is about.
    fn masks(&self) -> Vec<GROUP_AFFINITY> {
        use std::mem::offset_of;

        let (count, first) = match self.kind() {
            Some(kind) if kind == RelationCache => {
                (offset_of!(CACHE_RELATIONSHIP, GroupCount), offset_of!(CACHE_RELATIONSHIP, Anonymous))
            }
            Some(kind) if kind == RelationNumaNode => (
                offset_of!(NUMA_NODE_RELATIONSHIP, GroupCount),
                offset_of!(NUMA_NODE_RELATIONSHIP, Anonymous),
            ),
            _ => (
                offset_of!(PROCESSOR_RELATIONSHIP, GroupCount),
                offset_of!(PROCESSOR_RELATIONSHIP, GroupMask),
            ),
        };
        // Before Windows Server 2022 caches and nodes had no count, which is 0 then, and one mask.
        let count = self.at::<u16>(HEAD + count).unwrap_or(0).max(1);
        let masks = (0..usize::from(count)).map(|i| self.at(HEAD + first + i * size_of::<GROUP_AFFINITY>()));
        masks.map_while(|mask| mask).collect()
    }

    /// The processors that the entry is about, ascending.
    fn cores(&self) -> Vec<usize> {
        let mut cores: Vec<usize> = self.masks().iter().flat_map(cores_of_mask).collect();
        cores.sort_unstable();
        cores
    }

    /// The level of the cache that the entry is about.
    fn cache_level(&self) -> Option<u8> {
        self.at(HEAD + std::mem::offset_of!(CACHE_RELATIONSHIP, Level))
    }

    /// The class of the core that the entry is about.
    fn efficiency_class(&self) -> u8 {
        self.at(HEAD + std::mem::offset_of!(PROCESSOR_RELATIONSHIP, EfficiencyClass)).unwrap_or(0)
    }

    /// The active processors of each group, in the entry about the groups.
    fn groups(&self) -> Vec<GROUP_AFFINITY> {
        use std::mem::offset_of;

        let active: u16 = self.at(HEAD + offset_of!(GROUP_RELATIONSHIP, ActiveGroupCount)).unwrap_or(0);
        let first = HEAD + offset_of!(GROUP_RELATIONSHIP, GroupInfo);
        let of_group = |group: u16| {
            let info = first + usize::from(group) * size_of::<PROCESSOR_GROUP_INFO>();
            let mask = self.at(info + offset_of!(PROCESSOR_GROUP_INFO, ActiveProcessorMask))?;
            Some(GROUP_AFFINITY { Mask: mask, Group: group, Reserved: [0; 3] })
        };
        (0..active).map_while(of_group).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// An entry of the system's list: `fields` are the offsets in the content and the bytes there.
    fn entry(kind: LOGICAL_PROCESSOR_RELATIONSHIP, length: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD + length];
        bytes[..4].copy_from_slice(&kind.to_ne_bytes());
        bytes[4..HEAD].copy_from_slice(&((HEAD + length) as u32).to_ne_bytes());
        for (offset, field) in fields {
            bytes[HEAD + offset..HEAD + offset + field.len()].copy_from_slice(field);
        }
        bytes
    }

    /// The mask of some processors of one group, in the system's form.
    fn mask(group: u16, processors: usize) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<GROUP_AFFINITY>()];
        bytes[..size_of::<usize>()].copy_from_slice(&processors.to_ne_bytes());
        bytes[size_of::<usize>()..][..2].copy_from_slice(&group.to_ne_bytes());
        bytes
    }

    #[test]
    fn processors_of_two_groups_have_different_names() {
        let info = size_of::<PROCESSOR_GROUP_INFO>();
        let first = offset_of!(GROUP_RELATIONSHIP, GroupInfo);
        let active = offset_of!(PROCESSOR_GROUP_INFO, ActiveProcessorMask);
        let groups = entry(
            RelationGroup,
            first + 2 * info,
            &[
                (offset_of!(GROUP_RELATIONSHIP, ActiveGroupCount), &2_u16.to_ne_bytes()),
                (first + active, &0b111_usize.to_ne_bytes()),
                (first + info + active, &0b101_usize.to_ne_bytes()),
            ],
        );
        let cores: Vec<_> = entries(groups).flat_map(|r| r.groups()).collect();
        let cores: Vec<_> = cores.iter().flat_map(cores_of_mask).collect();
        assert_eq!(cores, [0, 1, 2, GROUP, GROUP + 2]);
    }

    #[test]
    fn a_memory_node_may_have_processors_of_several_groups_or_none_counted() {
        let first = offset_of!(NUMA_NODE_RELATIONSHIP, Anonymous);
        let count = offset_of!(NUMA_NODE_RELATIONSHIP, GroupCount);
        let length = first + 2 * size_of::<GROUP_AFFINITY>();
        let (low, high) = (mask(0, 0b11), mask(3, 0b1));
        let masks: [(usize, &[u8]); 2] = [(first, &low), (first + low.len(), &high)];
        let counted = [masks[0], masks[1], (count, &2_u16.to_ne_bytes())];
        let mut list = entry(RelationNumaNode, length, &counted);
        list.extend(entry(RelationNumaNode, length, &masks));
        let cores: Vec<_> = entries(list).map(|r| r.cores()).collect();
        assert_eq!(cores, [vec![0, 1, 3 * GROUP], vec![0, 1]], "without a count there is one mask");
    }

    #[test]
    fn a_list_that_is_cut_off_ends() {
        let whole = entry(RelationProcessorCore, size_of::<PROCESSOR_RELATIONSHIP>(), &[]);
        for length in 0..whole.len() {
            let mut list = whole.clone();
            list.extend(&whole[..length]);
            assert_eq!(entries(list).count(), 1, "{length} bytes of the second entry");
        }
        let empty = entry(RelationProcessorCore, 0, &[]);
        assert!(entries(vec![0; 64]).next().is_none(), "an entry without a length");
        assert!(entries(empty).next().is_some_and(|r| r.cores().is_empty()));
    }

    /// A mask is of one group, so a set of cores of two groups is no mask.
    #[test]
    fn cores_of_two_groups_are_refused_and_change_nothing() {
        let before = Os::thread_cores();
        assert!(!Os::set_thread_cores(&[0, GROUP]) && !Os::set_thread_cores(&[]));
        assert_eq!(Os::thread_cores(), before);
    }

    #[test]
    fn threads_take_the_groups_in_turn_and_by_size() {
        let count = |sizes: &[usize]| {
            let of_group = |(group, &size): (usize, &usize)| (0..size).map(move |core| group * GROUP + core);
            let cores: Vec<usize> = sizes.iter().enumerate().flat_map(of_group).collect();
            let mut threads = vec![0; sizes.len()];
            for turn in 0..cores.len() {
                let part = group_in_turn(&cores, turn);
                let group = part[0] / GROUP;
                assert!(part.iter().copied().eq((0..sizes[group]).map(|core| group * GROUP + core)));
                threads[group] += 1;
            }
            threads
        };
        assert_eq!(count(&[8]), [8]);
        assert_eq!(count(&[64, 64]), [64, 64]);
        assert_eq!(count(&[40, 40, 40]), [40, 40, 40]);
        assert_eq!(count(&[64, 48]), [64, 48]);
        assert_eq!(count(&[2, 1]), [2, 1]);
        assert_eq!(
            group_in_turn(&[5, 7, GROUP + 9], 1),
            [GROUP + 9],
            "the second turn is in the second group"
        );
        assert!(group_in_turn(&[], 5).is_empty());
    }

    #[test]
    fn the_version_is_read() {
        assert_ne!(build_number(), 0);
    }

    #[test]
    fn the_loader_does_not_hold_its_lock_for_a_thread_that_runs() {
        assert!(!Os::blocks_other_threads());
        assert!(!std::thread::spawn(Os::blocks_other_threads).join().expect("no panic"));
    }
}
