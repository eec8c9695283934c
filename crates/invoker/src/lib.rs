//! Pools, admission and synchronous invoke.
