//! `ListCodeSigningConfigs`.

use lambent_lambda::CodeSigning;
use lambent_wire::Error;
use lambent_wire::lambda::types as t;

use crate::request::Context;
use crate::{code_signing, paging, resources};

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::ListCodeSigningConfigsRequest,
) -> Result<t::ListCodeSigningConfigsResponse, Error> {
    let scope = &context.caller.scope;
    let after = paging::open(input.marker.as_deref())?;
    let size = paging::asked(input.max_items);
    let store = &context.control.parts.store;
    let all = code_signing::partition(scope);
    let mut found: Vec<CodeSigning> =
        resources::list(store, &all, after.as_deref(), size.saturating_add(1)).await?;
    let next_marker = paging::cut(&mut found, size, |last| last.id.clone());
    let shown = found.iter().map(|config| code_signing::shown(scope, config)).collect();
    Ok(t::ListCodeSigningConfigsResponse { next_marker, code_signing_configs: Some(shown) })
}
