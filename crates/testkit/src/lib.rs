//! What tests of several packages share. No part of any program.

mod campaign;
mod mutate;

pub use campaign::campaign;
