//! `GetRuntimeManagementConfig`.

use lambent_lambda::{Function, RuntimeUpdate};
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::present::runtime_version_arn;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetRuntimeManagementConfigRequest,
) -> Result<t::GetRuntimeManagementConfigResponse, Error> {
    let qualifier = input.qualifier.as_deref();
    let found = context.find(&input.function_name, qualifier, "GetRuntimeManagementConfig").await?;
    Ok(t::GetRuntimeManagementConfigResponse {
        update_runtime_on: Some(match found.function().runtime_update {
            RuntimeUpdate::Auto => t::UpdateRuntimeOn::Auto,
            RuntimeUpdate::FunctionUpdate => t::UpdateRuntimeOn::FunctionUpdate,
            RuntimeUpdate::Manual => t::UpdateRuntimeOn::Manual,
        }),
        runtime_version_arn: pinned(found.function()),
        function_arn: Some(found.arn()),
    })
}

/// The runtime version's ARN, which is shown where it is pinned.
pub(super) fn pinned(function: &Function) -> Option<String> {
    let region = function.arn.split(':').nth(3).unwrap_or_default();
    (function.runtime_update == RuntimeUpdate::Manual)
        .then(|| runtime_version_arn(region, &function.settings.runtime))
}
