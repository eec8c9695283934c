//! `RemoveLayerVersionPermission`.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use super::get_layer_version_policy::none;
use crate::request::Context;
use crate::{layers, refuse};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::RemoveLayerVersionPermissionRequest,
) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let layer = context.own_layer(&input.layer_name, "RemoveLayerVersionPermission")?;
    let number = layers::number(input.version_number)?;
    loop {
        let found = layers::version(store, &layer, number).await?;
        let (mut version, record) = found.ok_or_else(|| layers::absent(&layer, number))?;
        if version.policy.is_empty() {
            return Err(none());
        }
        version.check_revision(input.revision_id.as_deref()).map_err(|error| refuse::refusal(&error))?;
        version.policy =
            version.policy.without(&input.statement_id).map_err(|error| refuse::refusal(&error))?;
        version.revision = context.control.new_revision();
        if layers::replace(store, &layer, &version, record).await? {
            return Ok(Empty {});
        }
        // Somebody else changed the policy meanwhile: decide again on what is there now.
    }
}
