//! `GetFunctionRecursionConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionRecursionConfigRequest,
) -> Result<t::GetFunctionRecursionConfigResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionRecursionConfig").await?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    let recursive_loop = match stored.function.may_recurse {
        true => t::RecursiveLoop::Allow,
        false => t::RecursiveLoop::Terminate,
    };
    Ok(t::GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop) })
}
