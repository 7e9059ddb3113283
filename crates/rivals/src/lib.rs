//! What longshore is measured by, for the paired runner and for the benches: competitors behind small traits
//! ([`pools`]), workloads ([`rows`]), and the ledger that checks every run ([`ledger`]).

pub mod counted;
pub mod counting;
pub mod fork;
pub mod kernels;
pub mod ledger;
pub mod loops;
pub mod outcome;
pub mod pools;
pub mod process;
pub mod rows;
pub mod work;
