//! `GetPolicy`.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetPolicyRequest,
) -> Result<t::GetPolicyResponse, Error> {
    let found = context.find(&input.function_name, input.qualifier.as_deref(), "GetPolicy").await?;
    if found.policy().is_empty() {
        return Err(none());
    }
    Ok(t::GetPolicyResponse {
        policy: Some(found.policy().document()),
        revision_id: Some(found.revision().to_string()),
    })
}

/// AWS's answer where there is no policy.
pub(super) fn none() -> Error {
    lambda::error::resource_not_found_exception("The resource you requested does not exist.")
}
