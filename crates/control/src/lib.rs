//! The Lambda API, a file per operation.
