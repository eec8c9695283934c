//! `DeleteFunctionEventInvokeConfig`.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::request::Context;
use crate::{event_invoke, functions};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionEventInvokeConfigRequest,
) -> Result<Empty, Error> {
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "DeleteFunctionEventInvokeConfig").await?;
    let of = event_invoke::qualifier(&target);
    functions::change(
        "delete-function-event-invoke-config",
        &context.control.parts.store,
        &target.function,
        |function| function.event_invoke.remove(&of).map(drop).ok_or_else(|| event_invoke::absent(&target)),
    )
    .await?;
    Ok(Empty {})
}
