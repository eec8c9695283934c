//! Refusals and failures of the parts below, as AWS's errors.

use lambent_lambda::Refusal;
use lambent_model::{AwsCallError, InvokeError, RestoreFault};
use lambent_store::{CodeError, Error as StoreError};
use lambent_wire::{Error, common, lambda};

/// `InvalidParameterValueException`.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    lambda::error::invalid_parameter_value_exception(message)
}

/// The answer for a function or version that does not exist.
pub(crate) fn not_found(arn: impl std::fmt::Display) -> Error {
    lambda::error::resource_not_found_exception(format!("Function not found: {arn}"))
}

pub(crate) fn refusal(refusal: &Refusal) -> Error {
    let text = refusal.to_string();
    match refusal {
        Refusal::InvalidParameter(_) | Refusal::Unsupported(_) => invalid(text),
        Refusal::Conflict(_) => lambda::error::resource_conflict_exception(text),
        Refusal::PolicyLength(_) => lambda::error::policy_length_exceeded_exception(text),
        Refusal::NotFound(_) => lambda::error::resource_not_found_exception(text),
        Refusal::PreconditionFailed(_) => lambda::error::precondition_failed_exception(text),
    }
}

/// A failure of the store: the server's fault, worded for its operator.
pub(crate) fn store(error: &StoreError) -> Error {
    lambda::error::service_exception(error.to_string())
}

/// A call that failed without anybody having said no.
pub(crate) fn call(error: &AwsCallError) -> Error {
    lambda::error::service_exception(error.to_string())
}

pub(crate) fn code(error: &CodeError) -> Error {
    match error {
        CodeError::NotAZip { .. } | CodeError::TooLarge { .. } => invalid(error.to_string()),
        _ => lambda::error::service_exception(error.to_string()),
    }
}

/// A version that could not go on from its snapshot.
pub(crate) fn restore(fault: RestoreFault) -> Error {
    let text = fault.to_string();
    match fault {
        RestoreFault::Hook => lambda::error::snap_start_exception(text),
        RestoreFault::TimedOut => lambda::error::snap_start_timeout_exception(text),
    }
}

pub(crate) fn invoke(error: &InvokeError, qualified_arn: &str) -> Error {
    match error {
        InvokeError::NotFound => not_found(qualified_arn),
        InvokeError::NotReady { state } => lambda::error::resource_conflict_exception(format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state}"
        )),
        InvokeError::Throttled { reason } => lambda::error::too_many_requests_exception("Rate Exceeded.")
            .with_reason(*reason)
            .with_retry_after_seconds(1),
        // In AWS's words of the first ("Streamlined multi-tenant application development with tenant isolation mode in
        // AWS Lambda"); those of the second are not published.
        InvokeError::Tenant { isolated: true } => invalid(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try \
             again.",
        ),
        InvokeError::Tenant { isolated: false } => invalid(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and \
             try again.",
        ),
        InvokeError::Recursive(_) => lambda::error::recursive_invocation_exception(
            "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources \
             and stopped your function's invocation.",
        ),
        InvokeError::ShuttingDown => common::service_unavailable("the server is shutting down, try again"),
    }
}
