//! Who takes part: the competitors' names, and the macros that expand a generic function for each of them.

/// The names by which competitors are chosen, in the order of the tables. With more names in the brackets,
/// these come after `none`.
macro_rules! names {
    ($($more:literal),*) => {
        &[
            "none",
            $($more,)*
            "push",
            "pull",
            "rayon",
            "chili",
            #[cfg(feature = "forte")]
            "forte",
            "parkring",
            "tokio",
            "threadpool",
            "rusty_pool",
            "affinitypool",
            "executors",
            "channel-bounded",
            "channel-unbounded",
            "channel-mutex",
            "std-thread",
        ]
    };
}

/// The competitors that take part where a row does not say otherwise, in the order of the tables.
pub const NAMES: &[&str] = names!();

/// No pool and no scheduler: as many threads as can run at the same time, each of which does the whole work
/// by itself. What the machine can do.
pub const SIDE_BY_SIDE: &str = "side-by-side";

/// The competitors that take part in the rows whose figure is a share of the ideal: all, and how near to it
/// the machine itself comes.
pub const TO_IDEAL: &[&str] = names!("side-by-side");

/// The competitors that take part in the rows about data that is visited again, a few of them pinned to
/// cores.
pub const LOCAL: &[&str] = &[
    "none",
    "push",
    "push-pinned",
    "push-key",
    "push-home",
    "pull",
    "pull-pinned",
    "rayon",
    "channel-bounded",
];

/// The competitors that take part in the rows about bounded queues, and who they are to be compared with.
pub const BOUNDED: &[&str] =
    &["push", "push-bounded", "pull", "pull-bounded", "channel-bounded", "channel-unbounded"];

/// The competitors that take part in the rows about many workers: a central queue, queues for each, and both.
pub const CENTRAL: &[&str] =
    &["none", "push", "pull", "rayon", "executors", "channel-bounded", "channel-unbounded", "channel-mutex"];

/// The competitors that take part in the row about a burst: pools that can have so many threads, in a fixed
/// number or as needed.
pub const BURST: &[&str] = &[
    "push",
    "push-elastic",
    "push-eager",
    "pull",
    "pull-elastic",
    "rayon",
    "parkring",
    "tokio",
    "threadpool",
    "rusty_pool",
    "rusty_pool-elastic",
    "executors",
    "channel-bounded",
    "channel-unbounded",
    "channel-mutex",
];

/// The competitors that take part in the row about a size that may change.
pub const ELASTIC: &[&str] = &["push", "push-grown", "push-elastic", "pull", "pull-grown", "pull-elastic"];

/// The competitors that take part in the rows about histograms.
pub const HISTOGRAMS: &[&str] =
    &["push", "push-sampled", "push-histograms", "pull", "pull-sampled", "pull-histograms"];

/// The competitors that take part in the row about tasks that say more about themselves.
pub const TICKETS: &[&str] = &["push", "push-priority", "push-token", "pull", "pull-priority", "pull-token"];

/// Whether a competitor is called so.
#[must_use]
pub fn is_known(name: &str) -> bool {
    let lists = [NAMES, TO_IDEAL, LOCAL, BOUNDED, BURST, ELASTIC, HISTOGRAMS, TICKETS, crate::loops::LOOPING];
    lists.iter().any(|names| names.contains(&name))
}

/// Whether a competitor is one of this project's own: one that hangs or dies fails the whole run.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    matches!(name.split('-').next(), Some("push" | "pull"))
}

