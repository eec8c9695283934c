//! A delivery as it lies in its queue.

use std::borrow::Cow;

use bytes::Bytes;
use lambent_model::{
    AwsCaller, AwsRequest, FunctionArn, HttpPost, Qualifier, RequestId, Scope, Target, Timestamp,
};
use lambent_store::Write;
use serde::{Deserialize, Serialize};

use super::{POSTS, PREFIX, Retry};

/// Something to send, with all that is needed also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What it waits behind: deliveries of one lane share a few attempts at a time. Mostly the ARN of where it goes.
    pub lane: String,
    /// Whose it is.
    pub source: Source,
    /// What is sent.
    pub what: What,
    /// When it may first be sent.
    pub due: Timestamp,
    /// Until when it is tried.
    pub until: Timestamp,
    /// How often and when.
    pub retry: Retry,
    /// What follows when it is given up.
    pub dead_letter: Option<DeadLetter>,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A call of an AWS service.
    Call(AwsRequest),
    /// A post to an address.
    Post(HttpPost),
}

/// Whose delivery it is: for counters and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// What follows from an event of a function.
    Event {
        /// What was invoked, as its caller named it.
        target: Target,
        /// The id of the invocation.
        request_id: RequestId,
        /// Whether it is the event itself, which was given up, and not the record of it.
        is_dead_letter: bool,
    },
    /// What a resource sends: a subscription, a rule, a schedule, a bucket.
    Resource {
        /// Its ARN.
        arn: String,
        /// The message or event, as its sender knows it.
        id: String,
    },
}

/// A message for a queue in place of what could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The queue's ARN.
    pub queue: String,
    /// In whose name it is sent.
    pub caller: AwsCaller,
    /// The input of `SendMessage`, a JSON object.
    pub input: String,
    /// Whether attributes are added that say why: `ERROR_CODE`, `ERROR_MESSAGE`, `EXHAUSTED_RETRY_CONDITION`,
    /// `RETRY_ATTEMPTS` (Amazon EventBridge User Guide, "Using dead-letter queues to process undelivered events").
    pub explains: bool,
}

/// The first line of a body. Of a call the second is its input; what follows is payload or body as it came.
#[derive(Serialize, Deserialize)]
struct Header {
    from: From,
    until: Timestamp,
    retry: Retry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetter>,
    to: To,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum From {
    Event {
        scope: Scope,
        function: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        qualifier: Option<String>,
        request_id: String,
        dead_letter: bool,
    },
    Resource {
        arn: String,
        id: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum To {
    Call {
        service: String,
        operation: String,
        scope: Scope,
        caller: AwsCaller,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace_id: Option<String>,
        /// Whether the rest is a payload, which may be empty.
        payload: bool,
    },
    Post {
        url: String,
        headers: Vec<(String, String)>,
    },
}

/// What is noted beside a delivery between its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Attempts that failed.
    pub(super) failed: u32,
}

impl Delivery {
    /// The write that puts it into its lane.
    #[must_use]
    pub fn enqueue(&self) -> Write {
        let (to, input, rest) = match &self.what {
            What::Call(call) => {
                let to = To::Call {
                    service: call.service.to_string(),
                    operation: call.operation.to_string(),
                    scope: call.scope.clone(),
                    caller: call.caller.clone(),
                    resource: call.resource.clone(),
                    trace_id: call.trace_id.clone(),
                    payload: call.payload.is_some(),
                };
                (to, Some(&call.input), call.payload.as_ref())
            }
            What::Post(post) => {
                let to = To::Post { url: post.url.clone(), headers: post.headers.clone() };
                (to, None, Some(&post.body))
            }
        };
        let header = Header {
            from: From::of(&self.source),
            until: self.until,
            retry: self.retry.clone(),
            dead_letter: self.dead_letter.clone(),
            to,
        };
        let mut body = serde_json::to_vec(&header).expect("strings and numbers always have a JSON form");
        body.push(b'\n');
        if let Some(input) = input {
            // Compact JSON has no line breaks.
            body.extend_from_slice(input.as_bytes());
            body.push(b'\n');
        }
        body.extend_from_slice(rest.map(|rest| &rest[..]).unwrap_or_default());
        let prefix = match self.what {
            What::Call(_) => PREFIX,
            What::Post(_) => POSTS,
        };
        let queue = format!("{prefix}{}", self.lane);
        Write::Enqueue { queue, due: self.due, state: State::default().encode(), body }
    }

    /// The delivery of a message; `None` for what is none, which only a defect or a newer server writes.
    #[must_use]
    pub fn decode(queue: &str, due: Timestamp, body: Vec<u8>) -> Option<Self> {
        let lane = queue.strip_prefix(PREFIX).or_else(|| queue.strip_prefix(POSTS))?.to_owned();
        let mut rest = Bytes::from(body);
        let header: Header = serde_json::from_slice(&line(&mut rest)?).ok()?;
        let what = match header.to {
            To::Call { service, operation, scope, caller, resource, trace_id, payload } => {
                let input = String::from_utf8(line(&mut rest)?.to_vec()).ok()?;
                What::Call(AwsRequest {
                    service: Cow::Owned(service),
                    operation: Cow::Owned(operation),
                    scope,
                    caller,
                    resource,
                    trace_id,
                    input,
                    payload: payload.then_some(rest),
                })
            }
            To::Post { url, headers } => What::Post(HttpPost { url, headers, body: rest }),
        };
        let Header { from, until, retry, dead_letter, .. } = header;
        Some(Self { lane, source: from.source()?, what, due, until, retry, dead_letter })
    }

    /// Where it goes, for logs.
    pub(super) fn destination(&self) -> &str {
        match &self.what {
            What::Call(call) => call.resource.as_deref().unwrap_or(&call.service),
            What::Post(post) => &post.url,
        }
    }
}

/// Takes the first line off.
fn line(rest: &mut Bytes) -> Option<Bytes> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = rest.split_to(end);
    let _line_break = rest.split_to(1);
    Some(line)
}

impl From {
    fn of(source: &Source) -> Self {
        match source {
            Source::Event { target, request_id, is_dead_letter } => Self::Event {
                scope: target.function.scope.clone(),
                function: target.function.name.clone(),
                qualifier: target.qualifier.as_ref().map(ToString::to_string),
                request_id: request_id.to_string(),
                dead_letter: *is_dead_letter,
            },
            Source::Resource { arn, id } => Self::Resource { arn: arn.clone(), id: id.clone() },
        }
    }

