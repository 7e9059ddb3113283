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

/// `executing!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name.
macro_rules! executing {
    ($name:expr, $R:ident => $body:expr) => {{
        use $crate::pools::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $R = $rival;
                $body
            }};
        }
        match $name {
            "none" => with!(in_place::InPlace),
            "push" => with!(longshore::Push),
            "pull" => with!(longshore::Pull),
            "rayon" => with!(rayon::Rayon),
            #[cfg(feature = "forte")]
            "forte" => with!(forte::Forte),
            "parkring" => with!(parkring::Parkring),
            "tokio" => with!(tokio::Tokio),
            "threadpool" => with!(threadpool::Threadpool),
            "rusty_pool" => with!(rusty::Rusty),
            "executors" => with!(executors::Executors),
            "channel-bounded" => with!(channel::Bounded),
            "channel-unbounded" => with!(channel::Unbounded),
            "channel-mutex" => with!(mutex::Mutexed),
            "std-thread" => with!(std_thread::StdThread),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

/// `returning!(name, R => f::<R>(..))`: for the [`Return`](super::Return) competitor of that name.
macro_rules! returning {
    ($name:expr, $R:ident => $body:expr) => {{
        use $crate::pools::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $R = $rival;
                $body
            }};
        }
        match $name {
            "none" => with!(in_place::InPlace),
            "push" => with!(longshore::Push),
            "pull" => with!(longshore::Pull),
            "rayon" => with!(rayon::Rayon),
            #[cfg(feature = "forte")]
            "forte" => with!(forte::Forte),
            "parkring" => with!(parkring::Parkring),
            "tokio" => with!(tokio::Tokio),
            "threadpool" => with!(threadpool::Threadpool),
            "rusty_pool" => with!(rusty::Rusty),
            "affinitypool" => with!(affinity::Affinity),
            "executors" => with!(executors::Executors),
            "channel-bounded" => with!(channel::Bounded),
            "channel-unbounded" => with!(channel::Unbounded),
            "channel-mutex" => with!(mutex::Mutexed),
            "std-thread" => with!(std_thread::StdThread),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

/// `batching!(name, R => f::<R>(..))`: for the [`Batch`](super::Batch) competitor of that name.
macro_rules! batching {
    ($name:expr, $R:ident => $body:expr) => {{
        use $crate::pools::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $R = $rival;
                $body
            }};
        }
        match $name {
            "none" => with!(in_place::InPlace),
            "push" => with!(longshore::Push),
            "pull" => with!(longshore::Pull),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

/// `locating!(name, R => f::<R>(..))`: for the [`Partitioned`](super::Partitioned) competitor of that name.
macro_rules! locating {
    ($name:expr, $R:ident => $body:expr) => {{
        use $crate::pools::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $R = $rival;
                $body
            }};
        }
        match $name {
            "none" => with!(in_place::InPlace),
            "push" => with!(longshore::Push),
            "pull" => with!(longshore::Pull),
            "push-pinned" => with!(longshore::Pinned<longshore::Push>),
            "pull-pinned" => with!(longshore::Pinned<longshore::Pull>),
            "push-key" => with!(longshore::Keyed),
            "push-home" => with!(longshore::Unaddressed),
            "rayon" => with!(rayon::Rayon),
            "channel-bounded" => with!(channel::Bounded),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

/// `bounding!(name, R => f::<R>(..))`: for the [`Execute`](super::Execute) competitor of that name among [`BOUNDED`].
macro_rules! bounding {
    ($name:expr, $R:ident => $body:expr) => {{
        use $crate::pools::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $R = $rival;
                $body
            }};
        }
        match $name {
            "push" => with!(longshore::Push),
            "push-bounded" => with!(longshore::Bounded<longshore::Push>),
            "pull" => with!(longshore::Pull),
            "pull-bounded" => with!(longshore::Bounded<longshore::Pull>),
            "channel-bounded" => with!(channel::Bounded),
            "channel-unbounded" => with!(channel::Unbounded),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

pub(crate) use {batching, bounding, executing, locating, returning};
