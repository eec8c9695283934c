//! `DeleteProvisionedConcurrencyConfig`: no error where there is none, which is everywhere so far.

use lambent_wire::lambda::types as t;
use lambent_wire::{Empty, Error};

use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Empty, Error> {
    let action = "DeleteProvisionedConcurrencyConfig";
    context.find(&input.function_name, Some(&input.qualifier), action).await?;
    Ok(Empty {})
}
