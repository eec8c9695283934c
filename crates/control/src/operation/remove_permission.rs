//! `RemovePermission`.

use lambent_wire::lambda::{self, types as t};
use lambent_wire::{Empty, Error};

use crate::find::Found;
use crate::refuse;
use crate::request::Context;

pub(crate) async fn answer(context: &Context<'_>, input: t::RemovePermissionRequest) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let qualifier = input.qualifier.as_deref();
    let target = context.target(&input.function_name, qualifier, "RemovePermission").await?;
    loop {
        let found =
            Found::load(store, target.clone()).await.map_err(|error| match error.status.as_u16() {
                404 => lambda::error::resource_not_found_exception(format!(
                    "No policy found for: {}",
                    crate::request::shown(&target)
                )),
                _ => error,
            })?;
        if found.policy().is_empty() {
            return Err(lambda::error::resource_not_found_exception(
                "No policy is associated with the given resource.",
            ));
        }
        found.check_revision(input.revision_id.as_deref())?;
        let policy = found.policy().without(&input.statement_id).map_err(|error| refuse::refusal(&error))?;
        if found.save_policy(store, policy, context.control.new_revision()).await? {
            return Ok(Empty {});
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
