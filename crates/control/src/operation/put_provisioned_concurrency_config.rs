//! `PutProvisionedConcurrencyConfig`: refused, after what AWS refuses. No environments are kept ready for one function yet,
//! and a configuration that keeps none ready would be a lie.

use lambent_lambda::Refusal;
use lambent_model::Qualifier;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::refuse;
use crate::request::{Context, invalid};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutProvisionedConcurrencyConfigRequest,
) -> Result<t::PutProvisionedConcurrencyConfigResponse, Error> {
    let found =
        context.find(&input.function_name, Some(&input.qualifier), "PutProvisionedConcurrencyConfig").await?;
    if matches!(found.target.qualifier, None | Some(Qualifier::Latest)) {
        return Err(invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        ));
    }
    Err(refuse::refusal(&Refusal::Unsupported("provisioned concurrency")))
}
