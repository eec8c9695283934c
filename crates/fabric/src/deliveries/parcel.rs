//! A delivery as it lies in its queue.

use bytes::Bytes;
use lambent_model::{FunctionArn, Qualifier, RequestId, Scope, Target, Timestamp};
use lambent_store::Write;
use serde::{Deserialize, Serialize};

use super::PREFIX;

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The record of an event that was processed.
    Success,
    /// The record of one that was given up.
    Failure,
    /// The event itself, which was given up.
    DeadLetter {
        /// `ErrorCode`: the HTTP status that a caller would have had.
        code: u16,
        /// `ErrorMessage`.
        message: String,
    },
}

/// All that is needed to send it, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What is delivered.
    pub kind: Kind,
    /// The ARN of where it goes.
    pub destination: String,
    /// What was invoked, as its caller named it.
    pub target: Target,
    /// The function's execution role.
    pub role: String,
    /// The id of the invocation.
    pub request_id: RequestId,
    /// What the object in a bucket is named by: the same in every attempt, which so makes no second one.
    pub id: RequestId,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: String,
    /// When the event ended.
    pub ended: Timestamp,
    /// Until when it is tried.
    pub until: Timestamp,
    /// The record, or the event.
    pub payload: Bytes,
}

/// The first line of a body; the payload follows as it came.
#[derive(Serialize, Deserialize)]
struct Header {
    kind: Kind,
    destination: String,
    account: String,
    region: String,
    function: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    role: String,
    request_id: String,
    id: String,
    trace_id: String,
    ended: Timestamp,
    until: Timestamp,
}

/// What is noted beside a delivery between its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Attempts that failed.
    pub(super) failed: u32,
}

impl Parcel {
    /// The write that puts it into its destination's queue, due at once.
    #[must_use]
    pub fn enqueue(&self) -> Write {
        let FunctionArn { scope, name } = &self.target.function;
        let header = Header {
            kind: self.kind.clone(),
            destination: self.destination.clone(),
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            function: name.clone(),
            qualifier: self.target.qualifier.as_ref().map(ToString::to_string),
            role: self.role.clone(),
            request_id: self.request_id.to_string(),
            id: self.id.to_string(),
            trace_id: self.trace_id.clone(),
            ended: self.ended,
            until: self.until,
        };
        let mut body = serde_json::to_vec(&header).expect("strings and numbers always have a JSON form");
        body.push(b'\n');
        body.extend_from_slice(&self.payload);
        let queue = format!("{PREFIX}{}", self.destination);
        Write::Enqueue { queue, due: self.ended, state: State::default().encode(), body }
    }

    /// The delivery of a message's body; `None` for what is none, which only a defect or a newer server writes.
    #[must_use]
    pub fn decode(body: Vec<u8>) -> Option<Self> {
        let end = body.iter().position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&body[..end]).ok()?;
        let scope = Scope { account: header.account.parse().ok()?, region: header.region.parse().ok()? };
        let qualifier = header.qualifier.as_deref().map(Qualifier::parse);
        let function = FunctionArn { scope, name: header.function };
        Some(Self {
            kind: header.kind,
            destination: header.destination,
            target: Target { function, qualifier },
            role: header.role,
            request_id: header.request_id.parse().ok()?,
            id: header.id.parse().ok()?,
            trace_id: header.trace_id,
            ended: header.ended,
            until: header.until,
            payload: Bytes::from(body).slice(end + 1..),
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
