//! Amazon S3: buckets and objects on this machine's disk.
//!
//! ```text
//! gateway ─▶ service ─▶ s3s (protocol) ─▶ access ─▶ api ─▶ versions ─▶ store   records, small bodies: one commit
//!               │ body                               │ write, read ─▶ files    large bodies, fsynced before the commit
//!            intake: patience, chunks                ╰ notices ─▶ store        who is told, in the same commit
//! ```
//!
//! [`S3`] answers requests whose caller the gateway has made out ([`Asker`]). `service` has the body read as it comes, `api`
//! has the operations, `engine` and `versions` decide in which order things change, `files` keeps bodies, `sweep` removes
//! what a dead server left, `lifecycle` what is over. The rules without I/O are `names`, `hosts`, `cors`, `conditions`, `tags`, `sums`, `event` and `wishes`.

mod access;
mod api;
mod asker;
mod conditions;
mod cors;
mod engine;
mod event;
mod files;
mod guess;
mod hosts;
mod intake;
mod lifecycle;
mod names;
mod notices;
mod parsed;
mod read;
mod recent;
mod records;
mod refuse;
mod service;
mod sums;
mod sweep;
mod tags;
mod versions;
mod walk;
mod whole;
mod wishes;
mod write;

pub use asker::Asker;
pub use conditions::Facts;
pub use s3s::Body;
pub use service::{OpenError, Parts, S3, refused};
pub use whole::ObjectError;
