//! `DeleteEventSourceMapping`.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::mappings;
use crate::request::Context;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::DeleteEventSourceMappingRequest,
) -> Result<t::EventSourceMappingConfiguration, Error> {
    let store = &context.control.parts.store;
    let scope = &context.caller.scope;
    loop {
        let old = mappings::load(store, scope, &input.uuid).await?;
        if mappings::delete(store, scope, &old).await? {
            return Ok(mappings::shown(scope, &old.value, "Deleting"));
        }
        // Somebody else changed it meanwhile: what is answered is what was deleted.
    }
}
