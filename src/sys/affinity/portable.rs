//! Affinity on systems for which this library makes no system calls itself: what `core_affinity` provides.
//!
//! No state; a [`CpuMask`] is a plain value. Masks are read but never written, so an inherited pin remains
//! (on the BSDs; on other systems a pin is not inherited). Guarded by the unit tests in
//! `sys/affinity/mod.rs`.

/// The number of cores that `core_affinity` can pin to. It shifts a 64-bit mask on Windows, and sets bits in
/// a `cpuset_t` of fixed size on the BSDs.
pub const PINNABLE_CORES: usize = if cfg!(windows) { 64 } else { 256 };

/// The set of cores on which this process may run, as far as the platform reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMask {
    cores: Vec<usize>,
}

impl CpuMask {
    /// The cores that `core_affinity` reports.
    pub fn of_process() -> Self {
        let ids = core_affinity::get_core_ids().unwrap_or_default();
        let mut cores: Vec<usize> = ids.into_iter().map(|core| core.id).collect();
        cores.sort_unstable();
        cores.dedup();
        Self { cores }
    }

    /// The cores in this mask, ascending; none if the platform reports none.
    pub fn cores(&self) -> Vec<usize> {
        self.cores.clone()
    }

    /// This mask. Masks are not written on this platform.
    pub fn still_allowed(&self) -> Self {
        self.clone()
    }

    /// Does nothing on this platform, and returns `false`.
    pub fn apply_to_current_thread(&self) -> bool {
        false
    }
}

/// Returns `true`, because the mask cannot be read here and the result of the pinning call is believed.
pub fn current_thread_runs_only_on(_core: usize) -> bool {
    true
}
