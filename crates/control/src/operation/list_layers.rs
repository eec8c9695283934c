//! `ListLayers`: each layer with its newest version that the filters let through.

use lambent_lambda::LayerArn;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{layer_view, layers, paging};

/// Layers that are looked at together while a page is being filled.
const CHUNK: usize = 50;

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListLayersRequest,
) -> Result<t::ListLayersResponse, Error> {
    let store = &context.control.parts.store;
    let scope = &context.caller.scope;
    let runtime = input.compatible_runtime.as_ref().map(|runtime| runtime.as_str());
    let architecture = input.compatible_architecture.as_ref().map(layers::architecture);
    let size = paging::page_size(input.max_items);
    let mut after = paging::open(input.marker.as_deref())?;
    let mut shown = Vec::new();
    // One more than the page, to know whether there is a next one.
    while shown.len() <= size {
        let names = layers::names(store, scope, after.as_deref(), CHUNK).await?;
        let Some(last) = names.last() else { break };
        after = Some(last.clone());
        for name in names {
            let layer = LayerArn { scope: scope.clone(), name };
            let versions = layers::versions(store, &layer).await?;
            let newest = versions.iter().find(|version| version.matches(runtime, architecture));
            shown.extend(newest.map(|version| t::LayersListItem {
                layer_name: Some(layer.name.clone()),
                layer_arn: Some(layer.to_string()),
                latest_matching_version: Some(layer_view::listed(&layer, version)),
            }));
        }
    }
    let next_marker = paging::cut(&mut shown, size, |last| last.layer_name.clone().unwrap_or_default());
    Ok(t::ListLayersResponse { next_marker, layers: Some(shown) })
}
