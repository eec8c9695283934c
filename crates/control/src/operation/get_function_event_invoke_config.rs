//! `GetFunctionEventInvokeConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::event_invoke;
use crate::find::Found;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionEventInvokeConfigRequest,
) -> Result<t::FunctionEventInvokeConfig, Error> {
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "GetFunctionEventInvokeConfig").await?;
    let found = Found::load(&context.control.parts.store, target.clone()).await?;
    let of = event_invoke::qualifier(&target);
    let config = found.stored.function.event_invoke.get(&of);
    let config = config.ok_or_else(|| event_invoke::absent(&target))?;
    Ok(event_invoke::shown(&target.function, &of, config))
}
