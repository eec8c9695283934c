//! `DeleteProvisionedConcurrencyConfig`: no error where there is none.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::provisioned::check_is_published;
use crate::refuse::invalid;
use crate::request::Context;
use crate::{functions, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let action = "DeleteProvisionedConcurrencyConfig";
    let (arn, of) = context.provisioned(&input.function_name, &input.qualifier, action).await?;
    loop {
        let mut stored = functions::load(store, &arn).await?;
        context.check_is_there(&arn, &stored, &of).await?;
        check_is_published(&of)?;
        if let lambent_model::Qualifier::Alias(name) = &of
            && functions::alias(store, &arn, name).await?.is_some_and(|alias| alias.routing.is_some())
        {
            // "You can't manage provisioned concurrency settings on the alias while the routing configuration is in
            // place" (Developer Guide, "Configuring provisioned concurrency for a function").
            return Err(invalid("Alias with weights can not be used with Provisioned Concurrency"));
        }
        if stored.function.provisioned.remove(&of.to_string()).is_none() {
            return Ok(Empty {});
        }
        let saved = functions::replace("delete-provisioned-concurrency-config", store, &arn, &stored).await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(Empty {});
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
