//! The errors of services that have moved from the query protocol to JSON and keep the old names for those who know them
//! (Smithy: "awsQueryCompatible trait"). Amazon SQS is the one.

use http::{HeaderValue, StatusCode};

use crate::error::Error;
use crate::xml;

/// Name in the model, name in the query protocol, and its status there where that is not the model's (the trait
/// `awsQueryError` of Amazon SQS's shapes; Amazon SQS API Reference: the operations' errors).
const CODES: [(&str, &str, u16); 23] = [
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400),
    ("InvalidAddress", "InvalidAddress", 404),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400),
    ("InvalidParameterValueException", "InvalidParameterValue", 400),
    ("InvalidSecurity", "InvalidSecurity", 403),
    ("KmsAccessDenied", "KMS.AccessDeniedException", 400),
    ("KmsDisabled", "KMS.DisabledException", 400),
    ("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400),
    ("KmsInvalidState", "KMS.InvalidStateException", 400),
    ("KmsNotFound", "KMS.NotFoundException", 400),
    ("KmsOptInRequired", "KMS.OptInRequired", 403),
    ("KmsThrottled", "KMS.ThrottlingException", 400),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400),
    ("MissingRequiredParameterException", "MissingParameter", 400),
    ("OverLimit", "OverLimit", 403),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
    ("QueueNameExists", "QueueAlreadyExists", 400),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400),
];

/// Code and status in the query protocol; without a status it is the error's own.
pub(crate) fn code(error: &Error) -> (&'static str, Option<StatusCode>) {
    match CODES.iter().find(|(name, ..)| *name == error.code) {
        Some((_, code, status)) => {
            (code, Some(StatusCode::from_u16(*status).expect("the table holds valid status codes")))
        }
        None => (xml::code(error.code), None),
    }
}

/// `AWS.SimpleQueueService.NonExistentQueue;Sender`, beside an error in JSON.
pub(crate) fn header(error: &Error, code: &str) -> HeaderValue {
    let fault = if error.is_server_fault() { "Receiver" } else { "Sender" };
    HeaderValue::from_str(&format!("{code};{fault}")).expect("codes are ASCII")
}

/// `__type` in JSON: the shape with its namespace, which is another one for those that no model has.
pub(crate) fn qualified(error: &Error) -> String {
    match error.code {
        "InvalidParameterValueException" | "MissingRequiredParameterException" => {
            format!("com.amazon.coral.service#{}", error.code)
        }
        code => format!("com.amazonaws.sqs#{code}"),
    }
}
