//! Sends deliveries.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{
    AwsCall, AwsCallError, AwsRequest, Clock, Count, Entropy, MetricSink, PostHttp, Region, Scope, Timestamp,
};
use lambent_store::Write;
use lambent_store::queue::Message;
use serde_json::{Value, json};

use super::delivery::State;
use super::trouble::{Failure, Troubles};
use super::{DeadLetter, Delivery, IN_ORDER, POSTS, PREFIX, Retry, Source, What, log_stream, record, retry};
use crate::dispatcher::{Again, AttemptFuture, Courier, Verdict};
use crate::events::{TimeScale, series};
use crate::lanes::Bounds;

/// As many as there are connections to other services; what their bodies may take in memory; and few to a destination
/// of which nobody knows yet whether it answers.
const BOUNDS: Bounds = Bounds { slots: 64, bytes: 64 * 1024 * 1024, first: 4 };

/// The same of posts. Each has a quarter of a minute; few to an address of which nobody knows yet whether it answers, so that it
/// takes many that do not to be in the way of one that does.
const POST_BOUNDS: Bounds = Bounds { slots: 128, bytes: 64 * 1024 * 1024, first: 2 };

/// For how long a dead letter is tried: as long as a queue would keep it at the most (Amazon SQS Developer Guide, "Amazon
/// SQS message quotas").
const DEAD_LETTER_TIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Sends what is in the outbox. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryCourier {
    /// Calls the services.
    pub calls: Arc<dyn AwsCall>,
    /// Posts to addresses.
    pub posts: Arc<dyn PostHttp>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where failures are counted.
    pub metrics: Arc<dyn MetricSink>,
    /// How much longer or shorter waits become.
    pub entropy: Arc<dyn Entropy>,
    /// Where is noted what does not get on.
    pub troubles: Arc<Troubles>,
    /// How fast time goes for waits.
    pub scale: TimeScale,
}

impl Courier for DeliveryCourier {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn is_in_order(&self, queue: &str) -> bool {
        queue.strip_prefix(PREFIX).is_some_and(|lane| lane.starts_with(IN_ORDER))
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        let courier = self.clone();
        Box::pin(async move { courier.deliver(&queue, message).await })
    }
}

/// Sends what of the outbox is for addresses.
#[derive(Clone)]
pub struct PostCourier(pub DeliveryCourier);

impl Courier for PostCourier {
    fn prefix(&self) -> &'static str {
        POSTS
    }

    fn bounds(&self) -> Bounds {
        POST_BOUNDS
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        self.0.attempt(queue, message)
    }
}

/// Why a delivery is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The same call would fail for ever.
    Final,
    /// There is no further attempt.
    Attempts,
    /// The next one would be too late.
    Age,
}

impl DeliveryCourier {
    async fn deliver(&self, queue: &str, message: Message) -> Verdict {
        let id = message.lease.id();
        let state = State::decode(&message.state);
        let delivery = Delivery::decode(queue, message.due, message.body);
        let Some((delivery, State { failed })) = delivery.zip(state) else {
            tracing::error!(message = %id, queue, "a message is no delivery that this version knows; it is dropped");
            return Verdict::Settled(Vec::new());
        };
        let Err(error) = self.send(&delivery.what).await else {
            self.troubles.arrived(queue);
            return Verdict::Settled(Vec::new());
        };
        let now = self.clock.now();
        let again = delivery.retry.wait(failed).map(|wait| now.plus(self.scale.apply(self.jittered(wait))));
        let end = match again {
            _ if error.is_final() => End::Final,
            _ if delivery.retry.refusal_ends && error.is_refusal() => End::Final,
            None => End::Attempts,
            Some(due) if due > delivery.until => End::Age,
            Some(due) => {
                self.note(queue, &delivery, &error, now, Some(due));
                if failed == 0 {
                    let (destination, source) = (delivery.destination(), delivery.source.name());
                    tracing::warn!(destination, source, %error, "a delivery failed and is tried again");
                }
                let state = State { failed: failed + 1 }.encode();
                return Verdict::Later { due, state, why: Again::Failing };
            }
        };
        self.note(queue, &delivery, &error, now, None);
        Verdict::Settled(self.give_up(&delivery, failed, &error, end))
    }

