//! An event as it lies in its queue.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use lambent_model::{FunctionArn, Invocation, Qualifier, RequestId, Target, Timestamp};
use lambent_store::Write;
use serde::{Deserialize, Serialize};

use super::PREFIX;

/// All that is needed to invoke the function, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is invoked, as the caller named it.
    pub target: Target,
    /// The same id in every attempt.
    pub request_id: RequestId,
    /// The event, byte for byte.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: String,
    /// The decoded client context, JSON.
    pub client_context: Option<String>,
    /// For whom, of a function with tenant isolation.
    pub tenant_id: Option<String>,
    /// When it was accepted; its age counts from here.
    pub accepted: Timestamp,
}

/// What is noted beside an event between its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Attempts in which the function failed.
    pub failed: u32,
    /// Attempts in a row that could not be made.
    pub deferred: u32,
    /// The HTTP status that a caller would have had for the last of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<u16>,
}

/// The first line of a body; the payload follows as it came.
#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(borrow)]
    region: Cow<'a, str>,
    #[serde(borrow)]
    function: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qualifier: Option<String>,
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_context: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant_id: Option<Cow<'a, str>>,
    accepted: Timestamp,
}

/// Room for a [`Header`] without a client context, so that a body does not grow in steps.
const HEADER_BYTES: usize = 448;
/// Room for the name of a queue, of a function whose name is not among the longest.
const QUEUE_BYTES: usize = 128;

impl Envelope {
    /// The write that puts it into its queue, due at `due`.
    #[must_use]
    pub fn enqueue(&self, due: Timestamp) -> Write {
        let scope = &self.target.function.scope;
        let header = Header {
            account: scope.account.as_str().into(),
            region: scope.region.as_str().into(),
            function: self.target.function.name.as_str().into(),
            qualifier: self.target.qualifier.as_ref().map(ToString::to_string),
            request_id: self.request_id.to_string().into(),
            trace_id: self.trace_id.as_str().into(),
            client_context: self.client_context.as_deref().map(Cow::from),
            tenant_id: self.tenant_id.as_deref().map(Cow::from),
            accepted: self.accepted,
        };
        let context = self.client_context.as_ref().map_or(0, String::len);
        let mut body = Vec::with_capacity(HEADER_BYTES + context + self.payload.len());
        serde_json::to_writer(&mut body, &header).expect("strings and numbers always have a JSON form");
        body.push(b'\n');
        body.extend_from_slice(&self.payload);
        let mut queue = String::with_capacity(QUEUE_BYTES);
        write!(queue, "{PREFIX}{}", self.target.function).expect("a string takes every text");
        Write::Enqueue { queue, due, state: State::default().encode(), body }
    }

    /// The event of a message's body; `None` for what is none, which only a defect or a newer server writes.
    #[must_use]
    pub fn decode(body: Vec<u8>) -> Option<Self> {
        let end = body.iter().position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&body[..end]).ok()?;
        let scope = lambent_model::Scope {
            account: header.account.parse().ok()?,
            region: header.region.parse().ok()?,
        };
        let qualifier = header.qualifier.as_deref().map(Qualifier::parse);
        let (trace_id, request_id) = (header.trace_id.into_owned(), header.request_id.parse().ok()?);
        let accepted = header.accepted;
        let client_context = header.client_context.map(Cow::into_owned);
        let tenant_id = header.tenant_id.map(Cow::into_owned);
        let function = FunctionArn { scope, name: header.function.into_owned() };
        Some(Self {
            target: Target { function, qualifier },
            request_id,
            payload: Bytes::from(body).slice(end + 1..),
            trace_id,
            client_context,
            tenant_id,
            accepted,
        })
    }

    /// What the function is given.
    #[must_use]
    pub fn invocation(&self) -> Arc<Invocation> {
        Arc::new(Invocation {
            request_id: self.request_id,
            payload: self.payload.clone(),
            invoked_arn: match &self.target.qualifier {
                Some(_) => self.target.qualified(),
                None => self.target.function.to_string(),
            },
            trace_id: self.trace_id.clone(),
            client_context: self.client_context.clone(),
            tenant_id: self.tenant_id.clone(),
            tail: false,
        })
    }
}

impl State {
    /// As it is noted.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        if self == Self::default() {
            // Most events have no other: nothing of it is written, and more of them lie in a page.
            return Vec::new();
        }
        serde_json::to_vec(&self).expect("numbers always have a JSON form")
    }

    /// As it was noted; `None` for what is none.
    #[must_use]
    pub fn decode(text: &[u8]) -> Option<Self> {
        match text {
            [] => Some(Self::default()),
            _ => serde_json::from_slice(text).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_out_as_it_went_in() {
        let function: FunctionArn = FunctionArn {
            scope: lambent_model::Scope {
                account: "000000000000".parse().unwrap(),
                region: "eu-west-1".parse().unwrap(),
            },
            name: "f".into(),
        };
        for qualifier in
            [None, Some(Qualifier::Latest), Some(Qualifier::Version(3)), Some(Qualifier::Alias("a".into()))]
        {
            let envelope = Envelope {
                target: Target { function: function.clone(), qualifier },
                request_id: "5b1f7b0e-0000-4000-8000-000000000001".parse().unwrap(),
                payload: Bytes::from_static(b"{\"a\":\n[1]}\n\xff"),
                trace_id: "Root=1".into(),
                client_context: Some("{\"a\":1}".into()),
                tenant_id: Some("blue".into()),
                accepted: Timestamp::from_micros(1_234_567),
            };
            let Write::Enqueue { queue, body, state, .. } = envelope.enqueue(envelope.accepted) else {
                panic!("it is an enqueue")
            };
            assert_eq!(queue, format!("event/{function}"));
            assert_eq!(Envelope::decode(body), Some(envelope));
            assert_eq!(State::decode(&state), Some(State::default()));
            let failed = State { failed: 1, ..State::default() };
            assert_eq!(State::decode(&failed.encode()), Some(failed));
            assert_eq!(State::decode(br#"{"failed":0,"deferred":0}"#), Some(State::default()));
        }
        assert_eq!(Envelope::decode(b"{}\n".to_vec()), None);
    }
}
