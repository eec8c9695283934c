//! Services and operations as data, and as types.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::route::Table;
use crate::shape::{Kind, Member, Place, Scalar, Shape};
use crate::{Blob, Error, common};

/// How a service's messages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Path, query, headers and a JSON body (Smithy: "AWS restJson1 protocol").
    RestJson1,
    /// `X-Amz-Target` and a JSON body, content type `application/x-amz-json-1.0`.
    Json1_0,
    /// The same with `application/x-amz-json-1.1`.
    Json1_1,
    /// A form with `Action` and `Version` among its fields, and XML for an answer (Smithy: "AWS query protocol").
    Query,
}

impl Protocol {
    /// The content type of responses with a body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::RestJson1 => "application/json",
            Self::Json1_0 => "application/x-amz-json-1.0",
            Self::Json1_1 => "application/x-amz-json-1.1",
            Self::Query => "text/xml",
        }
    }
}

/// An AWS service.
#[derive(Debug)]
pub struct Service {
    /// The name in signatures and policies: `lambda`, `logs`.
    pub name: &'static str,
    /// How its messages look.
    pub protocol: Protocol,
    /// What precedes the operation's name in `X-Amz-Target`; empty where the protocol has no such header.
    pub target_prefix: &'static str,
    /// The version of the API, which requests of the query protocol name: `2010-05-08`.
    pub version: &'static str,
    /// The namespace of XML responses; empty where there are none.
    pub namespace: &'static str,
    /// Whether a service whose protocol is JSON takes the forms of the query protocol too (Smithy: "awsQueryCompatible
    /// trait").
    pub forms: bool,
    pub(crate) flat: &'static [Flat],
    /// Filled with the first request that is routed by its path.
    pub(crate) routes: &'static Table,
    /// Every operation of the model, offered or not.
    pub operations: &'static [&'static Operation],
}

/// A service in one of its protocols: what a request, or the error that answers it, is written in.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The service.
    pub service: &'static Service,
    /// How its messages look.
    pub protocol: Protocol,
}

impl From<&'static Service> for Dialect {
    fn from(service: &'static Service) -> Self {
        Self { service, protocol: service.protocol }
    }
}

impl Service {
    /// What a request is written in. A service that takes forms beside JSON is asked in JSON where a target is named.
    #[must_use]
    pub fn dialect(&'static self, headers: &http::HeaderMap) -> Dialect {
        match self.forms && !headers.contains_key("x-amz-target") {
            true => Dialect { service: self, protocol: Protocol::Query },
            false => self.into(),
        }
    }
}

impl Dialect {
    /// Whether requests name their operation in the body, so that it has to be read before
    /// [`Service::route_form`].
    #[must_use]
    pub fn is_routed_by_body(self) -> bool {
        self.protocol == Protocol::Query
    }
}

/// A member of an output that is flattened in XML: its elements stand where it would.
#[derive(Debug)]
pub(crate) struct Flat {
    pub(crate) structure: &'static str,
    pub(crate) member: &'static str,
    /// What each element is called.
    pub(crate) name: &'static str,
    /// What key and value of a map's entry are called.
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
}

/// An operation of a service.
#[derive(Debug)]
pub struct Operation {
    /// AWS's name: `CreateFunction`.
    pub name: &'static str,
    /// Whose operation it is.
    pub service: &'static Service,
    /// Whether there is a type for it, which [`Matched::decode`](crate::Matched::decode) takes.
    pub typed: bool,
    pub(crate) route: Route,
    pub(crate) input: Option<&'static Shape>,
    /// Whether there is an output; without one a response has no body, not even `{}`.
    pub(crate) has_output: bool,
    pub(crate) output: &'static [Binding],
}

impl Operation {
    /// What to answer where there is no handler: the operation exists, Lambent does not offer it.
    #[must_use]
    pub fn not_offered(&self) -> Error {
        common::not_implemented(format!(
            "lambent does not offer {} yet; see docs/compatibility.md",
            self.name
        ))
    }

    /// The action in policies: `lambda:CreateFunction`. Where AWS's action has another name than the operation
    /// (`lambda:InvokeFunction`), the caller maps it.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        format!("{}:{}", self.service.name, self.name)
    }

    /// The input's members by the model's names, and those of structures in it as `Code.ZipFile`.
    pub fn parameters(&self) -> impl Iterator<Item = String> {
        self.members().iter().flat_map(|member| {
            let inner = match &member.shape.kind {
                Kind::Structure { members } => *members,
                _ => &[],
            };
            let below = inner.iter().map(|below| format!("{}.{}", member.name, below.name));
            std::iter::once(member.name.to_owned()).chain(below)
        })
    }

    pub(crate) fn members(&self) -> &'static [Member] {
        match self.input {
            Some(Shape { kind: Kind::Structure { members }, .. }) => members,
            _ => &[],
        }
    }
}

/// Method, path and query by which an operation of a REST protocol is found.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static [Segment],
    /// Parameters that have to be there with exactly this value.
    pub(crate) query: &'static [(&'static str, &'static str)],
    pub(crate) status: u16,
}

/// One segment of a route's path.
#[derive(Debug)]
pub(crate) enum Segment {
    Literal(&'static str),
    Label(&'static str),
    /// All that follows, slashes included; stands at the end.
    #[allow(dead_code, reason = "part of the table's form whether or not a model in use has one")]
    Greedy(&'static str),
}

/// A member of an output that is not in its JSON body.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    pub(crate) scalar: Scalar,
}

/// An operation as a type: `lambda::op::CreateFunction`.
///
/// Input and output pass through serde but for one member: the blob that is the raw HTTP body, if there is one.
/// serde skips it, and the four functions hand it over without a copy.
pub trait Call {
    /// The request.
    type Input: DeserializeOwned + Serialize;
    /// The response.
    type Output: Serialize + DeserializeOwned;
    /// The operation as data.
    const OPERATION: &'static Operation;

    /// Where the raw body goes, if the input has one.
    fn input_payload(_input: &mut Self::Input) -> Option<&mut Option<Blob>> {
        None
    }
    /// The raw body of the input.
    fn input_payload_ref(_input: &Self::Input) -> Option<&Blob> {
        None
    }
    /// Where the raw body goes, if the output has one.
    fn output_payload(_output: &mut Self::Output) -> Option<&mut Option<Blob>> {
        None
    }
    /// The raw body of the output.
    fn output_payload_ref(_output: &Self::Output) -> Option<&Blob> {
        None
    }
}

/// The input or output of an operation that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}
