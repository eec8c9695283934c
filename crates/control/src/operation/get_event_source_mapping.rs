//! `GetEventSourceMapping`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::mappings;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::GetEventSourceMappingRequest,
) -> Result<t::EventSourceMappingConfiguration, Error> {
    let scope = &context.caller.scope;
    let mapping = mappings::load(&context.control.parts.store, scope, &input.uuid).await?.value;
    Ok(mappings::shown(scope, &mapping, mapping.state()))
}
