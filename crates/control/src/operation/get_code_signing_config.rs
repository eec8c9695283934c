//! `GetCodeSigningConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::code_signing;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetCodeSigningConfigRequest,
) -> Result<t::GetCodeSigningConfigResponse, Error> {
    let config = context.code_signing(&input.code_signing_config_arn).await?.value;
    let shown = code_signing::shown(&context.caller.scope, &config);
    Ok(t::GetCodeSigningConfigResponse { code_signing_config: Some(shown) })
}
