//! `GetLayerVersionPolicy`.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::layers;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetLayerVersionPolicyRequest,
) -> Result<t::GetLayerVersionPolicyResponse, Error> {
    let layer = context.own_layer(&input.layer_name, "GetLayerVersionPolicy")?;
    let number = layers::number(input.version_number)?;
    let found = layers::version(&context.control.parts.store, &layer, number).await?;
    let (version, _) = found.ok_or_else(|| layers::absent(&layer, number))?;
    if version.policy.is_empty() {
        return Err(none());
    }
    Ok(t::GetLayerVersionPolicyResponse {
        policy: Some(version.policy.document()),
        revision_id: Some(version.revision.to_string()),
    })
}

/// AWS's answer where there is no policy.
pub(super) fn none() -> Error {
    lambda::error::resource_not_found_exception("No policy is associated with the given resource.")
}