/// `choosing!(name, R => f::<R>(..), { "name" => type, .. })`: for the competitor of that name among these.
macro_rules! choosing {
    ($name:expr, $R:ident => $body:expr, { $($(#[$condition:meta])* $known:literal => $rival:ty),* $(,)? }) => {{
        use $crate::pools::*;
        match $name {
            $($(#[$condition])* $known => {
                type $R = $rival;
                $body
            })*
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

/// `executing!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name.
macro_rules! executing {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "none" => in_place::InPlace,
            "push" => longshore::Push,
            "pull" => longshore::Pull,
            "rayon" => rayon::Rayon,
            #[cfg(feature = "forte")]
            "forte" => forte::Forte,
            "parkring" => parkring::Parkring,
            "tokio" => tokio::Tokio,
            "threadpool" => threadpool::Threadpool,
            "rusty_pool" => rusty::Rusty,
            "executors" => executors::Executors,
            "channel-bounded" => channel::Bounded,
            "channel-unbounded" => channel::Unbounded,
            "channel-mutex" => mutex::Mutexed,
            "std-thread" => std_thread::StdThread,
        })
    };
}

/// `returning!(name, R => f::<R>(..))`: for the [`Return`](super::Return) competitor of that name.
macro_rules! returning {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "none" => in_place::InPlace,
            "push" => longshore::Push,
            "pull" => longshore::Pull,
            "rayon" => rayon::Rayon,
            #[cfg(feature = "forte")]
            "forte" => forte::Forte,
            "parkring" => parkring::Parkring,
            "tokio" => tokio::Tokio,
            "threadpool" => threadpool::Threadpool,
            "rusty_pool" => rusty::Rusty,
            "affinitypool" => affinity::Affinity,
            "executors" => executors::Executors,
            "channel-bounded" => channel::Bounded,
            "channel-unbounded" => channel::Unbounded,
            "channel-mutex" => mutex::Mutexed,
            "std-thread" => std_thread::StdThread,
        })
    };
}

/// `batching!(name, R => f::<R>(..))`: for the [`Batch`](super::Batch) competitor of that name.
macro_rules! batching {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "none" => in_place::InPlace,
            "push" => longshore::Push,
            "pull" => longshore::Pull,
        })
    };
}

/// `locating!(name, R => f::<R>(..))`: for the [`Partitioned`](super::Partitioned) competitor of that name.
macro_rules! locating {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "none" => in_place::InPlace,
            "push" => longshore::Push,
            "pull" => longshore::Pull,
            "push-pinned" => longshore::Pinned<longshore::Push>,
            "pull-pinned" => longshore::Pinned<longshore::Pull>,
            "push-key" => longshore::Keyed,
            "push-home" => longshore::Unaddressed,
            "rayon" => rayon::Rayon,
            "channel-bounded" => channel::Bounded,
        })
    };
}

/// `bounding!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name among
/// [`BOUNDED`].
macro_rules! bounding {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "push" => longshore::Push,
            "push-bounded" => longshore::Bounded<longshore::Push>,
            "pull" => longshore::Pull,
            "pull-bounded" => longshore::Bounded<longshore::Pull>,
            "channel-bounded" => channel::Bounded,
            "channel-unbounded" => channel::Unbounded,
        })
    };
}

/// `bursting!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name among
/// [`BURST`].
macro_rules! bursting {
    ($name:expr, $R:ident => $body:expr) => {
        match $name {
            "push-elastic" | "push-eager" | "pull-elastic" | "rusty_pool-elastic" => {
                $crate::pools::choosing!($name, $R => $body, {
                    "push-elastic" => optional::Growing<longshore::Push>,
                    "push-eager" => optional::Eager,
                    "pull-elastic" => optional::Growing<longshore::Pull>,
                    "rusty_pool-elastic" => rusty::Growing,
                })
            }
            _ => $crate::pools::executing!($name, $R => $body),
        }
    };
}

/// `opting!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name among
/// [`ELASTIC`], [`HISTOGRAMS`] and [`TICKETS`].
macro_rules! opting {
    ($name:expr, $R:ident => $body:expr) => {
        $crate::pools::choosing!($name, $R => $body, {
            "push" => longshore::Push,
            "push-elastic" => optional::Elastic<longshore::Push>,
            "push-grown" => optional::Grown<longshore::Push>,
            "push-sampled" => optional::Sampled<longshore::Push>,
            "push-histograms" => optional::Timed<longshore::Push>,
            "push-priority" => optional::Prioritised<longshore::Push>,
            "push-token" => optional::Tokened<longshore::Push>,
            "pull" => longshore::Pull,
            "pull-elastic" => optional::Elastic<longshore::Pull>,
            "pull-grown" => optional::Grown<longshore::Pull>,
            "pull-sampled" => optional::Sampled<longshore::Pull>,
            "pull-histograms" => optional::Timed<longshore::Pull>,
            "pull-priority" => optional::Prioritised<longshore::Pull>,
            "pull-token" => optional::Tokened<longshore::Pull>,
        })
    };
}

pub(crate) use {batching, bounding, bursting, choosing, executing, locating, opting, returning};
