//! The calls by which a queue is polled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lambent_model::{AwsCall, AwsCallError, AwsCaller, AwsRequest, Scope, Timestamp};
use serde_json::{Value, json};

use super::message;

/// How old what is known of a queue may become. Its visibility timeout decides how long a batch is tried again, no more.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// A queue's visibility timeout in seconds, unless it has another (SQS API Reference, `CreateQueue`).
const VISIBILITY: u64 = 30;

/// One queue, in the name of one role.
pub(crate) struct Queue {
    calls: Arc<dyn AwsCall>,
    arn: String,
    scope: Scope,
    /// The visibility timeout in seconds, and when it was asked for.
    visibility: Mutex<Option<(u64, Timestamp)>>,
}

impl Queue {
    /// The queue of this ARN; `None` when it is none.
    pub(crate) fn new(calls: Arc<dyn AwsCall>, arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [_, _, "sqs", region, account, _] = parts[..] else { return None };
        let scope = Scope { account: account.parse().ok()?, region: region.parse().ok()? };
        Some(Self { calls, arn: arn.to_owned(), scope, visibility: Mutex::default() })
    }

    /// Its ARN.
    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// Where it is.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn call(
        &self,
        caller: AwsCaller,
        operation: &'static str,
        input: &Value,
    ) -> Result<Bytes, AwsCallError> {
        let request = AwsRequest {
            service: "sqs".into(),
            operation: operation.into(),
            scope: self.scope.clone(),
            caller,
            resource: Some(self.arn.clone()),
            trace_id: None,
            input: input.to_string(),
            payload: None,
        };
        self.calls.call(request).await.map(|answer| answer.body)
    }

    /// For how long a message that was received is shown to nobody else.
    pub(crate) async fn visibility(&self, caller: AwsCaller, now: Timestamp) -> Duration {
        let known = *self.visibility.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seconds, at)) = known
            && now < at.plus(KNOWN_FOR)
        {
            return Duration::from_secs(seconds);
        }
        let input = json!({"AttributeNames": ["VisibilityTimeout"]});
        let answer = self.call(caller, "GetQueueAttributes", &input).await;
        let seconds = match answer.as_ref().map(|answer| message::visibility(answer)) {
            Ok(Some(seconds)) => seconds,
            failed => {
                // What was received is not given up for it: until the next time it is as before.
                let seconds = known.map_or(VISIBILITY, |(seconds, _)| seconds);
                tracing::warn!(
                    source = self.arn,
                    ?failed,
                    seconds,
                    "a queue does not say its visibility timeout"
                );
                seconds
            }
        };
        *self.visibility.lock().unwrap_or_else(PoisonError::into_inner) = Some((seconds, now));
        Duration::from_secs(seconds)
    }

    /// Up to `most` messages, for the first of which the queue waits.
    pub(crate) async fn receive(
        &self,
        caller: AwsCaller,
        most: usize,
        wait: Duration,
    ) -> Result<Bytes, AwsCallError> {
        // Both names of the same: newer queues know the second alone, older ones the first.
        let input = json!({
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": wait.as_secs(),
            "AttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        self.call(caller, "ReceiveMessage", &input).await
    }

    /// Deletes up to ten messages; the places of those that are still there, and why.
    pub(crate) async fn delete(
        &self,
        caller: AwsCaller,
        handles: &[&str],
    ) -> Result<Vec<(usize, bool, String)>, AwsCallError> {
        let entry =
            |(place, handle): (usize, &&str)| json!({"Id": place.to_string(), "ReceiptHandle": handle});
        let entries: Vec<Value> = handles.iter().enumerate().map(entry).collect();
        let answer = self.call(caller, "DeleteMessageBatch", &json!({"Entries": entries})).await?;
        Ok(message::not_deleted(&answer))
    }
}
