//! `ListProvisionedConcurrencyConfigs`.

use lambent_lambda::Provisioned;
use lambent_model::Qualifier;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{functions, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListProvisionedConcurrencyConfigsRequest,
) -> Result<t::ListProvisionedConcurrencyConfigsResponse, Error> {
    let arn = context.function(&input.function_name, "ListProvisionedConcurrencyConfigs").await?;
    let after = paging::open(input.marker.as_deref())?;
    let size = paging::page_size(input.max_items);
    let stored = functions::load(&context.control.parts.store, &arn).await?;
    let configs = stored.function.provisioned.into_iter();
    let mut configs: Vec<(String, Provisioned)> =
        configs.filter(|(of, _)| after.as_ref().is_none_or(|after| of > after)).collect();
    let next_marker = paging::cut(&mut configs, size, |(of, _)| of.clone());
    let mut listed = Vec::with_capacity(configs.len());
    for (of, config) in &configs {
        let shown = context.shown(&arn, &Qualifier::parse(of), config).await;
        listed.push(t::ProvisionedConcurrencyConfigListItem {
            function_arn: Some(shown.arn),
            requested_provisioned_concurrent_executions: shown.requested,
            available_provisioned_concurrent_executions: shown.available,
            allocated_provisioned_concurrent_executions: shown.allocated,
            status: shown.status,
            status_reason: shown.reason,
            last_modified: shown.modified,
        });
    }
    Ok(t::ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(listed),
        next_marker,
    })
}