    fn jittered(&self, wait: Duration) -> Duration {
        let mut random = [0; 4];
        self.entropy.fill(&mut random);
        retry::jittered(wait, u32::from_le_bytes(random))
    }

    fn note(
        &self,
        queue: &str,
        delivery: &Delivery,
        error: &AwsCallError,
        at: Timestamp,
        next: Option<Timestamp>,
    ) {
        let (destination, source) = (delivery.destination(), delivery.source.name());
        self.troubles.failed(Failure { queue, destination, source, error: error.to_string(), at, next });
    }

    async fn send(&self, what: &What) -> Result<(), AwsCallError> {
        match what {
            What::Call(call) => {
                let answer = match (&*call.service, &*call.operation) {
                    ("logs", "PutLogEvents") => log_stream::put(&*self.calls, call).await?,
                    _ => self.calls.call(call.clone()).await?,
                };
                match record::failed_entry(&call.operation, &answer.body) {
                    None => Ok(()),
                    Some((code, message)) => Err(AwsCallError::Service { status: 200, code, message }),
                }
            }
            What::Post(post) => match self.posts.post(post.clone()).await? {
                200..=299 => Ok(()),
                status => Err(AwsCallError::Service {
                    status,
                    code: format!("Http{status}"),
                    message: "the endpoint did not take it".to_owned(),
                }),
            },
        }
    }

    /// What follows: the dead letter where there is one. A loss is counted under AWS's name (Developer Guide, "Types of
    /// metrics for Lambda functions"), once for each delivery that never arrives.
    fn give_up(&self, delivery: &Delivery, failed: u32, error: &AwsCallError, end: End) -> Vec<Write> {
        let (destination, source) = (delivery.destination(), delivery.source.name());
        if let Source::Event { target, is_dead_letter, .. } = &delivery.source {
            let count = match is_dead_letter {
                true => Count::DeadLetterErrors,
                false => Count::DestinationDeliveryFailures,
            };
            series(&*self.metrics, target).count(count, 1);
        }
        let (id, attempts) = (delivery.source.id(), failed + 1);
        let Some(letter) = &delivery.dead_letter else {
            tracing::error!(id, source, destination, attempts, %error, "a delivery is given up and lost");
            return Vec::new();
        };
        let queue = &letter.queue;
        tracing::warn!(id, source, destination, attempts, %error, queue, "a delivery is given up: its dead letter is sent");
        vec![self.dead_letter(delivery, letter, failed, error, end).enqueue()]
    }

    fn dead_letter(
        &self,
        delivery: &Delivery,
        letter: &DeadLetter,
        failed: u32,
        error: &AwsCallError,
        end: End,
    ) -> Delivery {
        let now = self.clock.now();
        let (trace_id, region) = match &delivery.what {
            What::Call(call) => (call.trace_id.clone(), call.scope.region.clone()),
            What::Post(_) => (None, Region::default_region()),
        };
        let input =
            if letter.explains { explained(&letter.input, failed, error, end) } else { letter.input.clone() };
        let own = Scope { account: letter.caller.account().clone(), region };
        let scope = record::scope_of(&letter.queue, &own);
        let call = AwsRequest {
            service: "sqs".into(),
            operation: "SendMessage".into(),
            scope,
            caller: letter.caller.clone(),
            resource: Some(letter.queue.clone()),
            trace_id,
            input,
            payload: None,
        };
        // What was in order is so as dead letters, too.
        let lane = match letter.queue.ends_with(".fifo") {
            true => format!("{IN_ORDER}{}", letter.queue),
            false => letter.queue.clone(),
        };
        Delivery {
            lane,
            source: delivery.source.clone(),
            what: What::Call(call),
            due: now,
            until: now.plus(DEAD_LETTER_TIME),
            retry: Retry::patient(),
            dead_letter: None,
        }
    }
}

