//! `DeleteFunctionConcurrency`.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteFunctionConcurrencyRequest,
) -> Result<Empty, Error> {
    let arn = context.function(&input.function_name, "DeleteFunctionConcurrency").await?;
    functions::change("delete-function-concurrency", &context.control.parts.store, &arn, |function| {
        function.reserved_concurrency = None;
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
