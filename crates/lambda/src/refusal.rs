//! Why a request is refused, in AWS's words where they are known.

/// A refusal; the API layer turns each into the exception named in its comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `InvalidParameterValueException`.
    #[error("{0}")]
    InvalidParameter(String),
    /// `ResourceConflictException`.
    #[error("{0}")]
    Conflict(String),
    /// `PreconditionFailedException`.
    #[error("{0}")]
    PreconditionFailed(String),
    /// `PolicyLengthExceededException`.
    #[error("{0}")]
    PolicyLength(String),
    /// `ResourceNotFoundException`.
    #[error("{0}")]
    NotFound(String),
    /// `InvalidParameterValueException` too, but for what AWS has and we do not yet: never accepted and ignored.
    #[error("lambent does not support {0} yet; see docs/compatibility.md")]
    Unsupported(&'static str),
}

impl Refusal {
    /// A revision that is not the latest; `api` is what tells the latest.
    #[must_use]
    pub fn stale_revision(api: &str) -> Self {
        Self::PreconditionFailed(format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {api} API to retrieve the \
             latest Revision Id"
        ))
    }

    /// A broken constraint of one member, in the wording of AWS's validation.
    #[must_use]
    pub fn constraint(value: impl std::fmt::Display, path: &str, constraint: &str) -> Self {
        Self::InvalidParameter(format!(
            "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// A number above the service's limit.
    #[must_use]
    pub fn too_large(value: u32, path: &str, limit: u32) -> Self {
        Self::constraint(value, path, &format!("Member must have value less than or equal to {limit}"))
    }
}