/// The dead letter with attributes that say why.
fn explained(input: &str, failed: u32, error: &AwsCallError, end: End) -> String {
    let Ok(mut input @ Value::Object(_)) = serde_json::from_str(input) else { return input.to_owned() };
    let attribute = |data_type: &str, value: &str| json!({"DataType": data_type, "StringValue": value});
    let code = match error {
        // Those of rules have words of EventBridge's own.
        error if input["MessageAttributes"]["RULE_ARN"].is_object() => words_of_rules(error),
        AwsCallError::Service { code, .. } => code,
        AwsCallError::NotReachable(_) | AwsCallError::Invalid(_) | AwsCallError::NoAnswer(_) => {
            "SDK_CLIENT_ERROR"
        }
    };
    let message = match error {
        AwsCallError::Service { message, .. } => message.clone(),
        other => other.to_string(),
    };
    let attributes = &mut input["MessageAttributes"];
    attributes["ERROR_CODE"] = attribute("String", code);
    attributes["ERROR_MESSAGE"] = attribute("String", &record::attribute_text(&message));
    attributes["RETRY_ATTEMPTS"] = attribute("Number", &failed.to_string());
    let exhausted = match end {
        End::Final => None,
        End::Attempts => Some("MaximumRetryAttempts"),
        End::Age => Some("MaximumEventAgeInSeconds"),
    };
    if let Some(exhausted) = exhausted {
        attributes["EXHAUSTED_RETRY_CONDITION"] = attribute("String", exhausted);
    }
    input.to_string()
}

/// What EventBridge calls an error (User Guide, "Using dead-letter queues to process undelivered events": "a sample of the
/// error codes"); which of them is which is told by their names alone.
fn words_of_rules(error: &AwsCallError) -> &'static str {
    let (status, code) = match error {
        AwsCallError::Service { status, code, .. } => (*status, code),
        AwsCallError::NoAnswer(_) => return "CONNECTION_FAILURE",
        AwsCallError::NotReachable(_) | AwsCallError::Invalid(_) => return "SDK_CLIENT_ERROR",
    };
    let is = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match status {
        _ if is(&["AccessDenied", "NotAuthorized", "AuthorizationError"]) => "NO_PERMISSIONS",
        _ if is(&["NotFound", "NonExistent", "DoesNotExist"]) => "NO_RESOURCE",
        429 => "THROTTLING",
        _ if is(&["Throttl", "OverLimit", "TooManyRequests"]) => "THROTTLING",
        403 => "NO_PERMISSIONS",
        404 => "NO_RESOURCE",
        400..=499 => "INVALID_PARAMETER",
        _ => "ERROR_FROM_TARGET",
    }
}

impl Source {
    /// The ARN of whose it is.
    fn name(&self) -> String {
        match self {
            Self::Event { target, .. } => target.qualified(),
            Self::Resource { arn, .. } => arn.clone(),
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Event { request_id, .. } => request_id.to_string(),
            Self::Resource { id, .. } => id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_says_why_it_is_one() {
        let refused =
            AwsCallError::Service { status: 403, code: "AccessDenied".into(), message: "no".into() };
        let input =
            r#"{"MessageBody":"x","MessageAttributes":{"RULE_ARN":{"DataType":"String","StringValue":"r"}}}"#;
        let text: Value = serde_json::from_str(&explained(input, 0, &refused, End::Final)).unwrap();
        let value = |text: &Value, name: &str| text["MessageAttributes"][name]["StringValue"].clone();
        assert_eq!(value(&text, "ERROR_CODE"), "NO_PERMISSIONS", "in the words of rules");
        assert_eq!(value(&text, "RETRY_ATTEMPTS"), "0");
        assert_eq!(value(&text, "RULE_ARN"), "r");
        assert_eq!(value(&text, "EXHAUSTED_RETRY_CONDITION"), Value::Null);
        let text: Value = serde_json::from_str(&explained("{}", 0, &refused, End::Final)).unwrap();
        assert_eq!(value(&text, "ERROR_CODE"), "AccessDenied");
        for (status, code, words) in [
            (400, "AWS.SimpleQueueService.NonExistentQueue", "NO_RESOURCE"),
            (404, "NotFound", "NO_RESOURCE"),
            (400, "ThrottlingException", "THROTTLING"),
            (400, "InvalidRequestContentException", "INVALID_PARAMETER"),
            (500, "ServiceException", "ERROR_FROM_TARGET"),
        ] {
            let error = AwsCallError::Service { status, code: code.into(), message: String::new() };
            assert_eq!(words_of_rules(&error), words, "{code}");
        }
        let gone = AwsCallError::NoAnswer("nobody".into());
        let text: Value = serde_json::from_str(&explained("{}", 3, &gone, End::Attempts)).unwrap();
        assert_eq!(value(&text, "EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
        assert_eq!(value(&text, "ERROR_CODE"), "SDK_CLIENT_ERROR");
    }
}
