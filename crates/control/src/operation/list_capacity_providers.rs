//! `ListCapacityProviders`: there are none.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;

#[expect(clippy::unused_async, reason = "all operations are called alike")]
pub(crate) async fn answer(
    _: &Context<'_>,
    _: t::ListCapacityProvidersRequest,
) -> Result<t::ListCapacityProvidersResponse, Error> {
    Ok(t::ListCapacityProvidersResponse { capacity_providers: Some(Vec::new()), next_marker: None })
}
