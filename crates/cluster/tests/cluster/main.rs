//! Batches as their users meet them, on every engine that there is: the one in memory, and each NATS server
//! that `LONGSHORE_NATS_SERVERS` names or that is found (feature `testing`). Without a server the tests say
//! so and pass over.

#[cfg(feature = "testing")]
mod access;
mod batches;
mod engines;
mod faults;
#[cfg(feature = "testing")]
mod late;
#[cfg(feature = "testing")]
mod options;
#[cfg(feature = "testing")]
mod processes;
#[cfg(feature = "testing")]
mod programs;
mod support;
