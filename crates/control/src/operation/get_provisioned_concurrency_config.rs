//! `GetProvisionedConcurrencyConfig`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::provisioned::{absent, check_is_published};
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetProvisionedConcurrencyConfigRequest,
) -> Result<t::GetProvisionedConcurrencyConfigResponse, Error> {
    let action = "GetProvisionedConcurrencyConfig";
    let (arn, of) = context.provisioned(&input.function_name, &input.qualifier, action).await?;
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    context.check_is_there(&arn, &stored, &of).await?;
    check_is_published(&of)?;
    let config = stored.function.provisioned.get(&of.to_string()).ok_or_else(absent)?;
    let shown = context.shown(&arn, &of, config).await;
    Ok(t::GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: shown.requested,
        available_provisioned_concurrent_executions: shown.available,
        allocated_provisioned_concurrent_executions: shown.allocated,
        status: shown.status,
        status_reason: shown.reason,
        last_modified: shown.modified,
    })
}
