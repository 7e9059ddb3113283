//! Nothing but tests, in `tests/`: the library together with other crates.
