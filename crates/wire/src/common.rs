//! Errors that no model lists and every service has (AWS Lambda API Reference: "Common Errors").
//!
//! Their bodies hold `message` alone.

use crate::error::{Error, ErrorShape, Fault};

const fn shape(code: &'static str, status: u16, fault: Fault) -> ErrorShape {
    ErrorShape { code, status, fault, typed: false, message: "message", extras: &[] }
}

macro_rules! common_errors {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $status:literal, $fault:ident;)+) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name(message: impl Into<String>) -> Error {
                static SHAPE: ErrorShape = shape($code, $status, Fault::$fault);
                Error::new(&SHAPE, message)
            }
        )+
    };
}

common_errors! {
    /// A member breaks a constraint of the model.
    validation_exception = "ValidationException", 400, Client;
    /// A parameter has a value that cannot be, in the words of SQS.
    invalid_parameter_value = "InvalidParameterValueException", 400, Client;
    /// A parameter is not there that has to be, in the words of SQS.
    missing_parameter = "MissingRequiredParameterException", 400, Client;
    /// The request cannot be read: malformed JSON, or a member of the wrong type.
    serialization_exception = "SerializationException", 400, Client;
    /// No operation has this route or target.
    unknown_operation = "UnknownOperationException", 404, Client;
    /// A form of the query protocol names no operation.
    missing_action = "MissingAction", 400, Client;
    /// The operation exists and is not offered.
    not_implemented = "NotImplementedException", 501, Server;
    /// A policy does not allow the call.
    access_denied = "AccessDeniedException", 403, Client;
    /// The request is not signed.
    missing_authentication_token = "MissingAuthenticationTokenException", 403, Client;
    /// The signature lacks a part.
    incomplete_signature = "IncompleteSignature", 403, Client;
    /// The access key or session token is not one of ours.
    unrecognized_client = "UnrecognizedClientException", 403, Client;
    /// The signature is not the one that the request should have.
    invalid_signature = "InvalidSignatureException", 403, Client;
    /// The session token is past its end.
    expired_token = "ExpiredTokenException", 403, Client;
    /// The request's time is more than 15 minutes off.
    request_expired = "RequestExpired", 400, Client;
    /// The body is larger than the operation takes.
    request_entity_too_large = "RequestEntityTooLargeException", 413, Client;
    /// The request is not HTTP as the service expects it.
    malformed_http_request = "MalformedHttpRequestException", 400, Client;
    /// The request took too long to arrive.
    request_timeout = "RequestTimeoutException", 408, Client;
    /// The caller asks too often.
    throttling_exception = "ThrottlingException", 400, Client;
    /// Something failed that the client cannot help.
    internal_failure = "InternalFailure", 500, Server;
    /// The server cannot answer now.
    service_unavailable = "ServiceUnavailable", 503, Server;
}
