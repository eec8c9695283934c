//! `DeleteEventSourceMapping`.

use lambent_lambda::{Mapping, Transition};
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
        mappings::check_rests(&old.value, "delete")?;
        let deleting = Mapping { transition: Some(Transition::Deleting), ..old.value.clone() };
        // What is polled is gone when its poller is.
        let done = if old.value.kind.is_polled() {
            mappings::replace(store, scope, &old, &deleting).await?
        } else {
            mappings::delete(store, scope, &old).await?
        };
        if done {
            return Ok(mappings::shown(scope, &deleting, deleting.state()));
        }
        // Somebody else changed it meanwhile: what is answered is what was deleted.
    }
}
