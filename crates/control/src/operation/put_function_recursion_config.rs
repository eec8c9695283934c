//! `PutFunctionRecursionConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutFunctionRecursionConfigRequest,
) -> Result<t::PutFunctionRecursionConfigResponse, Error> {
    let arn = context.function(&input.function_name, "PutFunctionRecursionConfig").await?;
    functions::change("put-function-recursion-config", &context.control.parts.store, &arn, |function| {
        function.may_recurse = input.recursive_loop == t::RecursiveLoop::Allow;
        Ok(())
    })
    .await?;
    Ok(t::PutFunctionRecursionConfigResponse { recursive_loop: Some(input.recursive_loop) })
}
