//! Who takes part: the competitors' names, and the macros that expand a generic function for each of them.

/// The names by which competitors are chosen, in the order of the tables.
pub const NAMES: &[&str] = &[
    "none",
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
];

/// Those who take part in the rows about data that is visited again, a few of them pinned to cores.
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

/// Those who take part in the rows about bounded queues, and who they are to be compared with.
pub const BOUNDED: &[&str] =
    &["push", "push-bounded", "pull", "pull-bounded", "channel-bounded", "channel-unbounded"];

/// Those who take part in the rows about many workers: a central queue, queues for each, and both.
pub const CENTRAL: &[&str] =
    &["none", "push", "pull", "rayon", "executors", "channel-bounded", "channel-unbounded", "channel-mutex"];

/// Whether a competitor is called so.
#[must_use]
pub fn is_known(name: &str) -> bool {
    [NAMES, LOCAL, BOUNDED].iter().any(|names| names.contains(&name))
}

/// Competitors that are this project's own: one that hangs or dies fails the whole run.
pub const OURS: &[&str] =
    &["push", "pull", "push-pinned", "push-key", "push-home", "pull-pinned", "push-bounded", "pull-bounded"];

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

/// `bounding!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name among [`BOUNDED`].
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

pub(crate) use {batching, bounding, choosing, executing, locating, returning};
