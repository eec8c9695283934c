//! `ListProvisionedConcurrencyConfigs`: of a function that exists, none.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::functions;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListProvisionedConcurrencyConfigsRequest,
) -> Result<t::ListProvisionedConcurrencyConfigsResponse, Error> {
    let arn = context.function(&input.function_name, "ListProvisionedConcurrencyConfigs").await?;
    functions::load(&context.control.parts.store, &arn).await?;
    Ok(t::ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(Vec::new()),
        next_marker: None,
    })
}
