//! Who is told of an event: deliveries that are committed together with what they tell of, so that an object that is
//! there has been told of, or will be.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use lambent_fabric::deliveries::{Delivery, Retry, Source, What};
use lambent_identity::Principal;
use lambent_model::{Arn, AwsCaller, AwsRequest, Scope, Timestamp};
use lambent_store::Write;
use s3s::S3Result;
use serde_json::json;

use crate::asker::Asker;
use crate::engine::Engine;
use crate::event::{Cause, Event};
use crate::parsed::Told;
use crate::records::Bucket;
use crate::wishes::{Destination, Wish};

/// The name of the configuration among a bucket's.
pub(crate) const NOTIFICATION: &str = "notification";
/// How long a destination that does not answer is tried. S3 does not document its own.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// As which S3 calls.
const NAME: &str = "s3.amazonaws.com";

/// Whom S3 calls as on behalf of a bucket.
pub(crate) fn caller(bucket: &Bucket) -> AwsCaller {
    AwsCaller::Service { account: bucket.account.clone(), name: NAME.to_owned(), source: arn(bucket) }
}

fn arn(bucket: &Bucket) -> String {
    format!("arn:aws:s3:::{}", bucket.name)
}

/// A delivery of a bucket.
fn delivery(bucket: &Bucket, id: &str, at: Timestamp, lane: String, call: AwsRequest) -> Write {
    let delivery = Delivery {
        lane,
        source: Source::Resource { arn: arn(bucket), id: id.to_owned() },
        what: What::Call(call),
        due: at,
        until: at.plus(PATIENCE),
        // What is gone, or does not want it any more, was checked when it was configured.
        retry: Retry { refusal_ends: true, ..Retry::patient() },
        dead_letter: None,
    };
    delivery.enqueue()
}

/// The message for one destination.
pub(crate) fn to(
    bucket: &Bucket,
    wish: &Wish,
    text: String,
    id: &str,
    at: Timestamp,
    trace_id: Option<String>,
) -> Write {
    let own = || Scope { account: bucket.account.clone(), region: bucket.region.clone() };
    let scope = Arn::parse(&wish.arn).and_then(|arn| arn.scope()).unwrap_or_else(own);
    let (operation, input, payload) = match wish.destination {
        Destination::Function => {
            let input = json!({ "FunctionName": wish.arn, "InvocationType": "Event" });
            ("Invoke", input, Some(Bytes::from(text)))
        }
        Destination::Queue => ("SendMessage", json!({ "MessageBody": text }), None),
        Destination::Topic => {
            let input = json!({ "TopicArn": wish.arn, "Message": text, "Subject": "Amazon S3 Notification" });
            ("Publish", input, None)
        }
    };
    let call = AwsRequest {
        service: Cow::Borrowed(wish.destination.service().0),
        operation: Cow::Borrowed(operation),
        scope,
        caller: caller(bucket),
        resource: Some(wish.arn.clone()),
        trace_id,
        input: input.to_string(),
        payload,
    };
    delivery(bucket, id, at, wish.arn.clone(), call)
}

/// The event that says that a destination has been configured (User Guide, "Event message structure").
pub(crate) fn test(bucket: &Bucket, wish: &Wish, request_id: &str, at: Timestamp) -> Write {
    let text = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": at.to_string(),
        "Bucket": bucket.name,
        "RequestId": request_id,
        "HostId": request_id,
    });
    to(bucket, wish, text.to_string(), request_id, at, None)
}

impl Engine {
    /// The writes that deliver an event to everybody who wants it.
    pub(crate) fn notices(&self, event: &Event, asker: &Asker) -> S3Result<Vec<Write>> {
        if event.bucket.notifications()?.is_empty() {
            return Ok(Vec::new());
        }
        let principal = match &asker.principal {
            Some(Principal::AssumedRole(session)) => format!("AWS:{}:{}", session.role, session.name),
            Some(other) => format!("AWS:{}", other.account()),
            None => "Anonymous".to_owned(),
        };
        let address = asker.address.map_or_else(|| NAME.to_owned(), |address| address.to_string());
        let requester = asker.account().map_or("", |account| account.as_str());
        let cause =
            Cause { principal: &principal, requester, address: &address, request_id: &asker.request_id };
        tell(event, &cause, asker.trace_id.as_ref())
    }

    /// The same of what no request has asked for.
    pub(crate) fn notices_of_lifecycle(&self, event: &Event) -> S3Result<Vec<Write>> {
        let id = self.files.id();
        tell(event, &Cause { principal: NAME, requester: NAME, address: NAME, request_id: &id }, None)
    }
}

fn tell(event: &Event, cause: &Cause<'_>, trace_id: Option<&String>) -> S3Result<Vec<Write>> {
    let Told { wishes, bus } = event.bucket.notifications()?;
    let mut writes = Vec::new();
    for wish in wishes.iter().filter(|wish| wish.wants(event.kind, &event.key)) {
        let text = event.message(&wish.id, cause).to_string();
        writes.push(to(&event.bucket, wish, text, cause.request_id, event.at, trace_id.cloned()));
    }
    if *bus {
        writes.push(to_bus(event, cause, trace_id));
    }
    Ok(writes)
}

/// Services put their events on the default bus of the account without being asked (EventBridge User Guide, "Events
/// from AWS services"): that bus lets them.
fn to_bus(event: &Event, cause: &Cause<'_>, trace_id: Option<&String>) -> Write {
    let bucket = &event.bucket;
    let bus = format!("arn:aws:events:{}:{}:event-bus/default", bucket.region, bucket.account);
    let call = AwsRequest {
        service: Cow::Borrowed("events"),
        operation: Cow::Borrowed("PutEvents"),
        scope: Scope { account: bucket.account.clone(), region: bucket.region.clone() },
        caller: caller(bucket),
        resource: Some(bus.clone()),
        trace_id: trace_id.cloned(),
        input: json!({ "Entries": [event.entry(cause)] }).to_string(),
        payload: None,
    };
    delivery(bucket, cause.request_id, event.at, bus, call)
}
