//! `UpdateCapacityProvider`: of managed instances, which there are none of.

use lambent_wire::Error;
use lambent_wire::lambda::{self, types as t};

use crate::request::Context;

#[expect(clippy::unused_async, reason = "all operations are called alike")]
pub(crate) async fn answer(
    _: &Context<'_>,
    input: t::UpdateCapacityProviderRequest,
) -> Result<t::UpdateCapacityProviderResponse, Error> {
    Err(lambda::error::resource_not_found_exception(format!(
        "Capacity provider not found: {}",
        input.capacity_provider_name
    )))
}
