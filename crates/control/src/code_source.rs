//! Code that does not come with the request: packages in S3, folders of this machine.

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

/// A folder of this machine that code may be run from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFolder {
    /// Its absolute path, in the one form that is kept.
    pub path: String,
    /// What its files add up to.
    pub bytes: u64,
}

/// The future of [`FindFolder::find`]; the error is a text that says what to do.
pub type FindFolderFuture = Pin<Box<dyn Future<Output = Result<FoundFolder, String>> + Send>>;

/// Knows which folders may be run as code.
pub trait FindFolder: Send + Sync {
    /// The folder at a path that somebody named.
    fn find(&self, path: &str) -> FindFolderFuture;
}
