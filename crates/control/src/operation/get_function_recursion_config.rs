//! `GetFunctionRecursionConfig`: AWS's default, until it can be set.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionRecursionConfigRequest,
) -> Result<t::GetFunctionRecursionConfigResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionRecursionConfig").await?;
    functions::load(&context.control.parts.store, &arn).await?;
    Ok(t::GetFunctionRecursionConfigResponse { recursive_loop: Some(t::RecursiveLoop::Terminate) })
}
