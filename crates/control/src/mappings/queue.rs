//! What is asked of a queue before its mapping is taken (Developer Guide, "Creating and configuring an Amazon SQS event
//! source mapping"): that it is there, that the function's role may poll it, and that it hides its messages for long enough.

use lambent_model::{Arn, AwsCall, AwsCallError, AwsCaller, AwsRequest};
use lambent_wire::Error;
use serde_json::Value;

use super::MappedFunction;
use crate::refuse;
use crate::refuse::invalid;

/// What a role needs ("Configuring execution role permissions").
const ACTIONS: [&str; 3] = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];

/// Refuses a queue that could not be polled for this function, in AWS's words.
pub(crate) async fn check(calls: &dyn AwsCall, arn: &str, function: &MappedFunction) -> Result<(), Error> {
    if let Some(reason) = calls.not_reachable(arn) {
        return Err(invalid(format!("The event source cannot be reached: {reason}")));
    }
    let caller = AwsCaller::Role {
        account: function.arn.scope.account.clone(),
        role: function.role.clone(),
        session: function.arn.name.clone(),
    };
    for action in ACTIONS {
        if let Err(error) = calls.allowed(&caller, &format!("sqs:{action}"), arn).await {
            return Err(if error.is_refusal() { no_permission(action) } else { refuse::call(&error) });
        }
    }
    let seconds = visibility(calls, arn, caller).await?;
    if seconds < u64::from(function.timeout_s) {
        return Err(invalid(format!(
            "Queue visibility timeout: {seconds} seconds is less than Function timeout: {} seconds",
            function.timeout_s
        )));
    }
    Ok(())
}

fn no_permission(action: &str) -> Error {
    invalid(format!("The function execution role does not have permissions to call {action} on SQS"))
}

async fn visibility(calls: &dyn AwsCall, arn: &str, caller: AwsCaller) -> Result<u64, Error> {
    let scope =
        Arn::parse(arn).and_then(|arn| arn.scope()).ok_or_else(|| invalid("Unrecognized event source."))?;
    let request = AwsRequest {
        service: "sqs".into(),
        operation: "GetQueueAttributes".into(),
        scope,
        caller,
        resource: Some(arn.to_owned()),
        trace_id: None,
        input: r#"{"AttributeNames":["VisibilityTimeout"]}"#.into(),
        payload: None,
    };
    let answer = calls.call(request).await.map_err(|error| refused(&error))?;
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let text = body.as_ref().and_then(|body| body.get("Attributes")?.get("VisibilityTimeout")?.as_str());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        invalid("Error occurred while GetQueueAttributes. The queue does not say its VisibilityTimeout.")
    })
}

fn refused(error: &AwsCallError) -> Error {
    match error {
        // AWS finds out by receiving.
        AwsCallError::Service { code, .. }
            if code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist") =>
        {
            invalid(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
                 Message: The specified queue does not exist.",
            )
        }
        AwsCallError::Service { code, .. } if code.contains("AccessDenied") => {
            no_permission("GetQueueAttributes")
        }
        AwsCallError::Service { code, message, .. } => invalid(format!(
            "Error occurred while GetQueueAttributes. SQS Error Code: {code}. SQS Error Message: {message}"
        )),
        other => invalid(format!("Error occurred while GetQueueAttributes: {other}")),
    }
}
