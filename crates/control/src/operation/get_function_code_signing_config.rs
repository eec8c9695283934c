//! `GetFunctionCodeSigningConfig`: the name alone where there is none.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{code_signing, functions};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetFunctionCodeSigningConfigRequest,
) -> Result<t::GetFunctionCodeSigningConfigResponse, Error> {
    let arn = context.function(&input.function_name, "GetFunctionCodeSigningConfig").await?;
    let function = functions::load(&context.control.parts.store, &arn).await?.function;
    let config = function.code_signing.map(|id| code_signing::arn(&arn.scope, &id));
    Ok(t::GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: config,
        function_name: Some(function.name),
    })
}
