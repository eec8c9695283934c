//! The `lambent` binary.
fn main() {}
