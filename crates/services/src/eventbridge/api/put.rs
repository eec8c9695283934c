//! `PutEvents`.

use lambent_identity::Principal;
use lambent_identity::policy::Who;
use lambent_wire::Error;
use lambent_wire::events::types as t;
use serde_json::value::RawValue;

use super::super::event::{Event, second};
use super::super::invalid;
use super::super::names::BusName;
use super::super::spread::{Coming, allows};
use super::Context;

/// "The total entry size must be less than 1MB" (API Reference, `PutEvents`).
const BYTES: usize = 1024 * 1024;
/// "The Time parameter is 14 bytes" (User Guide, "Calculating PutEvents event entry size").
const TIME_BYTES: usize = 14;

/// Why an entry is not taken: AWS's code, and the reason.
type Failed = (&'static str, String);

pub(super) async fn events(
    context: &Context<'_>,
    input: t::PutEventsRequest,
) -> Result<t::PutEventsResponse, Error> {
    if input.endpoint_id.is_some() {
        return Err(invalid("lambent has no global endpoints; leave EndpointId out"));
    }
    if input.entries.iter().map(size).sum::<usize>() >= BYTES {
        return Err(invalid("Total size of the entries in the request is over the limit."));
    }
    let (mut results, mut writes) = (Vec::new(), Vec::new());
    for entry in &input.entries {
        let result = match take(context, entry).await? {
            Ok((id, more)) => {
                writes.extend(more);
                t::PutEventsResultEntry { event_id: Some(id), error_code: None, error_message: None }
            }
            Err((code, message)) => t::PutEventsResultEntry {
                event_id: None,
                error_code: Some(code.to_owned()),
                error_message: Some(message),
            },
        };
        results.push(result);
    }
    if !writes.is_empty() {
        context.inner.commit(writes).await?;
    }
    let failed = results.iter().filter(|result| result.error_code.is_some()).count();
    Ok(t::PutEventsResponse { failed_entry_count: i32::try_from(failed).ok(), entries: Some(results) })
}

/// The id of an entry's event, and what follows from it.
async fn take(
    context: &Context<'_>,
    entry: &t::PutEventsRequestEntry,
) -> Result<Result<(String, Vec<lambent_store::Write>), Failed>, Error> {
    let bus = BusName::given(context.scope, entry.event_bus_name.as_deref())?;
    let now = context.inner.clock.now();
    let event = match read(context, entry, now) {
        Ok(event) => event,
        Err(failed) => return Ok(Err(failed)),
    };
    if let Err(failed) = permitted(context, &bus).await? {
        return Ok(Err(failed));
    }
    let trace_id = chain(entry.trace_header.as_deref(), context.trace_id.as_deref());
    let coming = Coming { event: &event, trace_id: trace_id.as_deref(), now };
    let writes = context.inner.spread(bus.clone(), &coming, &[]).await?;
    if writes.is_empty() && context.inner.routes(&bus).await?.is_none() {
        // AWS answers so as well, and nothing is ever heard of the event again.
        tracing::warn!(
            bus = bus.arn(),
            source = event.source,
            "an event was put on an event bus that is not there"
        );
    }
    Ok(Ok((event.id, writes)))
}

/// The event of an entry.
fn read(
    context: &Context<'_>,
    entry: &t::PutEventsRequestEntry,
    now: lambent_model::Timestamp,
) -> Result<Event, Failed> {
    let given = |value: &Option<String>, name: &str| {
        let absent = || format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        value.clone().filter(|value| !value.is_empty()).ok_or_else(|| ("InvalidArgument", absent()))
    };
    let (source, detail_type) = (given(&entry.source, "Source")?, given(&entry.detail_type, "DetailType")?);
    let detail = given(&entry.detail, "Detail")?;
    if source.to_ascii_lowercase().starts_with("aws.") && !context.is_service {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
    }
    if detail_type.len() > 128 {
        let text = "Parameter DetailType is not valid. Reason: it is longer than 128 characters.";
        return Err(("InvalidArgument", text.to_owned()));
    }
    Ok(Event {
        version: "0".to_owned(),
        id: context.inner.new_id(),
        detail_type,
        source,
        account: context.scope.account.to_string(),
        time: second(entry.time.map_or(now, |time| time.0)),
        region: context.scope.region.to_string(),
        resources: entry.resources.clone().unwrap_or_default(),
        replay_name: None,
        detail: Some(object(&detail).ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))?),
    })
}

/// A JSON object as it was written, not deeper than patterns look.
fn object(text: &str) -> Option<Box<RawValue>> {
    lambent_patterns::Event::parse(text).ok()?;
    serde_json::from_str::<Box<RawValue>>(text).ok().filter(|raw| raw.get().starts_with('{'))
}

/// Another account's bus takes events from whom its policy allows.
async fn permitted(context: &Context<'_>, bus: &BusName) -> Result<Result<(), Failed>, Error> {
    let account = context.principal.account();
    if bus.account == account.as_str() {
        return Ok(Ok(()));
    }
    let policy = context.inner.bus(bus).await?.and_then(|bus| bus.policy);
    let arn = context.principal.to_string();
    if allows(policy.as_deref(), who(context.principal, &arn), &bus.arn()) {
        return Ok(Ok(()));
    }
    let text = format!(
        "User: {arn} is not authorized to perform: events:PutEvents on resource: {} because no resource-based policy \
         allows the events:PutEvents action",
        bus.arn()
    );
    Ok(Err(("AccessDeniedException", text)))
}

fn who<'a>(principal: &'a Principal, arn: &'a str) -> Who<'a> {
    Who::Aws { account: principal.account(), arn }
}

/// The trace header that goes on: the entry's, or the request's; the lineage of the request in any case.
fn chain(entry: Option<&str>, request: Option<&str>) -> Option<String> {
    let Some(entry) = entry else { return request.map(str::to_owned) };
    let lineage =
        request.and_then(|request| request.split(';').find(|part| part.trim().starts_with("Lineage=")));
    match lineage.filter(|_| !entry.contains("Lineage=")) {
        Some(lineage) => Some(format!("{entry};{}", lineage.trim())),
        None => Some(entry.to_owned()),
    }
}

fn size(entry: &t::PutEventsRequestEntry) -> usize {
    let text = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    let resources = entry.resources.iter().flatten().map(String::len).sum::<usize>();
    let time = if entry.time.is_some() { TIME_BYTES } else { 0 };
    time + text(&entry.source) + text(&entry.detail_type) + text(&entry.detail) + resources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lineage_of_the_request_goes_on() {
        let request = Some("Root=1-a;Lineage=68fd508a:5");
        assert_eq!(chain(None, request).as_deref(), request);
        assert_eq!(chain(Some("Root=1-b"), request).as_deref(), Some("Root=1-b;Lineage=68fd508a:5"));
        assert_eq!(chain(Some("Root=1-b;Lineage=x:1"), request).as_deref(), Some("Root=1-b;Lineage=x:1"));
        assert_eq!(chain(Some("Root=1-b"), None).as_deref(), Some("Root=1-b"));
        assert_eq!(chain(None, None), None);
    }
}
