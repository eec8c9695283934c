//! What the operations on configurations of asynchronous invocation have in common.

use lambent_lambda::{EventInvoke, EventInvokeChange};
use lambent_model::{FunctionArn, Qualifier, Target};
use lambent_wire::lambda::{self, types as t};
use lambent_wire::{EpochSeconds, Error};

use crate::find::Found;
use crate::request::Context;
use crate::{functions, refuse};

/// A configuration as AWS shows it: both destinations are there, and empty where there is none.
pub(crate) fn shown(
    arn: &FunctionArn,
    qualifier: &str,
    config: &EventInvoke,
) -> t::FunctionEventInvokeConfig {
    t::FunctionEventInvokeConfig {
        last_modified: Some(EpochSeconds(config.modified)),
        function_arn: Some(format!("{arn}:{qualifier}")),
        maximum_retry_attempts: config.retries.map(i32::from),
        maximum_event_age_in_seconds: config.event_age_s.and_then(|age| i32::try_from(age).ok()),
        destination_config: Some(t::DestinationConfig {
            on_success: Some(t::OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(t::OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}

/// The members of a request, in the rules' terms.
pub(crate) fn change(
    retries: Option<i32>,
    event_age_s: Option<i32>,
    destinations: Option<t::DestinationConfig>,
) -> EventInvokeChange {
    let (success, failure) = match destinations {
        Some(config) => (
            config.on_success.and_then(|success| success.destination),
            config.on_failure.and_then(|failure| failure.destination),
        ),
        None => (None, None),
    };
    EventInvokeChange {
        retries: retries.and_then(|retries| u8::try_from(retries).ok()),
        event_age_s: event_age_s.and_then(|age| u32::try_from(age).ok()),
        on_success: success,
        on_failure: failure,
    }
}

/// The name in the function's record: the qualifier, `$LATEST` where there is none.
pub(crate) fn qualifier(target: &Target) -> String {
    target.qualifier.as_ref().unwrap_or(&Qualifier::Latest).to_string()
}

/// AWS's answer where there is no configuration.
pub(crate) fn absent(target: &Target) -> Error {
    lambda::error::resource_not_found_exception(format!(
        "The function {} doesn't have an EventInvokeConfig",
        target.qualified()
    ))
}

/// Sets the configuration of what `target` names, as `change` makes it out of what is there.
pub(crate) async fn set(
    context: &Context<'_>,
    target: &Target,
    change: impl Fn(Option<&EventInvoke>) -> Result<EventInvoke, Error>,
) -> Result<t::FunctionEventInvokeConfig, Error> {
    let store = &context.control.parts.store;
    let of = qualifier(target);
    let mut checked = false;
    loop {
        let mut found =
            Found::load(store, target.clone()).await.map_err(|error| match error.status.as_u16() {
                404 => lambda::error::resource_not_found_exception("The function doesn't exist."),
                _ => error,
            })?;
        let config = change(found.stored.function.event_invoke.get(&of))?;
        if !checked {
            let destinations = [&config.on_success, &config.on_failure].into_iter().flatten();
            let role = &found.stored.function.settings.role;
            context.control.check_destinations(&target.function, role, destinations).await?;
            checked = true;
        }
        let answer = shown(&target.function, &of, &config);
        found.stored.function.event_invoke.insert(of.clone(), config);
        let saved = functions::replace("event-invoke-config", store, &target.function, &found.stored).await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(answer);
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
