//! `UpdateAlias`.

use lambent_lambda::{Pointed, Refusal};
use lambent_store::Expect;
use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::functions::{self, Changes};
use crate::request::Context;
use crate::{alias, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::UpdateAliasRequest,
) -> Result<t::AliasConfiguration, Error> {
    let store = &context.control.parts.store;
    let arn = context.function(&input.function_name, "UpdateAlias").await?;
    let version = input.function_version.as_deref().map(alias::pointed).transpose()?;
    let routing = input.routing_config.as_ref().map(alias::routing).transpose()?;
    let absent =
        || lambda::error::resource_not_found_exception(format!("Alias not found: {arn}:{}", input.name));
    loop {
        let stored = functions::load(store, &arn).await?;
        let mut changed = functions::alias(store, &arn, &input.name).await?.ok_or_else(absent)?;
        if input.revision_id.as_ref().is_some_and(|expected| *expected != changed.revision.to_string()) {
            return Err(refuse::refusal(&Refusal::stale_revision("GetFunction/GetAlias")));
        }
        changed.version = version.unwrap_or(changed.version);
        changed.routing = routing.unwrap_or(changed.routing);
        changed.description = input.description.clone().unwrap_or(changed.description);
        changed.revision = context.control.new_revision();
        alias::check(store, &arn, &stored.function, &changed).await?;
        if !stored.function.provisioned.is_empty() {
            let aliases = functions::aliases(store, &arn, "", usize::MAX).await?;
            let checked = stored.function.check_provisioned_alias(&changed, &aliases);
            checked.map_err(|error| refuse::refusal(&error))?;
        }
        if stored.function.provisioned.contains_key(&changed.name) {
            for number in changed.versions().filter_map(Pointed::number) {
                let version = functions::version(store, &arn, number).await;
                let version = version.map_err(|error| refuse::store(&error))?;
                let checked = version.map_or(Ok(()), |version| version.check_has_no_snap_start());
                checked.map_err(|error| refuse::refusal(&error))?;
            }
        }
        let expect = Expect::Version(stored.version);
        let saved =
            functions::save("update-alias", store, &arn, expect, &stored.function, Changes::alias(&changed))
                .await;
        if saved.map_err(|error| refuse::store(&error))? {
            return Ok(alias::configuration(&arn, &changed));
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
