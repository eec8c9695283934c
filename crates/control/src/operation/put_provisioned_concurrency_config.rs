//! `PutProvisionedConcurrencyConfig`: a record of what is wanted. Whoever runs functions hears of it and starts.

use lambent_lambda::Provisioned;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::provisioned::Shown;
use crate::request::Context;
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::PutProvisionedConcurrencyConfigRequest,
) -> Result<t::PutProvisionedConcurrencyConfigResponse, Error> {
    let store = &context.control.parts.store;
    let action = "PutProvisionedConcurrencyConfig";
    let (arn, of) = context.provisioned(&input.function_name, &input.qualifier, action).await?;
    let wanted = u32::try_from(input.provisioned_concurrent_executions).expect("the model's minimum is 1");
    loop {
        // Before the others are read: whoever reserves meanwhile makes this commit fail.
        let turn = functions::reservation_turn(store, &arn.scope).await?;
        let mut stored = functions::load(store, &arn).await?;
        let settings = &stored.function.settings;
        settings.check_has_no_tenants("Provisioned concurrency").map_err(|error| refuse::refusal(&error))?;
        let version = context.check_is_there(&arn, &stored, &of).await?;
        if let Some(version) = version {
            version.check_has_no_snap_start().map_err(|error| refuse::refusal(&error))?;
        }
        let aliases = functions::aliases(store, &arn, "", usize::MAX).await?;
        let set_aside = context.control.usage(&arn.scope).await?.reserved;
        let others = set_aside.saturating_sub(stored.function.set_aside());
        stored
            .function
            .check_provisioned(&of, &aliases, wanted, others)
            .map_err(|error| refuse::refusal(&error))?;
        let config = Provisioned { wanted, modified: context.control.parts.clock.now() };
        let is_new = stored.function.provisioned.insert(of.to_string(), config).is_none();
        if functions::save_reservation("put-provisioned-concurrency-config", store, &arn, &stored, turn)
            .await?
        {
            let shown = match is_new {
                true => Shown::begun(&arn, &of, &config),
                false => context.shown(&arn, &of, &config).await,
            };
            return Ok(t::PutProvisionedConcurrencyConfigResponse {
                requested_provisioned_concurrent_executions: shown.requested,
                available_provisioned_concurrent_executions: shown.available,
                allocated_provisioned_concurrent_executions: shown.allocated,
                status: shown.status,
                status_reason: shown.reason,
                last_modified: shown.modified,
            });
        }
        // Somebody else changed the function, or reserved for another, meanwhile: decide again.
    }
}
