//! `ListLayerVersions`: the newest first.

use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::refuse::invalid;
use crate::request::Context;
use crate::{layer_view, layers, paging};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListLayerVersionsRequest,
) -> Result<t::ListLayerVersionsResponse, Error> {
    let layer = context.own_layer(&input.layer_name, "ListLayerVersions")?;
    let before = paging::open(input.marker.as_deref())?.map(|marker| marker.parse::<u64>()).transpose();
    let before = before.map_err(|_| invalid("Invalid pagination token: it is another list's"))?;
    let runtime = input.compatible_runtime.as_ref().map(|runtime| runtime.as_str());
    let architecture = input.compatible_architecture.as_ref().map(layers::architecture);
    let mut versions = layers::versions(&context.control.parts.store, &layer).await?;
    versions.retain(|version| {
        before.is_none_or(|before| version.number < before) && version.matches(runtime, architecture)
    });
    let size = paging::page_size(input.max_items);
    let next_marker = paging::cut(&mut versions, size, |last| last.number.to_string());
    let shown = versions.iter().map(|version| layer_view::listed(&layer, version)).collect();
    Ok(t::ListLayerVersionsResponse { next_marker, layer_versions: Some(shown) })
}
