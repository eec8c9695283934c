//! Packages that lie in S3.

use std::pin::Pin;

use bytes::Bytes;
use lambent_model::AccountId;

/// Where a package lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The account in whose name it is read.
    pub account: AccountId,
    /// `S3Bucket`.
    pub bucket: String,
    /// `S3Key`.
    pub key: String,
    /// `S3ObjectVersion`.
    pub version: Option<String>,
    /// The region of the function, in which the bucket has to be.
    pub region: lambent_model::Region,
    /// The largest that may be read.
    pub largest: u64,
}

/// Why it was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadObjectError {
    /// S3 refused, with its code and its text.
    Refused {
        /// `NoSuchKey`.
        code: String,
        /// S3's text.
        message: String,
    },
    /// It is larger than what may be read.
    TooLarge,
}

/// The future of [`ReadObject::read`].
pub type ReadObjectFuture = Pin<Box<dyn Future<Output = Result<Bytes, ReadObjectError>> + Send>>;

/// Reads packages.
pub trait ReadObject: Send + Sync {
    /// The object as a whole.
    fn read(&self, name: ObjectName) -> ReadObjectFuture;
}
