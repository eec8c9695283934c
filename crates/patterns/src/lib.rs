//! Event patterns (Amazon EventBridge User Guide, "Creating event patterns").
//!
//! A pattern is a JSON object of the event's shape whose leaves are lists of what may be there: all members have to be
//! met, and of each list one entry. Rules of event buses, filters of event source mappings and filter policies of
//! subscriptions are written in it, each in a [`Dialect`] of its own.
//!
//! ```
//! use lambent_patterns::{Dialect, Event, Pattern};
//!
//! let pattern = Pattern::parse(r#"{"detail": {"state": [{"prefix": "run"}]}}"#, Dialect::Rule)?;
//! assert!(pattern.matches(&Event::parse(r#"{"detail": {"state": "running"}}"#)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pure: no I/O, no clock. [`Index`] is for many patterns at once.

mod cidr;
mod event;
mod index;
mod numeric;
mod operator;
mod pattern;
mod wildcard;

pub use event::{Event, NotAnEvent};
pub use index::Index;
pub use pattern::{Dialect, InvalidPattern, Pattern};
