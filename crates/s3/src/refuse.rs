//! Refusals in S3's words (API Reference, "Error responses": list of error codes), and the server's own failures.

use std::io;

use s3s::{S3Error, S3ErrorCode, s3_error};

pub(crate) fn no_such_bucket() -> S3Error {
    s3_error!(NoSuchBucket, "The specified bucket does not exist")
}

pub(crate) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn no_such_version() -> S3Error {
    s3_error!(NoSuchVersion, "The specified version does not exist.")
}

pub(crate) fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

pub(crate) fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

pub(crate) fn access_denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

pub(crate) fn malformed_xml() -> S3Error {
    s3_error!(
        MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}

pub(crate) fn invalid_argument(text: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, text.into())
}

/// What is AWS's and not offered here.
pub(crate) fn not_offered(what: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::NotImplemented,
        format!("lambent does not offer {what}; see docs/compatibility.md"),
    )
}

/// A failure of the store.
pub(crate) fn store(error: lambent_store::Error) -> S3Error {
    let text = error.to_string();
    let code = match error {
        lambent_store::Error::DiskFull { .. } | lambent_store::Error::Closed => {
            S3ErrorCode::ServiceUnavailable
        }
        // Somebody else was faster in a way that no lock keeps away, such as the settling of a delivery.
        lambent_store::Error::Conflict { .. } => S3ErrorCode::OperationAborted,
        _ => S3ErrorCode::InternalError,
    };
    tracing::error!(error = text, "s3 cannot use the store");
    S3Error::with_message(code, text)
}

/// A failure of the disk.
pub(crate) fn disk(error: &io::Error) -> S3Error {
    if error.kind() == io::ErrorKind::StorageFull {
        return s3_error!(
            ServiceUnavailable,
            "the disk that holds the objects is full, free some space and try again"
        );
    }
    tracing::error!(%error, "s3 cannot use its folder");
    S3Error::with_message(S3ErrorCode::InternalError, format!("the object's file cannot be used: {error}"))
}

/// A code that s3s has no name for.
pub(crate) fn custom(code: &str, status: http::StatusCode, text: impl Into<String>) -> S3Error {
    let code = code.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
    let mut error = S3Error::with_message(code, text.into());
    error.set_status_code(status);
    error
}
