//! `UpdateFunctionEventInvokeConfig`: keeps what it does not name.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{event_invoke, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateFunctionEventInvokeConfigRequest,
) -> Result<t::FunctionEventInvokeConfig, Error> {
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "UpdateFunctionEventInvokeConfig").await?;
    let change = event_invoke::change(
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    );
    let now = context.control.parts.clock.now();
    event_invoke::set(context, &target, |current| {
        let current = current.ok_or_else(|| event_invoke::absent(&target))?;
        change.clone().apply(Some(current), &target.function, now).map_err(|error| refuse::refusal(&error))
    })
    .await
}