    fn source(self) -> Option<Source> {
        Some(match self {
            Self::Event { scope, function, qualifier, request_id, dead_letter } => {
                let function = FunctionArn { scope, name: function };
                let qualifier = qualifier.as_deref().map(Qualifier::parse);
                Source::Event {
                    target: Target { function, qualifier },
                    request_id: request_id.parse().ok()?,
                    is_dead_letter: dead_letter,
                }
            }
            Self::Resource { arn, id } => Source::Resource { arn, id },
        })
    }
}

impl State {
    /// As it is noted.
    pub(super) fn encode(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("numbers always have a JSON form")
    }

    /// As it was noted; `None` for what is none.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::Timestamp;

    use super::*;

    #[test]
    fn a_delivery_comes_out_of_its_lane_as_it_went_in() {
        let scope = Scope { account: "123456789012".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
        let arn = "arn:aws:sns:eu-west-1:123456789012:t".to_owned();
        let caller = AwsCaller::Service {
            account: scope.account.clone(),
            name: "sns.amazonaws.com".into(),
            source: arn.clone(),
        };
        let call = |payload| {
            What::Call(AwsRequest {
                service: "sqs".into(),
                operation: "SendMessage".into(),
                scope: scope.clone(),
                caller: caller.clone(),
                resource: Some("arn:aws:sqs:eu-west-1:123456789012:q".into()),
                trace_id: None,
                input: "{\"MessageBody\":\"a\\nb\"}".into(),
                payload,
            })
        };
        let post = HttpPost {
            url: "http://localhost/".into(),
            headers: vec![("x-a".into(), "b".into())],
            body: Bytes::from_static(b"a\nb"),
        };
        let payload = Some(Bytes::from_static(b"\nx\n"));
        for what in [call(None), call(Some(Bytes::new())), call(payload), What::Post(post)] {
            let delivery = Delivery {
                lane: "lane".into(),
                source: Source::Resource { arn: arn.clone(), id: "1".into() },
                what,
                due: Timestamp::from_millis(5),
                until: Timestamp::from_millis(9),
                retry: Retry::patient(),
                dead_letter: Some(DeadLetter {
                    queue: "arn:aws:sqs:eu-west-1:123456789012:dead".into(),
                    caller: caller.clone(),
                    input: "{}".into(),
                    explains: true,
                }),
            };
            let Write::Enqueue { queue, due, body, .. } = delivery.enqueue() else {
                panic!("it is an enqueue")
            };
            let is_post = matches!(delivery.what, What::Post(_));
            assert_eq!(queue, if is_post { "post/lane" } else { "delivery/lane" });
            assert_eq!(Delivery::decode(&queue, due, body), Some(delivery));
        }
        assert_eq!(Delivery::decode("delivery/lane", Timestamp::from_millis(0), b"{}\n".to_vec()), None);
    }
}
