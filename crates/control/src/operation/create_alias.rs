//! `CreateAlias`.

use lambent_lambda::{Alias, Policy};
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::functions::{self, Changes};
use crate::request::Context;
use crate::{alias, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::CreateAliasRequest,
) -> Result<t::AliasConfiguration, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "CreateAlias").await?;
    let wanted = Alias {
        version: alias::pointed(&input.function_version)?,
        routing: input.routing_config.as_ref().map(alias::routing).transpose()?.flatten(),
        name: input.name,
        description: input.description.unwrap_or_default(),
        revision: context.control.new_revision(),
        policy: Policy::default(),
    };
    loop {
        let stored = functions::load(store, &arn).await?;
        alias::check(store, &arn, &stored.function, &wanted).await?;
        if functions::alias(store, &arn, &wanted.name).await?.is_some() {
            return Err(lambda::error::resource_conflict_exception(format!(
                "Alias already exists: {arn}:{}",
                wanted.name
            )));
        }
        let expect = Expect::Version(stored.version);
        let saved =
            functions::save("create-alias", store, &arn, expect, &stored.function, Changes::alias(&wanted))
                .await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(alias::configuration(&arn, &wanted));
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
