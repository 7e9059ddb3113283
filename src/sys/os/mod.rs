//! What the library asks of an operating system: one trait, [`System`](system::System), and one file for each
//! system that answers more than the defaults. [`Os`] is the system for which the library is compiled.
//!
//! No state. Functions that act on a thread act on the calling one. With `--cfg longshore_portable` the
//! library takes `portable.rs` on every system, so that the answers of a system that tells nothing are tested
//! where all tests run. Guarded by the unit tests of the files here and in `sys/affinity.rs`,
//! `sys/stack.rs` and `sys/barrier.rs`, and by `tests/platforms`.

pub mod system;

#[cfg(all(
    any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"),
    not(miri),
    not(longshore_portable)
))]
pub mod pthread_stack;

#[cfg_attr(
    any(
        longshore_portable,
        not(any(
            target_os = "linux",
            target_os = "android",
            windows,
            target_vendor = "apple",
            target_os = "freebsd"
        ))
    ),
    path = "portable.rs"
)]
#[cfg_attr(all(windows, not(longshore_portable)), path = "windows.rs")]
#[cfg_attr(all(target_vendor = "apple", not(longshore_portable)), path = "apple.rs")]
#[cfg_attr(all(target_os = "freebsd", not(longshore_portable)), path = "freebsd.rs")]
#[cfg_attr(all(any(target_os = "linux", target_os = "android"), not(longshore_portable)), path = "linux.rs")]
mod chosen;

pub use chosen::Os;
