//! Affinity where longshore does not talk to the kernel itself: whatever `core_affinity` offers.
//!
//! Owner: no state here; a [`CpuMask`] is a plain value of whoever saved it.
//! Threads: reads only; masks are never written, so an inherited pin stays (BSDs; elsewhere none is
//! inherited).

/// How many cores `core_affinity` can name: it shifts a 64-bit mask on Windows and sets bits in a fixed
/// `cpuset_t` on the BSDs.
pub const PINNABLE_CORES: usize = if cfg!(windows) { 64 } else { 256 };

/// The set of cores this process may run on, as far as the platform tells.
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

    /// Does nothing on this platform and says so: `false`.
    pub fn apply_to_current_thread(&self) -> bool {
        false
    }
}

/// Whether the calling thread's mask is exactly `core`: not readable here, so the platform is believed.
pub fn current_thread_runs_only_on(_core: usize) -> bool {
    true
}
