//! `GetFunctionCodeSigningConfig`: none can be attached yet, and AWS answers the name alone then.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionCodeSigningConfigRequest,
) -> Result<t::GetFunctionCodeSigningConfigResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionCodeSigningConfig").await?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    Ok(t::GetFunctionCodeSigningConfigResponse {
        function_name: Some(stored.function.name),
        ..t::GetFunctionCodeSigningConfigResponse::default()
    })
}
