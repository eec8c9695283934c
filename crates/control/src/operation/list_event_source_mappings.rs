//! `ListEventSourceMappings`.

use lambent_lambda::Mapping;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{mappings, paging};

/// Mappings that are read together while a page is being filled.
const CHUNK: usize = 100;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListEventSourceMappingsRequest,
) -> Result<t::ListEventSourceMappingsResponse, Error> {
    let store = &context.control.parts.store;
    let scope = &context.caller.scope;
    let function = match &input.function_name {
        Some(name) => Some(mappings::function_named(context, name, "ListEventSourceMappings").await?.1),
        None => None,
    };
    let wanted = |mapping: &Mapping| {
        function.as_ref().is_none_or(|function| mapping.function == *function)
            && input.event_source_arn.as_ref().is_none_or(|arn| mapping.source.as_ref() == Some(arn))
    };
    let size = paging::asked(input.max_items);
    let mut after = paging::open(input.marker.as_deref())?;
    let mut found = Vec::new();
    // One more than the page, to know whether there is a next one.
    while found.len() <= size {
        let next = mappings::list(store, scope, after.as_deref(), CHUNK).await?;
        let Some(last) = next.last() else { break };
        after = Some(last.id.clone());
        found.extend(next.into_iter().filter(&wanted));
    }
    let next_marker = paging::cut(&mut found, size, |last| last.id.clone());
    let shown = found.iter().map(|mapping| mappings::shown(scope, mapping, mapping.state()));
    Ok(t::ListEventSourceMappingsResponse { next_marker, event_source_mappings: Some(shown.collect()) })
}
