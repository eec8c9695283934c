//! `ListDurableExecutionsByFunction`: of a function that exists, none.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListDurableExecutionsByFunctionRequest,
) -> Result<t::ListDurableExecutionsByFunctionResponse, Error> {
    let action = "ListDurableExecutionsByFunction";
    context.find(&input.function_name, input.qualifier.as_deref(), action).await?;
    Ok(t::ListDurableExecutionsByFunctionResponse { durable_executions: Some(Vec::new()), next_marker: None })
}
