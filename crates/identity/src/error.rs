//! Why a request was not let in, with AWS's codes, statuses and words.

use http::StatusCode;

/// A request that is not, or not rightly, signed. Its text is the message that AWS sends.
///
/// Codes differ by protocol: those that speak JSON say `InvalidSignatureException` where those of the query
/// protocol say `SignatureDoesNotMatch` (the "Common Error Types" page of each service's API Reference).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    /// The request carries no signature where one is needed.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// Nobody knows the access key or the session token.
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    /// The session that the credentials belong to has ended.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// A part of the signature is missing, repeated or malformed.
    #[error("{0}")]
    IncompleteSignature(String),
    /// All parts are there and readable, but together they cannot be a valid signature of this request.
    #[error("{0}")]
    InvalidSignature(String),
    /// The signature was made with another secret or over another request.
    ///
    /// The message shows what should have been signed, as AWS does: it holds nothing that the caller did not send.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for \
         this request should have been\n'{canonical_request}'\n\nThe String-to-Sign should have been\n\
         '{string_to_sign}'\n"
    )]
    SignatureDoesNotMatch {
        /// The canonical request as it arrived.
        canonical_request: String,
        /// The text that the signature should cover.
        string_to_sign: String,
    },
    /// The signature is too old, or dated in the future.
    #[error("{0}")]
    RequestExpired(String),
}

impl AuthError {
    /// The error code in the JSON protocols (rest-json, json 1.0, json 1.1, rpc-v2-cbor).
    #[must_use]
    pub fn json_code(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignature",
            Self::InvalidSignature(_) | Self::SignatureDoesNotMatch { .. } => "InvalidSignatureException",
            Self::RequestExpired(_) => "RequestExpired",
        }
    }

    /// The error code in the query protocol.
    #[must_use]
    pub fn query_code(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationToken",
            Self::UnrecognizedClient => "InvalidClientTokenId",
            Self::ExpiredToken => "ExpiredToken",
            Self::IncompleteSignature(_) => "IncompleteSignature",
            Self::InvalidSignature(_) | Self::SignatureDoesNotMatch { .. } => "SignatureDoesNotMatch",
            Self::RequestExpired(_) => "RequestExpired",
        }
    }

    /// The HTTP status (AWS Lambda API Reference, "Common Error Types").
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::RequestExpired(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
