//! `InvokeAsync`: what asynchronous invocation was before `Invoke` had types (API Reference: "deprecated").

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::invoke::{Limit, accept, invocation};
use crate::request::{Context, INVOKE};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::InvokeAsyncRequest,
) -> Result<t::InvokeAsyncResponse, Error> {
    let target = context.target(&input.function_name, None, INVOKE).await?;
    let input = t::InvocationRequest { payload: input.invoke_args, ..t::InvocationRequest::default() };
    let invocation = invocation(context, input, &target, Limit::EVENT)?;
    accept(context, target, invocation).await?;
    Ok(t::InvokeAsyncResponse { status: Some(202) })
}
