//! AWS protocols in both directions, with shapes generated from the service models.
//!
//! ```text
//! server: request ─ Service::route(_form) ─▶ Matched ─ decode::<op::X> ─▶ input … output ─ encode::<op::X> ─▶ response
//!                        └───────────────┴── Error ── Service::error_response ─────────────────────▶ response
//! client: input ─ encode_request::<op::X> ─▶ request … response ─ decode_response::<op::X> ─▶ output | ClientError
//! ```
//!
//! A service is a module ([`lambda`], [`logs`], [`sqs`] and their kin) with its `SERVICE`, its shapes, its operations as types in `op` and
//! its errors as functions in `error`; all of it is written by `cargo xtask codegen`. What is written by hand here
//! knows protocols and no service, except for the table in `overrides`. Nothing here does I/O or reads a clock.

mod blob;
mod client;
pub mod common;
mod constraint;
mod decode;
mod encode;
mod error;
pub mod event_stream;
mod form;
/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod generated;
mod large;
mod open_enum;
mod operation;
mod overrides;
mod path;
mod pattern;
mod query_compatible;
#[cfg(test)]
mod roundtrip;
mod route;
mod shape;
mod timestamp;
mod tree;
pub mod untyped;
mod xml;

pub use blob::Blob;
pub use client::{ClientError, decode_response, encode_request};
pub use constraint::violation_message;
pub use encode::encode;
pub use error::{Error, Fault};
pub use generated::{application_autoscaling, events, iam, lambda, logs, scheduler, sns, sqs, sts};
pub use operation::{Call, Dialect, Empty, Operation, Protocol, Service};
pub use route::Matched;
pub use timestamp::{DateTime, EpochSeconds};
