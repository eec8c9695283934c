//! The rules of functions: what a valid one is, how it changes, which states it passes through.
//!
//! Pure. Requests arrive as [`Settings`] and [`Change`] (the API layer translates), refusals leave as [`Refusal`] (the
//! API layer gives them AWS's error codes). Clock and ids come in as arguments.

mod alias;
mod environment;
mod function;
pub mod limits;
mod policy;
mod publish;
mod refusal;
mod settings;
mod tags;

pub use alias::{Alias, Pointed, Routing};
pub use environment::check_variables;
pub use function::{Code, Function, LastUpdate, Stamp, State};
pub use policy::{Access, AddStatement, Policy, Statement, Who};
pub use publish::Publication;
pub use refusal::Refusal;
pub use settings::{Architecture, Change, LogFormat, Logging, Settings};
pub use tags::{merge_tags, remove_tags};
