//! `GetPolicy`: no permission can be added yet, so there is never a policy.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use super::get_function_configuration::find;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetPolicyRequest,
) -> Result<t::GetPolicyResponse, Error> {
    find(context, &input.function_name, input.qualifier.as_deref(), "GetPolicy").await?;
    Err(lambda::error::resource_not_found_exception("The resource you requested does not exist."))
}
