//! `GetProvisionedConcurrencyConfig`: there is none, since none can be made yet.

use lambent_model::Qualifier;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::{Context, invalid};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetProvisionedConcurrencyConfigRequest,
) -> Result<t::GetProvisionedConcurrencyConfigResponse, Error> {
    let found =
        context.find(&input.function_name, Some(&input.qualifier), "GetProvisionedConcurrencyConfig").await?;
    if matches!(found.target.qualifier, None | Some(Qualifier::Latest)) {
        return Err(invalid("The function resource provided must be an alias or a published version."));
    }
    Err(lambda::error::provisioned_concurrency_config_not_found_exception(
        "No Provisioned Concurrency Config found for this function",
    ))
}
