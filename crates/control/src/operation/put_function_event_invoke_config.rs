//! `PutFunctionEventInvokeConfig`: replaces the whole.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{event_invoke, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutFunctionEventInvokeConfigRequest,
) -> Result<t::FunctionEventInvokeConfig, Error> {
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "PutFunctionEventInvokeConfig").await?;
    let change = event_invoke::change(
        input.maximum_retry_attempts,
        input.maximum_event_age_in_seconds,
        input.destination_config,
    );
    let now = context.control.parts.clock.now();
    event_invoke::set(context, &target, |_| {
        change.clone().apply(None, &target.function, now).map_err(|error| refuse::refusal(&error))
    })
    .await
}
