//! `GetRuntimeManagementConfig`: AWS's default, until it can be set.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetRuntimeManagementConfigRequest,
) -> Result<t::GetRuntimeManagementConfigResponse, Error> {
    let qualifier = input.qualifier.as_deref();
    let found = context.find(&input.function_name, qualifier, "GetRuntimeManagementConfig").await?;
    Ok(t::GetRuntimeManagementConfigResponse {
        update_runtime_on: Some(t::UpdateRuntimeOn::Auto),
        function_arn: Some(found.arn()),
        ..t::GetRuntimeManagementConfigResponse::default()
    })
}
