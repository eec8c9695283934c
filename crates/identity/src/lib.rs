//! Principals, their policies, and AWS Signature Version 4.
//!
//! A request is *parsed* (is it signed, how, and is the signature well formed?) and then *verified* (does it match
//! the secret, and is it current?). The two are apart because whoever holds the secrets must first learn whose to
//! fetch, and because a server on a loopback address stops after the first for signatures in the header.
//!
//! The rules are those of the IAM User Guide, "Create a signed AWS API request", for every service but S3, which
//! encodes paths once, signs payloads in chunks and words its errors differently.
//!
//! A [`Principal`] is who has signed; [`Sessions`] makes and recognises the credentials of role sessions.
//!
//! Nothing here does I/O or reads a clock.

mod canonical;
mod credential;
mod date;
mod error;
/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod header_names;
mod parse;
pub mod policy;
mod principal;
mod session;
mod sign;
mod signature;
mod terms;
mod verify;

pub use credential::{Credential, Credentials, account_of};
pub use error::AuthError;
pub use header_names::HeaderNames;
pub use parse::{Signed, SignedHeader, SignedQuery, parse};
pub use principal::{Principal, RoleSession};
pub use session::{OpenedSession, Sessions};
pub use sign::{SignError, sign};
pub use terms::{SessionTag, SessionTerms, no_terms};
pub use verify::{Payload, verify};
