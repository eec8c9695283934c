//! `GetResourcePolicy`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use super::get_policy::none;
use super::put_resource_policy::resource;
use crate::find::Found;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetResourcePolicyRequest,
) -> Result<t::GetResourcePolicyResponse, Error> {
    let target = resource(context, &input.resource_arn, "GetResourcePolicy").await?;
    let found = Found::load(&context.control.parts.store, target).await?;
    if found.policy().is_empty() {
        return Err(none());
    }
    Ok(t::GetResourcePolicyResponse {
        policy: Some(found.policy().document()),
        revision_id: Some(found.revision().to_string()),
    })
}
