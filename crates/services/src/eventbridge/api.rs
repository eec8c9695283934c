//! The EventBridge API, a family of operations a file.

mod archives;
mod buses;
mod permissions;
mod put;
mod replays;
mod rules;
mod tags;
mod targets;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use lambent_identity::Principal;
use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::events::{SERVICE, error, op};

use crate::dispatch::dispatch;

pub(super) use permissions::read as policy_document;

use super::names::BusName;
use super::records::{Bus, Rule};
use super::{Inner, invalid};

/// One call being answered.
pub(super) struct Context<'a> {
    pub(super) inner: &'a Inner,
    pub(super) scope: &'a Scope,
    pub(super) principal: &'a Principal,
    /// Whether it is a service of this server that calls.
    pub(super) is_service: bool,
    /// `X-Amzn-Trace-Id` of the request, with the lineage of the chain that it is part of.
    pub(super) trace_id: Option<String>,
}

/// Answers one call.
pub(super) async fn answer(
    inner: &Inner,
    scope: &Scope,
    (principal, is_service): (&Principal, bool),
    parts: &Parts,
    body: Bytes,
    request_id: &str,
) -> Result<Response<Bytes>, Error> {
    let matched = SERVICE.route(parts)?;
    let trace_id = parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let context = &Context { inner, scope, principal, is_service, trace_id: trace_id.map(str::to_owned) };
    dispatch! {
        (matched, parts, body, context, request_id)
        CancelReplay => replays::cancel,
        CreateArchive => archives::create,
        CreateEventBus => buses::create,
        DeleteArchive => archives::delete,
        DeleteEventBus => buses::delete,
        DeleteRule => rules::delete,
        DescribeArchive => archives::describe,
        DescribeEventBus => buses::describe,
        DescribeReplay => replays::describe,
        DescribeRule => rules::describe,
        DisableRule => rules::disable,
        EnableRule => rules::enable,
        ListArchives => archives::list,
        ListEventBuses => buses::list,
        ListReplays => replays::list,
        ListRuleNamesByTarget => rules::names_by_target,
        ListRules => rules::list,
        ListTagsForResource => tags::list,
        ListTargetsByRule => targets::list,
        PutEvents => put::events,
        PutPermission => permissions::put,
        PutRule => rules::put,
        PutTargets => targets::put,
        RemovePermission => permissions::remove,
        RemoveTargets => targets::remove,
        StartReplay => replays::start,
        TagResource => tags::tag,
        TestEventPattern => rules::test_pattern,
        UntagResource => tags::untag,
        UpdateArchive => archives::update,
        UpdateEventBus => buses::update,
    }
}

impl Context<'_> {
    /// The bus that a request names, which has to be there and of the caller's account.
    async fn bus(&self, given: Option<&str>) -> Result<(BusName, Bus), Error> {
        let name = BusName::given(self.scope, given)?;
        self.own(&name)?;
        let found = self.inner.bus(&name).await?;
        found.map(|bus| (name.clone(), bus)).ok_or_else(|| no_bus(&name))
    }

    /// Rules and settings are those of the bus's own account and region alone.
    fn own(&self, bus: &BusName) -> Result<(), Error> {
        if bus.scope() == *self.scope {
            return Ok(());
        }
        Err(invalid(format!("Event bus {} is not of the account and region of this request.", bus.arn())))
    }

    async fn rule(&self, bus: &BusName, name: &str) -> Result<Rule, Error> {
        self.inner.rule(bus, name).await?.ok_or_else(|| no_rule(bus, name))
    }
}

fn no_bus(bus: &BusName) -> Error {
    error::resource_not_found_exception(format!("Event bus {} does not exist.", bus.name))
}

fn no_rule(bus: &BusName, rule: &str) -> Error {
    error::resource_not_found_exception(format!("Rule {rule} does not exist on EventBus {}.", bus.name))
}

/// Encryption by keys of one's own is not there: accepting one and encrypting nothing would be a lie.
fn refuse_key(key: Option<&String>) -> Result<(), Error> {
    match key.filter(|key| !key.is_empty()) {
        None => Ok(()),
        Some(_) => Err(invalid("lambent does not encrypt by KMS keys; leave KmsKeyIdentifier out")),
    }
}

/// The most items of a page, and how many where nobody says ("Limit … Maximum value of 100").
const PAGE: usize = 100;

/// One page of items that are in the order of their names.
fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    limit: Option<i32>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let after = token.map(|token| {
        let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
        name.ok_or_else(|| invalid("Parameter NextToken is not valid."))
    });
    let after = after.transpose()?;
    let size = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let mut rest: Vec<_> =
        items.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|after| name > after)).collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|(name, _)| URL_SAFE_NO_PAD.encode(name));
    Ok((rest.into_iter().map(|(_, item)| item).collect(), next))
}

fn begins(name: &str, prefix: Option<&String>) -> bool {
    prefix.is_none_or(|prefix| name.starts_with(prefix.as_str()))
}
