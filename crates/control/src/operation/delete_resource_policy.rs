//! `DeleteResourcePolicy`.

use lambent_lambda::Policy;
use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use super::get_policy::none;
use super::put_resource_policy::resource;
use crate::find::Found;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteResourcePolicyRequest,
) -> Result<Empty, Error> {
    let store = &context.control.parts.store;
    let target = resource(context, &input.resource_arn, "DeleteResourcePolicy").await?;
    loop {
        let found = Found::load(store, target.clone()).await?;
        if found.policy().is_empty() {
            return Err(none());
        }
        found.check_revision(input.revision_id.as_deref())?;
        if found.save_policy(store, Policy::default(), context.control.new_revision()).await? {
            return Ok(Empty {});
        }
        // Somebody else changed the function meanwhile: decide again on what is there now.
    }
}
