//! `CreateEventBus`, `UpdateEventBus`, `DeleteEventBus`, `DescribeEventBus`, `ListEventBuses`.

use lambent_store::{Expect, Write};
use lambent_wire::events::{error, types as t};
use lambent_wire::{Empty, EpochSeconds, Error};

use super::super::names::BusName;
use super::super::records::{Bus, bus_key};
use super::super::{invalid, unavailable};
use super::{Context, begins, no_bus, page, refuse_key, tags};

/// "Event buses: 100" (EventBridge User Guide, "Amazon EventBridge quotas").
const BUSES: usize = 100;

pub(super) async fn create(
    context: &Context<'_>,
    input: t::CreateEventBusRequest,
) -> Result<t::CreateEventBusResponse, Error> {
    if input.event_source_name.is_some() || input.name.starts_with("aws.partner/") {
        return Err(invalid("lambent has no partner event sources; leave EventSourceName out"));
    }
    if input.name.contains('/') {
        return Err(invalid("Event bus name must not contain '/'."));
    }
    refuse_key(input.kms_key_identifier.as_ref())?;
    refuse_logs(input.log_config.as_ref())?;
    let name = BusName::of(context.scope, &input.name);
    let _changing = context.inner.changing.lock().await;
    if context.inner.bus(&name).await?.is_some() {
        return Err(error::resource_already_exists_exception(format!(
            "Event bus {} already exists.",
            input.name
        )));
    }
    if context.inner.buses(context.scope).await?.len() >= BUSES {
        return Err(error::limit_exceeded_exception(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let now = context.inner.clock.now();
    let bus = Bus {
        description: input.description.clone(),
        policy: None,
        dead_letters: dead_letters(input.dead_letter_config.as_ref()),
        tags: tags::read(input.tags)?,
        created: Some(now),
        modified: Some(now),
    };
    store(context, &name, &bus, Expect::Absent).await?;
    Ok(t::CreateEventBusResponse {
        event_bus_arn: Some(name.arn()),
        description: input.description,
        kms_key_identifier: None,
        dead_letter_config: input.dead_letter_config,
        log_config: input.log_config,
    })
}

pub(super) async fn update(
    context: &Context<'_>,
    input: t::UpdateEventBusRequest,
) -> Result<t::UpdateEventBusResponse, Error> {
    refuse_key(input.kms_key_identifier.as_ref())?;
    refuse_logs(input.log_config.as_ref())?;
    let _changing = context.inner.changing.lock().await;
    let (name, mut bus) = context.bus(input.name.as_deref()).await?;
    bus.description.clone_from(&input.description);
    bus.dead_letters = dead_letters(input.dead_letter_config.as_ref());
    bus.modified = Some(context.inner.clock.now());
    store(context, &name, &bus, Expect::Any).await?;
    Ok(t::UpdateEventBusResponse {
        arn: Some(name.arn()),
        name: Some(name.name),
        kms_key_identifier: None,
        description: input.description,
        dead_letter_config: input.dead_letter_config,
        log_config: input.log_config,
    })
}

pub(super) async fn delete(context: &Context<'_>, input: t::DeleteEventBusRequest) -> Result<Empty, Error> {
    let name = BusName::given(context.scope, Some(&input.name))?;
    context.own(&name)?;
    if name.is_default() {
        return Err(invalid("Cannot delete event bus default."));
    }
    let _changing = context.inner.changing.lock().await;
    if !context.inner.rules(&name).await?.is_empty() {
        return Err(invalid("Event bus can't be deleted since it has rules."));
    }
    // "If the event bus doesn't exist, nothing happens."
    context.inner.commit(vec![Write::Delete { key: bus_key(&name), expect: Expect::Any }]).await?;
    context.inner.cache.forget(&name);
    Ok(Empty {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeEventBusRequest,
) -> Result<t::DescribeEventBusResponse, Error> {
    let (name, bus) = context.bus(input.name.as_deref()).await?;
    Ok(t::DescribeEventBusResponse {
        arn: Some(name.arn()),
        name: Some(name.name),
        description: bus.description,
        kms_key_identifier: None,
        dead_letter_config: bus.dead_letters.map(|arn| t::DeadLetterConfig { arn: Some(arn) }),
        policy: bus.policy,
        log_config: None,
        managed_by: None,
        creation_time: bus.created.map(EpochSeconds),
        last_modified_time: bus.modified.map(EpochSeconds),
    })
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListEventBusesRequest,
) -> Result<t::ListEventBusesResponse, Error> {
    let buses = context.inner.buses(context.scope).await?;
    let buses = buses.into_iter().filter(|(name, _)| begins(name, input.name_prefix.as_ref()));
    let shown = buses.map(|(name, bus)| {
        let shown = t::EventBus {
            arn: Some(BusName::of(context.scope, &name).arn()),
            name: Some(name.clone()),
            description: bus.description,
            policy: bus.policy,
            managed_by: None,
            creation_time: bus.created.map(EpochSeconds),
            last_modified_time: bus.modified.map(EpochSeconds),
        };
        (name, shown)
    });
    let (buses, next_token) = page(shown, input.limit, input.next_token.as_deref())?;
    Ok(t::ListEventBusesResponse { event_buses: Some(buses), next_token })
}

/// Keeps a bus, and has what was read of it forgotten.
pub(super) async fn store(
    context: &Context<'_>,
    name: &BusName,
    bus: &Bus,
    expect: Expect,
) -> Result<(), Error> {
    let write = Write::put(bus_key(name), expect, bus).map_err(|error| unavailable(&error))?;
    context.inner.commit(vec![write]).await?;
    context.inner.cache.forget(name);
    Ok(())
}

/// AWS sends there what it cannot decrypt. Here nothing is encrypted, so nothing is ever sent.
fn dead_letters(config: Option<&t::DeadLetterConfig>) -> Option<String> {
    config.and_then(|config| config.arn.clone()).filter(|arn| !arn.is_empty())
}

fn refuse_logs(config: Option<&t::LogConfig>) -> Result<(), Error> {
    match config.and_then(|config| config.level.as_ref()) {
        None | Some(t::Level::Off) => Ok(()),
        Some(level) => Err(invalid(format!(
            "lambent keeps no logs of event buses; leave LogConfig out or set its Level to OFF instead of {level}"
        ))),
    }
}

/// A bus that is named by its ARN, which has to be there and of the caller's account.
pub(super) async fn by_arn(context: &Context<'_>, arn: &str) -> Result<BusName, Error> {
    let wrong = || invalid(format!("Parameter EventSourceArn is not valid. Reason: {arn} is no event bus."));
    let name = BusName::from_arn(arn).ok_or_else(wrong)?;
    context.own(&name)?;
    match context.inner.bus(&name).await? {
        Some(_) => Ok(name),
        None => Err(no_bus(&name)),
    }
}
