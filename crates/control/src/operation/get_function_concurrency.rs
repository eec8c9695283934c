//! `GetFunctionConcurrency`: `{}` without a reservation.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionConcurrencyRequest,
) -> Result<t::GetFunctionConcurrencyResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionConcurrency").await?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    let reserved = stored.function.reserved_concurrency;
    Ok(t::GetFunctionConcurrencyResponse {
        reserved_concurrent_executions: reserved.and_then(|reserved| i32::try_from(reserved).ok()),
    })
}
